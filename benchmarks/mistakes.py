"""Plausible mistakes put into the code one at a time: which of them do the tests notice?

Each mistake replaces one piece of text of the source, in a copy of it. First the tests run once without a mistake, to
see which of them pass, how long they take, and which reach the function that each mistake is in. Then, mistake by
mistake, those run that reach it until one fails: first the tests of before, by name as of a revision, then those that
have come since. Of both, those in the test file of the mistake's own file come first, then those named beside it, then
the others, file by file. Where it is not known what reaches a mistake (layers, what stands outside functions) those
named beside it run alone. A mistake that no test notices is a gap of the tests, unless it changes nothing that can be
seen.

    python benchmarks/mistakes.py run [--only WORD] [--seconds N] [--again]
    python benchmarks/mistakes.py confirm   # plays the test alone that noticed each mistake, with and without it
    python benchmarks/mistakes.py check     # says which texts the source no longer holds
    python benchmarks/mistakes.py write     # writes what is stored in mistakes.json into docs/testing.md

`run` adds what it finds to mistakes.json and goes on where it was; `--seconds` begins nothing new after so many. Needs
git.
"""

import argparse
import itertools
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from _mistakes import KINDS, MISTAKES, Mistake
from _reach import OUT, mark_source

ROOT = Path(__file__).resolve().parents[1]
STORED = Path(__file__).with_name("mistakes.json")
PAGE = ROOT / "docs" / "testing.md"
LIMIT = 600  # seconds after which a process is taken for one that does not end
BEFORE = "de1c4c0"  # the revision whose tests are those of before
_MARKS = "<!-- mistakes: written by benchmarks/mistakes.py -->\n", "<!-- end of mistakes -->"
SECONDS = 10  # of the tests of one process, without a mistake


def missing() -> list[str]:
    """The mistakes whose text the source does not hold once."""
    source = ROOT / "src" / "magus_pyg"
    return [m.name for m in MISTAKES if (source / m.file).read_text(encoding="utf-8").count(m.before) != 1]


def stored() -> dict[str, Any]:
    """What earlier runs found, by the name of the tests: `tests`, `failed` and `found`, by mistake."""
    return json.loads(STORED.read_text(encoding="utf-8")) if STORED.exists() else {}


def _store(results: dict[str, Any]) -> None:
    STORED.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


