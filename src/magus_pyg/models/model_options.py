"""What the options of all base recommenders have in common; those of a model stand beside it."""

from dataclasses import dataclass

from magus_pyg.options import check_options

__all__ = ["WIDEST", "ModelOptions"]

WIDEST = 65_536
"""The longest vector that a model may be asked for."""


@dataclass
class ModelOptions:
    """What every base recommender has.

    Attributes:
        name: key of the model in `MODELS`.
    """

    name: str = "fm"

    def __post_init__(self) -> None:
        check_options(self)
