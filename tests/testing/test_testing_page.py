"""The page on contracts is true: the agent, the model and the user on it pass, and others do not."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from doc_pages import blocks, run_blocks

from magus_pyg.agents.context import AgentContext
from magus_pyg.agents.methods import METHODS
from magus_pyg.models import MODELS
from magus_pyg.testing import small_graph, small_scores

NAMES = run_blocks("testing.md")
TASTE, DRAW = MODELS.pop("taste"), METHODS.pop("draw")  # registered only while this file's tests run
TestDraw, TestTaste, TestHurried = (NAMES[name] for name in ("TestDraw", "TestTaste", "TestHurried"))


@pytest.fixture(autouse=True, scope="module")
def registered() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(MODELS, "taste", TASTE)
        yield


def test_the_entry_of_the_page_builds_the_agent() -> None:
    agent = DRAW.build(AgentContext(small_graph(), small_scores()), {})  # type: ignore[arg-type]
    assert isinstance(agent, NAMES["DrawAgent"])
    assert (DRAW.short, DRAW.plans, DRAW.fit) == ("Draw", False, None)


def test_a_failure_in_another_folder_shows_what_was_expected(tmp_path: Path) -> None:
    # A user that clicks a place where nothing was shown: pytest has to rewrite the contract's asserts to show it.
    user = blocks("testing.md", "python")[-2].replace("liked[:, 1:] = False", "liked[:, 0] = True")
    head = "import torch\n"
    (tmp_path / "test_mine.py").write_text(head + user + blocks("testing.md", "python")[-1], encoding="utf-8")
    words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", "to_what_was_shown", "test_mine.py"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    assert "AssertionError: clicks what is not shown" in done.stdout
    assert "where False = bool(" in done.stdout


def test_without_pytest_the_message_says_what_to_install(tmp_path: Path) -> None:
    code = "import sys; sys.modules['pytest'] = None; import magus_pyg; import magus_pyg.testing"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "ImportError: magus_pyg.testing needs pytest: python -m pip install pytest" in done.stderr