@contextmanager
def _copy() -> Iterator[Path]:
    """A copy of the source, `src` beside `conf` as in a checkout: else no test could compose a configuration."""
    with tempfile.TemporaryDirectory() as place:
        source = Path(place) / "src"
        shutil.copytree(ROOT / "src", source, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
        shutil.copytree(ROOT / "conf", Path(place) / "conf")
        shutil.copy(ROOT / "setup.cfg", place)
        yield source


def _environment(source: Path) -> dict[str, str]:
    paths = os.pathsep.join([str(source), str(Path(__file__).parent)])
    return {"PYTHONPATH": paths, "CI": "1", "PYTHONDONTWRITEBYTECODE": "1", "OMP_WAIT_POLICY": "PASSIVE"}


def reached(root: Path, folder: Path, place: Path) -> dict[str, Any]:
    """What each test in the files of a folder reaches, how long it takes and whether it fails.

    Read from `place` if it is there, else played and written there.
    """
    if place.exists():
        found: dict[str, Any] = json.loads(place.read_text(encoding="utf-8"))
        return found
    with _copy() as source:
        mark_source(source / "magus_pyg")
        files = sorted(str(path.relative_to(root)) for path in folder.glob("test_*.py"))
        options = ["-q", "-p", "no:cacheprovider", "-p", "_reach", "-m", "not real_data"]
        words = [sys.executable, "-m", "pytest", *options, *files]
        environment = {"OMP_NUM_THREADS": "1", **os.environ, **_environment(source), OUT: str(place)}
        subprocess.run(words, cwd=root, env=environment, stdout=subprocess.DEVNULL, check=False)
    if not place.exists():
        raise RuntimeError(f"the tests of {folder} cannot be played")
    return reached(root, folder, place)


def _noticed(mistake: Mistake, root: Path, tests: list[str], place: Path) -> str:
    """The first of the tests that fails with the mistake, "" for none."""
    if not tests:
        return ""
    place.write_text("\n".join(tests), encoding="utf-8")
    with _copy() as source:
        path = source / "magus_pyg" / mistake.file
        path.write_text(path.read_text(encoding="utf-8").replace(mistake.before, mistake.after), encoding="utf-8")
        words = [sys.executable, "-m", "pytest", "-x", "-q", "--tb=no", "-rfE", "-p", "no:cacheprovider", f"@{place}"]
        environment = {"OMP_NUM_THREADS": "1", **os.environ, **_environment(source)}
        try:
            done = subprocess.run(words, cwd=root, env=environment, capture_output=True, text=True, timeout=LIMIT)
        except subprocess.TimeoutExpired:
            return "ran past the limit"
    if done.returncode > 2:  # of pytest itself; a signal is below 0
        raise RuntimeError(f"pytest ended with {done.returncode}: {mistake.name}\n{done.stdout[-500:]}")
    if done.returncode == 0:
        return ""
    named = [line for line in done.stdout.splitlines() if line.startswith(("FAILED ", "ERROR "))]
    return named[0].split(" ", 1)[1].split(" - ")[0] if named else "the tests broke off"


def _revision() -> str:
    words = ["git", "rev-parse", "--short", "HEAD"]
    return subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()


def _names_before() -> set[str]:
    """The names of the test functions of `BEFORE`."""
    words = ["git", "grep", "-hoE", r"def test_\w+", BEFORE, "--", "tests"]
    found = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return {line.removeprefix("def ") for line in found.splitlines()}


def _chosen(mistake: Mistake, tests: dict[str, Any]) -> list[str]:
    """The tests that may notice a mistake, in the order in which they are played."""
    own = f"tests/{Path(mistake.file).parent}/test_{Path(mistake.file).stem.lstrip('_')}"
    named = tuple(word for word in mistake.tests.split() if word[0] != "-")
    reach = [name for name, test in tests.items() if mistake.name in test["reaches"]]
    reach = reach or [name for name in tests if name.startswith(named)]
    passing = [name for name in reach if not tests[name]["failed"]]
    files: defaultdict[str, float] = defaultdict(
        float
    )  # file by file: what a file makes for all its tests counts to the first alone
    for name in passing:
        files[name.split("::")[0]] += tests[name]["seconds"]

    def order(name: str) -> tuple[bool, bool, float, str, float]:
        file = name.split("::")[0]
        far = not name.startswith(own), not name.startswith(named)
        return *far, files[file], file, float(tests[name]["seconds"])

    return sorted(passing, key=order)


def _part(names: list[str], tests: dict[str, Any]) -> list[str]:
    """The tests of the next process: the first of some, as many as take `SECONDS`."""
    taken = list(itertools.accumulate(float(tests[name]["seconds"]) for name in names))
    return names[: max(1, sum(seconds <= SECONDS for seconds in taken))]


def _tests(arguments: argparse.Namespace, began: float) -> dict[str, Any] | None:
    """What is known of all tests; None where the time is up."""
    tops = {"/".join(word.split("/")[:2]) for mistake in MISTAKES for word in mistake.tests.split() if word[0] != "-"}
    tests: dict[str, Any] = {}
    for folder in sorted({path.parent for top in tops for path in (ROOT / top).rglob("test_*.py")}):
        if time.perf_counter() - began > arguments.seconds:
            return None
        name = str(folder.relative_to(ROOT))
        tests |= reached(ROOT, folder, arguments.work / f"{name.replace(os.sep, '-')}.json")
    return tests


def run(arguments: argparse.Namespace) -> int:
    """Plant the chosen mistakes, and store what the tests say."""
    began = time.perf_counter()
    arguments.work.mkdir(parents=True, exist_ok=True)
    tests = _tests(arguments, began)
    if tests is None:
        print("not all tests have been played without a mistake: again")
        return 1
    failed = [name for name, test in tests.items() if test["failed"]]
    before = _names_before()
    source = _revision()
    gone = missing()
    chosen = {m: _chosen(m, tests) for m in MISTAKES if m.name not in gone and arguments.only in f"{m.name} {m.file}"}
    under_way = list(chosen)
    if arguments.again:
        results = stored()
        results["found"] = {
            name: entry for name, entry in results["found"].items() if name not in {m.name for m in chosen}
        }
        _store(results)
    while under_way:  # a part of the tests of each in turn: most are noticed by the first
        for mistake in list(under_way):
            if time.perf_counter() - began > arguments.seconds:
                print("not all mistakes have been tried: again")
                return 1
            results = stored() | {"tests": len(tests), "failed": failed, "before": BEFORE, "source": source}
            names = chosen[mistake]
            new = [name for name in names if name.split("::")[1].split("[")[0] not in before]
            entry = results.setdefault("found", {}).setdefault(
                mistake.name, {"old": len(names) - len(new), "new": len(new), "played": 0}
            )
            if "noticed" in entry or entry["played"] == len(names):
                under_way.remove(mistake)
                continue
            ordered = sorted(names, key=lambda name: name in new)
            part = _part(ordered[entry["played"] :], tests)
            name = _noticed(mistake, ROOT, part, arguments.work / "chosen.txt")
            entry["played"] += len(part)
            if name:
                # Where it is no test, one did not end, or the part could not be collected.
                late = name in new or (name not in names and part[0] in new)
                entry |= {"noticed": "now" if late else "before", "by": name}
            _store(results)
            print(f"{mistake.name}: {entry}", flush=True)
    return 0


def confirm(arguments: argparse.Namespace) -> int:
    """Plant each noticed mistake in the source of now, and play the test that noticed it; store how many do again."""
    arguments.work.mkdir(parents=True, exist_ok=True)
    results = stored()
    by = {mistake: results["found"].get(mistake.name, {}).get("by", "") for mistake in MISTAKES}
    by = {mistake: test for mistake, test in by.items() if "::" in test and arguments.only in mistake.name}
    if not by:  # pytest would play all tests
        print(f"no mistake of {arguments.only!r} was noticed before")
        return 1
    place = arguments.work / "confirmed.txt"
    place.write_text("\n".join(sorted(set(by.values()))), encoding="utf-8")
    words = [sys.executable, "-m", "pytest", "-q", "--tb=no", "-rfE", "-p", "no:cacheprovider", f"@{place}"]
    environment = {"OMP_NUM_THREADS": "1", **os.environ, **_environment(ROOT / "src")}
    done = subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        print(f"without a mistake tests fail, or are not there any more:\n{done.stdout[-2000:]}{done.stderr[-1000:]}")
        return 1
    silent = []
    for mistake, test in by.items():
        name = _noticed(mistake, ROOT, [test], place)
        print(f"{mistake.name}: {name or 'not noticed'}", flush=True)
        silent += [] if name else [mistake.name]
    if not arguments.only:
        _store(stored() | {"confirmed": {"source": _revision(), "played": len(by), "silent": silent}})
    return len(silent) > 0


def table(results: dict[str, Any]) -> str:
    """What the page on tests says: a row a kind of mistakes, each that no test noticed, and what is not known yet."""
    lines = ["| mistakes | listed | decided | noticed before | noticed now |", "|---|--:|--:|--:|--:|"]
    whole = [0, 0, 0, 0]
    gaps = []
    for kind, mistakes in KINDS.items():
        row = [len(mistakes), 0, 0, 0]
        for mistake in mistakes:
            found = results["found"].get(mistake.name, {"old": 0, "new": 0, "played": 0})
            total = found["old"] + found["new"]
            if "noticed" in found:
                row = [row[0], row[1] + 1, row[2] + (found["noticed"] == "before"), row[3] + 1]
            elif mistake.harmless or (found["played"] and found["played"] == total):
                row[1] += 1
                gaps.append(f"* {mistake.name} (`{mistake.file}`): {mistake.harmless or 'a gap of the tests'}.")
        whole = [a + b for a, b in zip(whole, row, strict=True)]
        lines.append(f"| {kind} | {' | '.join(map(str, row))} |")
    lines.append(f"| all | {' | '.join(map(str, whole))} |")
    before, now = (100 * count / max(whole[1], 1) for count in whole[2:])
    later = [entry["source"] for entry in results["found"].values() if "source" in entry]
    lines += [
        "",
        f"Of those decided {before:.0f} % were noticed before, {now:.0f} % are now; planted in {results['source']}"
        f"{f', {len(later)} again, after a test was written for them, in {later[-1]}' if later else ''}.",
    ]
    if "confirmed" in results:
        again = results["confirmed"]
        lines += [
            "",
            f"In {again['source']} all of them were planted once more, each before the test alone that had noticed it: "
            f"{again['played'] - len(again['silent'])} of {again['played']} were noticed"
            f"{''.join(f'; not, until a test was written for it: {name}' for name in again['silent'])}.",
        ]
    near = sum(entry.get("near", False) for entry in results["found"].values())
    if near:
        lines += [
            "",
            f"{near} of them met the tests nearest to them alone: what others noticed before is not counted there.",
        ]
    if gaps:
        lines += ["", "Not noticed:", "", *gaps]
    if whole[1] < whole[0]:
        lines += [
            "",
            f"Not all tests of the {whole[0] - whole[1]} others have been played yet; `run` goes on with them.",
        ]
    return "\n".join([*lines, ""])


def main() -> int:
    """Plant mistakes, or write what was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("run", "confirm", "check", "write"))
    parser.add_argument("--only", default="")
    parser.add_argument("--seconds", type=float, default=float("inf"))
    parser.add_argument("--again", action="store_true")
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "magus-mistakes")
    arguments = parser.parse_args()
    if arguments.what == "run":
        return run(arguments)
    if arguments.what == "confirm":
        return confirm(arguments)
    if arguments.what == "write":
        page = PAGE.read_text(encoding="utf-8")
        before, rest = page.split(_MARKS[0])
        PAGE.write_text(f"{before}{_MARKS[0]}{table(stored())}{_MARKS[1]}{rest.split(_MARKS[1])[1]}", encoding="utf-8")
        return 0
    gone = missing()
    for name in gone:
        print(f"the source has changed: {name}")
    return len(gone) > 0


if __name__ == "__main__":
    sys.exit(main())
