"""What a report leaves out, and why."""

from pathlib import Path

__all__ = ["LeftOut"]

_NAMED = 3  # folders that a line names


class LeftOut:
    """The folders whose plays are not in a report, by the reason."""

    def __init__(self) -> None:
        self._folders: dict[str, dict[Path, None]] = {}

    def note(self, folder: Path, why: str) -> None:
        """Leave a folder out, or some of its plays."""
        self._folders.setdefault(why, {})[folder] = None

    def lines(self, what: str) -> list[str]:
        """A line a reason, in the order in which they were noted; `what` they are left out of."""
        lines = []
        for why, folders in self._folders.items():
            named = ", ".join(map(str, list(folders)[:_NAMED]))
            more = len(folders) - _NAMED
            lines.append(f"left out of {what}, as {why}: {named}" + (f" and {more} more" if more > 0 else ""))
        return lines
