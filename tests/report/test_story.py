"""A session played again for Fig. 7."""

import json
import shutil
from pathlib import Path

import pytest
import torch

from magus_pyg.agents.popular import PopularAgent
from magus_pyg.data import Sessions
from magus_pyg.errors import ConfigError, RunError
from magus_pyg.graph import item_id_of, save_graph
from magus_pyg.models import MPS, MPSOptions
from magus_pyg.report.story import tell_story
from magus_pyg.runs import load_run
from magus_pyg.simulation import simulate


@pytest.fixture(scope="module")
def run(tiny_run: Path) -> Path:
    return tiny_run


@pytest.mark.parametrize("method", ["magus", "items"])
def test_the_story_is_what_was_recorded(run: Path, method: str) -> None:
    records = load_run(run).records
    records = records[records["agent"] == method]
    for session in records["session"].unique()[:6].tolist():
        rows = records[records["session"] == session]
        story = tell_story(run, method, session)
        assert [list(turn.shown) for turn in story.rounds] == rows["shown"].tolist()
        assert [-1 if turn.clicked is None else turn.clicked for turn in story.rounds] == rows["clicked"].tolist()
        assert story.found == bool(rows["target_clicked"].any())
        assert sum(node.is_target for node in story.nodes.values()) == rows["n_targets"].iloc[0]
        assert sum(node.is_item for node in story.nodes.values()) == rows["n_candidates"].iloc[0]


def test_popularity_is_the_count_of_the_mps_row(run: Path) -> None:
    loaded = load_run(run)
    story = tell_story(run, "magus", None)
    log = loaded.population
    items = [
        int(item) for item, part, label in zip(log.item, log.part, log.label, strict=True) if part == 0 and label == 1
    ]
    from magus_pyg.graph import words_of

    for node, entry in list(story.nodes.items())[:60]:
        if entry.is_item:
            expected = items.count(node)
        else:
            wanted = set(words_of(loaded.graph, node))
            expected = sum(wanted <= set(words_of(loaded.graph, item)) for item in items)
        assert entry.popularity == expected
    shown = [node for turn in story.rounds for node in turn.popular]
    assert len(shown) == len(set(shown))
    ranks = [story.nodes[node].popularity for node in shown]
    assert ranks == sorted(ranks, reverse=True)
    assert ranks[0] == max(entry.popularity for entry in story.nodes.values())
    rows = log.training_data(loaded.config.train).train
    mps = MPS(MPSOptions(), loaded.model.features, rows)
    candidates = torch.tensor([[node for node, entry in story.nodes.items() if entry.is_item]])
    one = Sessions(torch.zeros(1, dtype=torch.int64), candidates, torch.zeros(candidates.shape) > 0)
    options = loaded.config.simulation
    played = simulate(PopularAgent(loaded.graph, mps), one, None, options.rounds, options.list_length)
    assert [list(turn.popular) for turn in story.rounds] == played["shown"].tolist()[: len(story.rounds)]


def test_edges_are_those_of_the_session(run: Path) -> None:
    story = tell_story(run, "magus", None)
    for part, whole in story.edges:
        assert {part, whole} <= set(story.nodes)
        assert not story.nodes[part].is_item
    words = {node: set(entry.label.split()) for node, entry in story.nodes.items() if not entry.is_item}
    for part, whole in story.edges[:200]:
        if not story.nodes[whole].is_item:
            assert words[part] < words[whole]


def test_items_are_named_by_their_titles(run: Path, tmp_path: Path) -> None:
    graph = load_run(run).graph
    story = tell_story(run, "magus", None)
    items = [entry for entry in story.nodes.values() if entry.is_item]
    assert items
    assert all(entry.label == graph.titles[entry.node] for entry in items)
    # A run of the earlier release has no titles in its graph: ids tell items apart.
    old = shutil.copytree(run, tmp_path / "old")
    del graph.titles
    save_graph(graph, old / "graph.safetensors")
    info = json.loads((run / "run.json").read_text())
    info["files"]["graph.safetensors"] = (old / "graph.safetensors").stat().st_size
    (old / "run.json").write_text(json.dumps(info))
    for entry in tell_story(old, "magus", None).nodes.values():
        if entry.is_item:
            assert entry.label == f"item {item_id_of(graph, entry.node)}"


def test_what_is_refused(run: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="'crm' cannot be told; there are magus, magus"):
        tell_story(run, "crm")
    with pytest.raises(RunError, match="has no records of bayes; it has items, magus"):
        tell_story(run, "bayes")
    with pytest.raises(ConfigError, match="there is no session 999999"):
        tell_story(run, "magus", 999999)
    noisy = shutil.copytree(run, tmp_path / "noisy")
    config = (run / "config.yaml").read_text().replace("name: truthful", "name: not_care")
    (noisy / "config.yaml").write_text(config)
    info = json.loads((run / "run.json").read_text())
    info["files"]["config.yaml"] = len(config.encode())
    (noisy / "run.json").write_text(json.dumps(info))
    with pytest.raises(ConfigError, match="only truthful ones are told"):
        tell_story(noisy, "magus")
