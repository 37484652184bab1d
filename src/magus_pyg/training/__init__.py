"""Training base recommenders: rows, batches, the loop, the best epoch, checkpoints, out-of-fold scores.

The models are in `models`; what agents learn is fitted in `agents`.
"""

from magus_pyg.training.base_quality import BaseQuality, full_ranking, judge
from magus_pyg.training.fitting import TrainResult, fit
from magus_pyg.training.train_options import TrainOptions
from magus_pyg.training.training_rows import training_data

__all__ = ["BaseQuality", "TrainOptions", "TrainResult", "fit", "full_ranking", "judge", "training_data"]
