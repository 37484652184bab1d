"""How a base recommender learns from finished sessions."""

from dataclasses import dataclass

from magus_pyg.options import above, at_least, at_most, check_options

__all__ = ["LearnOptions"]


@dataclass
class LearnOptions:
    """How the base recommender is fine-tuned between sessions (Algorithm 1, line 16), with `magus.learn=per_session`.

    Attributes:
        epochs: passes over the new rows and the old ones drawn beside them; 0 appends the rows and trains nothing.
        lr: learning rate of Adam.
        batch_size: rows a step.
        replay: old rows drawn for each new one, so that what was learned before is not forgotten.
    """

    epochs: int = 3
    lr: float = 3e-3
    batch_size: int = 512
    replay: float = 1.0

    def __post_init__(self) -> None:
        check_options(self, epochs=at_least(0), batch_size=at_least(1), lr=above(0), replay=at_least(0))
        check_options(self, replay=at_most(1000))
