"""The switches of MAGUS: each names a place where the paper is silent or can be read in two ways."""

from dataclasses import dataclass

from magus_pyg.errors import ConfigError

__all__ = ["MagusOptions"]

_CHOICES = {
    "relations": ("definition", "swapped", "fields"),
    "scope": ("session", "catalogue"),
    "searched": ("lift", "literal"),
    "negative": ("zero", "signed", "signed_both"),
    "unclicked": ("zero", "unknown"),
}


@dataclass
class MagusOptions:
    """How MAGUS guesses and updates.

    Attributes:
        relations: which pairs inhibit each other. "definition": the prose of Definition 3.1 (no item contains both);
            "swapped": its numbered list, R- and R⊥ change places; "fields": App. C.3, pairs that share a field.
        scope: whether two queries are compatible through a candidate of the "session" or any item of the "catalogue".
        hops: how often Eq. (4) is applied.
        searched: Eq. (5). "lift": a searched query rises to the highest score of the other queries; "literal": to
            the lowest, as printed.
        clamp: whether Eq. (9) is bounded to [0, 1] as printed; False follows App. B.3.
        negative: what a refused node sends. "zero": nothing, as printed; "signed": -1 along R+, so what contains a
            refused query falls; "signed_both": -1 along R- as well, so what it inhibits rises.
        unclicked: what a click says of the other nodes in the list. "zero": all are refused (F.2); "unknown": the
            queries below the clicked node say nothing.
        minus_scale: factor on the R- weights of Eq. (4), the first guess; 1 as printed.
    """

    relations: str = "definition"
    scope: str = "session"
    hops: int = 1
    searched: str = "lift"
    clamp: bool = False
    negative: str = "zero"
    unclicked: str = "zero"
    minus_scale: float = 1.0

    def check(self) -> "MagusOptions":
        """The options themselves, if all are in range.

        Raises:
            ConfigError: naming the option, its value and the choices.
        """
        for name, choices in _CHOICES.items():
            if getattr(self, name) not in choices:
                raise ConfigError(f"magus.{name} must be one of {list(choices)}, got {getattr(self, name)!r}")
        if self.hops < 1:
            raise ConfigError(f"magus.hops must be at least 1, got {self.hops}")
        if not 0.0 <= self.minus_scale < float("inf"):
            raise ConfigError(f"magus.minus_scale must be at least 0 and finite, got {self.minus_scale}")
        return self

    @property
    def needs_explicit(self) -> bool:
        """Whether R- must be there as edges: the implied form knows one pass and the definition's R- alone."""
        return self.relations != "definition" or self.hops > 1
