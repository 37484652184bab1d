"""Files with one object a line: strict JSON, or a Python dict as in the Amazon files of 2014. Nothing is evaluated.

pyarrow reads a block of lines at a time. Python dicts are first rewritten as JSON by their tokens. Only a block that
is refused is read line by line, with `json` and then `ast.literal_eval`.
"""

import ast
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.json as pajson

from magus_pyg.data.reading.findings import Findings
from magus_pyg.data.reading.integer_logs import whole_number
from magus_pyg.data.reading.line_blocks import BLOCK, BadRows, LineBlock, line_blocks
from magus_pyg.errors import DataError

__all__ = ["parse_line", "read_objects"]

# A list of ids in one piece (most of a line is such lists), a string of either quote, or a name outside of strings that
# JSON writes in another way.
_TOKEN = re.compile(
    r"""(\[(?:'\w+'(?:, )?)+\])|[uU]?'((?:[^'\\\n]|\\.)*)'|[uU]?"((?:[^"\\\n]|\\.)*)"|\b(True|False|None)\b"""
)
_NAMES = {"True": "true", "False": "false", "None": "null"}


def read_objects(
    path: Path, schema: pa.Schema, findings: Findings, required: Sequence[str] = (), size: int = BLOCK
) -> Iterator[tuple[pa.Table, Sequence[int]]]:
    """Read some keys of the objects of a file.

    Args:
        path: the file, compressed (.gz) or not.
        schema: the keys and their types; other keys are not looked at, and missing ones are null.
        findings: where problems go; where they are collected, lines with problems are left out.
        required: keys that must be there, and not empty.
        size: bytes to read at once.

    Yields:
        The columns of some lines, and the numbers of those lines.

    Raises:
        DataError: a file that is missing, empty or cut off, and the first line that is no object or lacks a key.
    """
    tally = BadRows(findings)
    for block in line_blocks(path, findings, size):
        numbers = [number for number, _ in block.lines()]
        if not numbers:
            continue
        try:
            text = block.text()
        except DataError as error:
            findings.problem(str(error))
            text = block.data.decode(errors="replace")
        table = _fast(text, schema)
        if table is None or table.num_rows != len(numbers) or _lacks(table, required):
            table, numbers = _by_line(block, text, schema, required, tally)
        yield table, numbers
    tally.report()


def parse_line(text: str) -> dict[str, Any] | None:
    """An object written as JSON or as a Python dict of literals; None if it is neither."""
    for read in (lambda line: json.loads(line, strict=False), ast.literal_eval):
        try:
            value = read(text)
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            continue
        return value if isinstance(value, dict) else None
    return None


def _fast(text: str, schema: pa.Schema) -> pa.Table | None:
    try:
        if text.lstrip()[:2] in ("{'", "{u", "{U"):
            text = _TOKEN.sub(_as_json, text)
        content = text.encode()
        return pajson.read_json(
            pa.BufferReader(content),
            # An object may not reach over the end of a block of the reader.
            read_options=pajson.ReadOptions(block_size=len(content) + 1),
            parse_options=pajson.ParseOptions(explicit_schema=schema, unexpected_field_behavior="ignore"),
        )
    except (pa.ArrowInvalid, ValueError, SyntaxError):
        return None


def _as_json(token: re.Match[str]) -> str:
    ids, single, double, name = token.groups()
    if ids is not None:
        return str(ids).replace("'", '"')
    if name is not None:
        return _NAMES[name]
    body = single if single is not None else double
    if "\\" in body:
        # Escapes differ between the two languages.
        return json.dumps(ast.literal_eval(token.group()), ensure_ascii=False)
    return '"' + body.replace('"', '\\"') + '"'


def _lacks(table: pa.Table, required: Sequence[str]) -> bool:
    return any(
        table.column(key).null_count
        or (
            pa.types.is_string(table.column(key).type)
            and pa.compute.any(pa.compute.equal(table.column(key), "")).as_py()
        )
        for key in required
    )


def _by_line(
    block: LineBlock, text: str, schema: pa.Schema, required: Sequence[str], tally: BadRows
) -> tuple[pa.Table, list[int]]:
    rows: list[dict[str, Any]] = []
    numbers: list[int] = []
    lines = [(number, line.strip()) for number, line in enumerate(text.split("\n"), block.first) if line.strip()]
    for number, line in lines:
        value = parse_line(line)
        if value is None:
            cut = "; the file looks cut off" if block.last and number == lines[-1][0] else ""
            tally.add(block.path, number, "object", f": neither JSON nor a Python dict: {line[:60]!r}{cut}")
            continue
        missing = [key for key in required if value.get(key) in (None, "")]
        if missing:
            tally.add(block.path, number, f"key {missing[0]}", f": the object has no {missing[0]!r}")
            continue
        try:
            rows.append({field.name: _converted(value.get(field.name), field.type) for field in schema})
        except (ValueError, TypeError) as error:
            tally.add(block.path, number, "type", f": a value has another type than expected ({error})")
            continue
        numbers.append(number)
    columns = {field.name: pa.array([row[field.name] for row in rows], field.type) for field in schema}
    return pa.table(columns, schema=schema), numbers


def _converted(value: Any, kind: pa.DataType) -> Any:
    """A value as its column has it.

    Raises:
        ValueError, TypeError: if it cannot be.
    """
    if value is None:
        return None
    if pa.types.is_list(kind):
        if not isinstance(value, list):
            raise TypeError(f"{value!r} is no list")
        return [_converted(entry, kind.value_type) for entry in value]
    if isinstance(value, list | dict):
        raise TypeError(f"{str(value)[:40]} is no {kind}")
    if pa.types.is_string(kind):
        return str(int(value) if isinstance(value, float) and value.is_integer() else value)
    if pa.types.is_integer(kind):
        whole = whole_number(str(value))
        if whole is None:
            raise ValueError(f"{value!r} is no whole number")
        return whole
    return float(value)
