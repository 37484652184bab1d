"""Damaged and odd files of a folder of one's own, made from a seed: what loading makes of them.

    python tests/helpers/fuzz_files.py COUNT SEED

A loaded data set and a `MagusError` are right ends; anything else, more than ten seconds and a file left are faults.
"""

import decimal
import gzip
import io
import os
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from magus_pyg.data import TabularOptions, load_dataset
from magus_pyg.errors import MagusError

LIMIT = 10.0  # seconds

_ITEMS = pd.DataFrame({"item_id": [f"i{k}" for k in range(6)], "brand": ["a", "b"] * 3, "tag": ["x|y", "", "z"] * 2})
_LOG = pd.DataFrame(
    [(f"u{u}", f"i{k}", 1 + (u + k) % 5, 1000 + k) for u in range(4) for k in range(6)],
    columns=["user_id", "item_id", "rating", "timestamp"],
)
_CELLS = (
    "", " ", "nan", "NaN", "null", "None", "inf", "-1", "1e400", "0x10", "1_000", "9" * 40, "1,5", '"', '""', "a\x00b",
    "a\nb", "a\rb", "\ufeff", "\u202e", "\U0001f600", "=1+1", "|", "||a", "x" * 200_000, "1970-01-01", "99999-01-01",
    "2038-01-19T03:14:08Z", "True", "now", "[1, 2]", "{}", "\t", ",", ";",
)  # fmt: skip
_ENCODINGS = ("utf-16", "utf-8-sig", "latin-1", "cp1252", "utf-32", "utf-16-be", "cp037")
_SUFFIXES = (".csv", ".tsv", ".csv.gz", ".parquet", ".txt", ".csv.zip", ".CSV", "")
_OPTIONS: tuple[dict[str, Any], ...] = (
    {}, {"timestamp": ""}, {"ordered": False}, {"positive": "all", "rating": ""}, {"separator": ";"},
    {"delimiter": ";"}, {"delimiter": "tab"}, {"encoding": "latin-1"}, {"encoding": "utf-16"}, {"split": "rating"},
    {"positive": "action", "positive_actions": ["5"]}, {"unknown_items": "drop"}, {"unknown_items": "keep"},
    {"timestamp_format": "%Y"}, {"decimal": ","},
)  # fmt: skip


def _columns(rng: np.random.Generator, rows: int) -> pa.Array:
    """A column of any type that Arrow writes to Parquet."""
    makers: tuple[Callable[[], pa.Array], ...] = (
        lambda: pa.array([None] * rows, pa.null()),
        lambda: pa.array([bool(k % 2) for k in range(rows)]),
        lambda: pa.array(np.arange(rows, dtype="uint64") + np.uint64(2**63)),
        lambda: pa.array(np.full(rows, np.nan)),
        lambda: pa.array([float(k) if k % 2 else None for k in range(rows)]),
        lambda: pa.array([decimal.Decimal(f"{k}.50") for k in range(rows)]),
        lambda: pa.array([b"\xff\x00" * (k + 1) for k in range(rows)]),
        lambda: pa.array([f"i{k % 6}" for k in range(rows)]).dictionary_encode(),
        lambda: pa.array([["a", None, "b"][: k % 4] for k in range(rows)]),
        lambda: pa.array([[["a"]] for _ in range(rows)]),
        lambda: pa.array([{"a": k, "b": [k]} for k in range(rows)]),
        lambda: pa.array([[("k", k)] for k in range(rows)], pa.map_(pa.string(), pa.int64())),
        lambda: pa.array(range(rows), pa.timestamp("ns", "Europe/Berlin")),
        lambda: pa.array(range(rows), pa.timestamp("s")),
        lambda: pa.array(range(rows), pa.date32()),
        lambda: pa.array(range(rows), pa.time64("us")),
        lambda: pa.array(range(rows), pa.duration("ms")),
        lambda: pa.array([f"i{k % 6}" for k in range(rows)], pa.large_string()),
        lambda: pa.array([f"i{k % 6}" for k in range(rows)], pa.string_view()).cast(pa.string()),
        lambda: pa.array(np.arange(rows, dtype="float16")),
        lambda: pa.array([[0.5] * 3] * rows, pa.list_(pa.float32(), 3)),
        lambda: pa.Array.from_buffers(pa.string(), rows, pa.array([b"a\xff"] * rows, pa.binary()).buffers()),
    )
    return makers[int(rng.integers(len(makers)))]()


def _damaged(rng: np.random.Generator, content: bytes) -> bytes:
    """Bytes changed, lost, doubled or put in at random."""
    kind = int(rng.integers(7))
    at = int(rng.integers(len(content) + 1))
    if kind == 0:
        return content[:at]
    if kind == 1:
        return content[:at] + bytes(rng.integers(0, 256, 8, dtype=np.uint8)) + content[at:]
    if kind == 2:
        flipped = bytearray(content)
        for place in rng.integers(0, max(len(content), 1), 5):
            if content:
                flipped[place] ^= 1 << int(rng.integers(8))
        return bytes(flipped)
    if kind == 3:
        return content + content[at:]
    if kind == 4:
        return content.replace(b"\n", b"\r\n" if rng.integers(2) else b"\r")
    if kind == 5:
        return b"\0" * int(rng.integers(1, 5000))
    return content[at:]


