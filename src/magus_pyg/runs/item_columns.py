"""The other columns of a run's items in one file that is mapped into memory: what people see of an item beside its
title and its words, such as its price and its picture.

Whoever asks reads a few rows of it, so the file is mapped and shared between processes, not held.
"""

import logging
from functools import cached_property
from pathlib import Path

import pyarrow as pa

from magus_pyg.data import RecDataset
from magus_pyg.errors import RunError
from magus_pyg.escaping import cut
from magus_pyg.files import whole
from magus_pyg.graph.titles import harmless_text

__all__ = ["ItemColumns", "save_item_columns"]

_LONGEST = 1000
"""Characters of a text that are kept."""
_MOST_BYTES, _MOST_COLUMNS = 2**28, 64
"""What one file holds at the most; columns beyond are left out."""
_CHUNK = 1 << 16

logger = logging.getLogger(__name__)


class ItemColumns:
    """The other columns of items, read when they are first asked for.

    Args:
        path: the file; None where a run has none, as those of release 0.1.0.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path

    def of(self, item: int) -> dict[str, str]:
        """The columns of one item that say something, by name: texts without control characters.

        Args:
            item: its node.

        Raises:
            RunError: a missing, damaged or foreign file.
        """
        try:
            cells = [(name, column[item].as_py()) for name, column in self._columns.items()]
        except (IndexError, UnicodeDecodeError) as error:
            raise RunError(f"{self._path} is not of this run, or damaged ({error}); train again") from error
        return {name: text for name, cell in cells if (text := harmless_text(cell or ""))}

    @cached_property
    def _columns(self) -> dict[str, pa.ChunkedArray]:
        if self._path is None:
            return {}
        try:
            table = pa.ipc.open_file(pa.memory_map(str(self._path))).read_all()
        except (OSError, pa.ArrowException) as error:
            raise RunError(f"{self._path} is missing, cut off or damaged ({error}); train again") from error
        return dict(zip(table.column_names, table.columns, strict=True))


def save_item_columns(data: RecDataset, path: Path) -> None:
    """Write the other columns of the items of a data set (`RecDataset.other_columns`), whole or not at all.

    Texts are cut after 1,000 characters. Columns that make the file larger than 256 MB, or are more than 64, are left
    out, and named in the log.

    Raises:
        RunError: if it cannot be written.
    """
    kept: dict[str, pa.Array] = {}
    size, left_out = 0, []
    for name, column in data.other_columns.items():
        texts = pa.array([cut(str(text), _LONGEST) for text in data.items[column]], pa.large_string())
        if len(kept) == _MOST_COLUMNS or size + texts.nbytes > _MOST_BYTES:
            left_out.append(name)
            continue
        kept[name], size = texts, size + texts.nbytes
    if left_out:
        logger.warning("columns of items that are not kept with the run, since they are too large: %s", left_out)
    table = pa.table(kept)
    with whole(path) as fresh, pa.ipc.new_file(str(fresh), table.schema) as file:
        file.write_table(table, max_chunksize=_CHUNK)
