"""How a base recommender learns from finished sessions."""

from dataclasses import dataclass

from magus_pyg.errors import ConfigError

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
        if self.epochs < 0 or self.batch_size < 1:
            raise ConfigError(
                f"learning needs epochs of at least 0 and a batch_size of at least 1 (got {self.epochs} and "
                f"{self.batch_size})"
            )
        if not 0.0 < self.lr < float("inf") or not 0.0 <= self.replay < float("inf"):
            raise ConfigError(
                f"learning needs a positive lr and a replay of at least 0 (got {self.lr} and {self.replay})"
            )