def _frame(rng: np.random.Generator, frame: pd.DataFrame) -> pd.DataFrame:
    """A table with odd cells, columns lost, doubled or renamed, or hardly a row."""
    frame = frame.astype(object)
    for _ in range(int(rng.integers(3))):
        frame.iloc[int(rng.integers(len(frame))), int(rng.integers(frame.shape[1]))] = _CELLS[
            int(rng.integers(len(_CELLS)))
        ]
    kind = int(rng.integers(15))
    if kind == 0:
        frame = frame.drop(columns=frame.columns[int(rng.integers(frame.shape[1]))])
    elif kind == 1:
        frame = pd.concat([frame, frame.iloc[:, [0]]], axis=1)
    elif kind == 2:
        frame.columns = [*frame.columns[:-1], _CELLS[int(rng.integers(len(_CELLS)))]]
    elif kind == 3:
        frame = frame.iloc[: int(rng.integers(2))]
    elif kind == 4:
        frame = pd.concat([frame, frame])
    return frame


def _write(rng: np.random.Generator, folder: Path, name: str, frame: pd.DataFrame) -> None:
    if rng.integers(3) == 0:  # one of the tables is often as it should be
        frame.to_csv(folder / f"{name}.csv", index=False)
        return
    frame = _frame(rng, frame)
    if rng.integers(3) == 0:  # Parquet
        columns = {str(key): pa.array([str(v) for v in frame.iloc[:, k]]) for k, key in enumerate(frame.columns)}
        for key in list(columns):
            if rng.integers(3) == 0:
                columns[key] = _columns(rng, len(frame))
        if rng.integers(3) == 0:
            columns["unused"] = _columns(rng, len(frame))
        stream = io.BytesIO()
        pq.write_table(pa.table(columns), stream)
        content, suffix = stream.getvalue(), ".parquet"
    else:
        text = frame.to_csv(index=False, sep=",;\t"[int(rng.integers(3))] if rng.integers(8) == 0 else ",")
        encoding = _ENCODINGS[int(rng.integers(len(_ENCODINGS)))] if rng.integers(8) == 0 else "utf-8"
        content, suffix = text.encode(encoding, "replace"), ".csv"
        if rng.integers(5) == 0:
            content, suffix = gzip.compress(content), ".csv.gz"
    if rng.integers(4) == 0:
        content = _damaged(rng, content)
    if rng.integers(8) == 0:
        suffix = _SUFFIXES[int(rng.integers(len(_SUFFIXES)))]
    place = folder / f"{name}{suffix}"
    kind = int(rng.integers(20))
    if kind == 0:
        place.mkdir()
        (place / f"part-0{suffix}").write_bytes(content)
        (place / f"part-1{_SUFFIXES[int(rng.integers(len(_SUFFIXES)))]}").write_bytes(_damaged(rng, content))
    elif kind == 1:
        place.symlink_to(folder / "nowhere")
    elif kind == 2:
        os.mkfifo(place)
    elif kind > 3:
        place.write_bytes(content)


def make_folder(folder: Path, seed: int) -> TabularOptions:
    """Write the two tables of a seed, and give the options that they are to be read with."""
    rng = np.random.default_rng(seed)
    _write(rng, folder, "items", _ITEMS)
    _write(rng, folder, "interactions", _LOG)
    options = _OPTIONS[int(rng.integers(len(_OPTIONS)))] if rng.integers(3) == 0 else {}
    return TabularOptions(path=str(folder), word_fields=["brand", "tag"], **options)


def outcome(folder: Path, seed: int) -> str:
    """How loading the folder of a seed ends: `loaded`, `refused`, or `fault: ` and what it is."""
    options = make_folder(folder, seed)
    before = sorted(folder.rglob("*"))
    began = time.perf_counter()
    try:
        load_dataset(options)
        end = "loaded"
    except MagusError as error:
        end = "refused" if str(error).strip() else "fault: an error without a message"
    except Exception as error:  # noqa: BLE001 (whatever it is, a person would see its trace)
        end = f"fault: {type(error).__name__}: {str(error)[:120]}"
    if time.perf_counter() - began > LIMIT:
        end = f"fault: {time.perf_counter() - began:.0f} s"
    if sorted(folder.rglob("*")) != before:
        end = "fault: left a file"
    return end


def main(count: int, seed: int) -> None:
    found: Counter[str] = Counter()
    for number in range(seed, seed + count):
        folder = Path(tempfile.mkdtemp(prefix="fuzz-"))
        end = outcome(folder, number)
        found[end.split(":")[0]] += 1
        if end.startswith("fault"):
            print(number, end)
        shutil.rmtree(folder)
    print(dict(found))


if __name__ == "__main__":
    main(*(int(word) for word in sys.argv[1:]))
