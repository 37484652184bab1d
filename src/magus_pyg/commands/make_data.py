"""Make a synthetic catalogue and log of the size of Tmall or Alipay, as Parquet files."""

import re
from collections.abc import Sequence
from dataclasses import fields

from magus_pyg.commands.command_line import end_by
from magus_pyg.data.synthetic.shape_files import write_scale_data
from magus_pyg.data.synthetic.shapes import SHAPES, ScaleOptions
from magus_pyg.errors import ConfigError
from magus_pyg.files import home_expanded
from magus_pyg.invocation import as_called, command_name, shell_words
from magus_pyg.terminal import complain, say

__all__ = ["command", "main_make_data", "parse_words", "train_command"]


_HELP = """Make a catalogue and a log of the size of Tmall or Alipay, as Parquet files.

  make_data.py shape=tmall|alipay out=FOLDER [scale=1.0] [seed=0] [chunk_rows=500000]

scale multiplies users, items and interactions (0.01 gives a small one); FOLDER must not exist yet. The same shape,
scale and seed give the same content everywhere. Prints the command to train on it.
"""


def main_make_data(words: Sequence[str]) -> None:
    """The command of `scripts/make_data.py`.

    Raises:
        MagusError: see `parse_words` and `write_scale_data`.
    """
    if not words or set(words) & {"-h", "--help"}:
        say(as_called(_HELP))
        return
    options = parse_words(words)
    write_scale_data(options, complain)
    say(train_command(options))


def parse_words(words: Sequence[str]) -> ScaleOptions:
    """Options from words `key=value`.

    Raises:
        ConfigError: a misspelt key, a value of another type, or no folder.
    """
    options = ScaleOptions()
    types = {entry.name: type(getattr(options, entry.name)) for entry in fields(options)}
    for word in words:
        name, equals, text = word.partition("=")
        if not equals or name not in types:
            raise ConfigError(f"{word!r} is no setting; write key=value with one of {', '.join(types)}")
        try:
            setattr(options, name, types[name](text))
        except ValueError as error:
            kind = "a whole number" if types[name] is int else "a number"
            raise ConfigError(f"{name}={text}: the value must be {kind}") from error
    options.sized()
    if not options.out:
        raise ConfigError("out is missing: name the folder to make, as in out=my/data")
    return options


def train_command(options: ScaleOptions) -> str:
    """The command that trains on the folder, as words for a shell."""
    shape, path = SHAPES[options.shape], str(home_expanded(options.out).absolute())
    if not re.fullmatch(r"[\w/.+@%~-]+", path):  # a mark of the grammar of settings
        path = '"' + path.replace("\\", "\\\\").replace('"', '\\"') + '"'
    settings = {
        "name": f"{options.shape}-like",
        "path": path,
        "word_fields": f"[{','.join(shape.fields)}]",
        **({"profile_fields": "[age,gender]"} if shape.brands else {}),
        "rating": "action",
        "positive": "action",
        "positive_actions": f"[{shape.positive}]",
    }
    words = [f"dataset.{key}={value}" for key, value in settings.items()]
    return f"{command_name('train')} {shell_words('dataset=tabular', *words)}"


def command() -> None:
    """Console command `magus-make-data`, `scripts/make_data.py`."""
    end_by(main_make_data)
