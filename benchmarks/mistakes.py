"""Plausible mistakes put into the code one at a time: which of them do the tests notice?

Each mistake replaces one piece of text of the source, in a copy of it; the tests of that part then run until the first
that fails. A mistake that no test notices is a gap of the tests, unless it changes nothing that can be seen.

    python benchmarks/mistakes.py [--only WORD] [--part K/N] [--tests FOLDER] [--check]

`--only` takes the mistakes whose name or file holds the word, `--part 2/3` the second third of them, `--tests` the
tests of another checkout, `--check` only says which texts the source no longer holds.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from _mistakes import MISTAKES, Mistake

ROOT = Path(__file__).resolve().parents[1]
LIMIT = 1800  # seconds that the tests of one mistake may take


def missing() -> list[str]:
    """The mistakes whose text the source does not hold once."""
    source = ROOT / "src" / "magus_pyg"
    return [m.name for m in MISTAKES if (source / m.file).read_text(encoding="utf-8").count(m.before) != 1]


def outcome(mistake: Mistake, tests: Path) -> str:
    """Whether the tests notice: "noticed", "not noticed" or "ran past the limit"."""
    with tempfile.TemporaryDirectory() as place:
        source = Path(place) / "src"
        shutil.copytree(ROOT / "src", source, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
        # Beside the source, as in a checkout: without them no test that composes a configuration could pass.
        shutil.copytree(ROOT / "conf", Path(place) / "conf")
        shutil.copy(ROOT / "setup.cfg", place)
        path = source / "magus_pyg" / mistake.file
        path.write_text(path.read_text(encoding="utf-8").replace(mistake.before, mistake.after), encoding="utf-8")
        environment = {**os.environ, "PYTHONPATH": str(source), "CI": "1", "PYTHONDONTWRITEBYTECODE": "1"}
        environment.setdefault("OMP_NUM_THREADS", "1")
        command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "-p", "no:randomly"]
        words = [word for word in mistake.tests.split() if word.startswith("-") or (tests / word).exists()]
        try:
            done = subprocess.run(
                [*command, *words], cwd=tests, env=environment, timeout=LIMIT, stdout=subprocess.DEVNULL, check=False
            )
        except subprocess.TimeoutExpired:
            return "ran past the limit"
        if done.returncode not in (0, 1):
            raise RuntimeError(f"pytest ended with {done.returncode}: {' '.join(words)}")
        return "noticed" if done.returncode else "not noticed"


def main() -> int:
    """Plant the chosen mistakes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="")
    parser.add_argument("--part", default="1/1")
    parser.add_argument("--tests", type=Path, default=ROOT)
    parser.add_argument("--check", action="store_true")
    arguments = parser.parse_args()
    gone = missing()
    for name in gone:
        print(f"the source has changed: {name}")
    if arguments.check:
        return len(gone) > 0
    share, parts = map(int, arguments.part.split("/"))
    chosen = [m for m in MISTAKES if m.name not in gone and arguments.only in f"{m.name} {m.file}"][share - 1 :: parts]
    found: dict[str, str] = {}
    for mistake in chosen:
        began = time.perf_counter()
        found[mistake.name] = outcome(mistake, arguments.tests.resolve())
        print(
            f"{found[mistake.name]:20} {time.perf_counter() - began:4.0f} s  {mistake.file}: {mistake.name}", flush=True
        )
    print(f"{list(found.values()).count('noticed')} of {len(found)} noticed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
