"""Train in Python, read the run back, and answer a user of the run.

Run it with a folder for the runs: `python examples/own_run.py /tmp/runs`.
"""

import json
import sys

import magus_pyg as mp
from magus_pyg.agents.variants import BaseVariant
from magus_pyg.data import SyntheticOptions
from magus_pyg.experiment import train_run
from magus_pyg.models import FMOptions
from magus_pyg.report import make_console
from magus_pyg.runs import Config
from magus_pyg.training import TrainOptions

config = Config(
    dataset=SyntheticOptions(users=120, items=200),
    model=FMOptions(dim=16),
    magus=BaseVariant(negative="signed", minus_scale=0.3),
    train=TrainOptions(epochs=3),
)
config.paths.runs = sys.argv[1] if len(sys.argv) > 1 else "runs"
path = train_run(config, make_console())

run = mp.load_run(path)
print(run.results[["method", "SA@3", "SA@5", "query_rounds"]].to_string(index=False))

session = mp.MagusSession.from_run(run, run.user_ids[0])
for entry in session.recommend():
    print(entry.kind, entry, round(entry.score, 3))
session.feedback(clicked=None)
state = json.dumps(session.to_dict())  # what it began with and the answers, to be kept between two requests
catalogue = mp.Catalogue.from_run(run)  # what all people share, made once a process
again = catalogue.resume(json.loads(state), run.scores(run.user_ids[0]))
assert [entry.node for entry in again.recommend()] == [entry.node for entry in session.recommend()]
