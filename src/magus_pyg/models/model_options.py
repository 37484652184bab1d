"""What the options of all base recommenders have in common; those of a model stand beside it."""

from dataclasses import dataclass

__all__ = ["ModelOptions"]


@dataclass
class ModelOptions:
    """What every base recommender has.

    Attributes:
        name: key of the model in `MODELS`.
    """

    name: str = "fm"
