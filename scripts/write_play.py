"""Write the transcript in docs/play.md anew: train the small run that the page names, play it with fixed answers."""

import argparse
import io
import re
import sys
import tempfile
from contextlib import redirect_stdout
from pathlib import Path

from magus_pyg.commands.play import main_play
from magus_pyg.commands.train import main_train
from magus_pyg.files import write_text

PAGE = Path(__file__).parents[1] / "docs" / "play.md"
TRAINED = ["dataset.users=60", "dataset.items=160", "dataset.brands=8", "train.epochs=1", "simulation.resamples=50"]
PLAYED = ["user=u00002", "magus=bayes"]
TYPED = ["h", "", "?1", "1", "+vegan", "", "3 d1", "b", "1", "?1", "1", ""]
"""The answers of somebody who wants vegan bagels of Graldall."""

_BLOCK = re.compile(r"(?<=```text\n).*?(?=```)", re.DOTALL)


def transcript(run: Path) -> str:
    """What the session of the page shows and is told, as on a pipe: no line is broken.

    Args:
        run: a run folder trained with `TRAINED`.
    """
    standard, said = sys.stdin, io.StringIO()
    sys.stdin = io.StringIO("".join(f"{line}\n" for line in TYPED))
    try:
        with redirect_stdout(said):
            main_play([f"run={run}", *PLAYED])
    finally:
        sys.stdin = standard
    return "".join(f"{line.rstrip()}\n" for line in said.getvalue().splitlines())


def main() -> None:
    """Train, play and write."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    with tempfile.TemporaryDirectory() as runs:
        main_train([*TRAINED, f"paths.runs={runs}"])
        (run,) = Path(runs).iterdir()
        said = transcript(run)
    write_text(PAGE, _BLOCK.sub(lambda _: said, PAGE.read_text(encoding="utf-8"), count=1))


if __name__ == "__main__":
    main()
