"""docs/play.md: its transcript is what the command prints, and its commands are those that made it."""

import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

from doc_pages import blocks
from repository import ROOT
from run_fixtures import TINY


def test_the_transcript_is_what_play_prints(tiny_run: Path) -> None:
    spec = spec_from_file_location("write_play", ROOT / "scripts" / "write_play.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.TRAINED == TINY
    before = sys.stdin
    assert module.transcript(tiny_run) == blocks("play.md", "text")[0]
    assert sys.stdin is before
    (commands,) = blocks("play.md", "sh")
    assert f"magus-train {' '.join(TINY)}\n" in commands
    assert commands.endswith(f" {' '.join(module.PLAYED)}\n")
