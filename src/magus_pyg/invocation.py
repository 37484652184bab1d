"""What the commands are called at this terminal: `magus-play`, or `python scripts/play.py` in a checkout."""

import re
import shlex
import shutil
import sys
from pathlib import Path

from magus_pyg.escaping import shown

__all__ = ["as_called", "command_name", "shell_words"]

_FILES = re.compile(r"\b(train|simulate|play|report|tune|describe|make_data|serve)\.py\b")


def command_name(name: str) -> str:
    """A command of this package as the person who runs the present one would write it.

    Args:
        name: of its file: "train", "make_data".

    Returns:
        The file beside the one that runs, where that is in a folder `scripts`, such as "python scripts/train.py"; else
        the installed command, such as "magus-train", with its folder if it is not found without.
    """
    running = Path(sys.argv[0] if sys.argv else "")
    if running.suffix == ".py" and running.absolute().parent.name == "scripts":
        return shell_words("python", str(running.with_name(f"{name}.py")))
    installed = f"magus-{name.replace('_', '-')}"
    if running.name.startswith("magus-") and shutil.which(installed) is None:
        return shell_words(str(running.with_name(installed)))
    return installed


def as_called(text: str) -> str:
    """A help text that names commands by their files (`play.py run=RUN`), with the names that can be typed."""
    return _FILES.sub(lambda file: command_name(file[1]), text)


def shell_words(*words: str) -> str:
    r"""Words as a line for a shell; those with control characters in the form $'\x1b', which shows none of them."""
    return " ".join(shlex.quote(word) if word == shown(word) else _written_out(word) for word in words)


def _written_out(word: str) -> str:
    word = word.replace("\\", r"\\").replace("'", r"\'")
    # A half of a surrogate pair stands for a byte of a path that is no UTF-8.
    return "$'" + shown(re.sub("[\udc80-\udcff]", lambda found: f"\\x{ord(found[0]) - 0xDC00:02x}", word)) + "'"
