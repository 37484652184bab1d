"""Checks that all options classes share."""

from magus_pyg.errors import ConfigError

__all__ = ["check_range"]


def check_range(owner: object, name: str, low: float, high: float = float("inf"), below: bool = False) -> None:
    """Raise ConfigError unless `low <= owner.name <= high` (`< high` with `below`)."""
    value = getattr(owner, name)
    if not (low <= value < high if below else low <= value <= high):
        end = "" if high == float("inf") else f" and {'below' if below else 'at most'} {high:g}"
        raise ConfigError(f"{type(owner).__name__}.{name} must be at least {low:g}{end} (got {value!r})")
