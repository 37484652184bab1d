"""How many bytes of memory a file is said to take."""

import gzip
from pathlib import Path

import numpy as np
import pytest

from magus_pyg.data.reading.file_content import require_to_read

TEXT = b"user,item\n" + b"".join(b"%d,%d\n" % (n % 97, n % 31) for n in range(20_000))
NUMBERS = "\n".join(map(str, np.random.default_rng(0).integers(0, 10**9, 100_000))).encode()
"""Of which gzip makes more than is looked at of its beginning."""

PACKED = gzip.compress(TEXT)


@pytest.mark.parametrize(
    ("content", "size"),
    [
        (TEXT, len(TEXT)),
        (PACKED, len(TEXT)),
        (gzip.compress(NUMBERS), len(NUMBERS)),
        (PACKED + gzip.compress(b"end\n"), len(TEXT) + 4),
        (PACKED + gzip.compress(b""), len(TEXT)),  # as bgzip ends
        (PACKED[:-4] + b"\xff\xff\xff\xff", 0),  # reading it says that it is damaged
        (gzip.compress(b"\0" * (1 << 25)), 1 << 25),
        (gzip.compress(b""), 0),
        (PACKED[:3], 0),
    ],
    ids=["text", "packed", "numbers", "joined", "bgzip", "damaged", "zeros", "empty", "cut"],  # not the time of packing
)
def test_a_packed_file_counts_as_what_it_holds(
    content: bytes, size: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    needed: list[int] = []
    monkeypatch.setattr("magus_pyg.data.reading.file_content.require_memory", lambda size, *rest: needed.append(size))
    path = tmp_path / "log"
    path.write_bytes(content)
    require_to_read(path, 6)
    assert needed == [6 * size]


def test_a_file_whose_end_cannot_be_believed_counts_as_its_beginning(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    needed: list[int] = []
    monkeypatch.setattr("magus_pyg.data.reading.file_content.require_memory", lambda size, *rest: needed.append(size))
    path, packed = tmp_path / "log.csv.gz", gzip.compress(NUMBERS)
    for content, part in ((packed[: len(packed) * 3 // 4], 0.75), (packed[:-4] + b"\1\0\0\0", 1.0)):
        path.write_bytes(content)
        require_to_read(path, 1)
        assert needed.pop() == pytest.approx(part * len(NUMBERS), rel=0.02)
