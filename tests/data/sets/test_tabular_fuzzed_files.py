"""Tables damaged or odd at random: each is loaded, or refused with one message, and leaves nothing behind.

`MAGUS_FUZZ=all` tries twenty times as many.
"""

import os
from collections import Counter
from pathlib import Path

from fuzz_files import outcome


def test_folders_of_damaged_and_odd_tables(tmp_path: Path) -> None:
    count = 3000 if os.environ.get("MAGUS_FUZZ") == "all" else 150
    ends = {}
    for seed in range(count):
        folder = tmp_path / str(seed)
        folder.mkdir()
        ends[seed] = outcome(folder, seed)
    assert {seed: end for seed, end in ends.items() if end not in ("loaded", "refused")} == {}
    found = Counter(ends.values())
    assert found["loaded"] > count / 10  # else hardly more than the first check was tried
    assert found["refused"] > count / 10
