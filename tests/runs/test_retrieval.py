"""The best items of users by an index: those of exact scores, on disk and with items that come and go."""

import copy
import sys
from pathlib import Path

import pytest
import torch

from magus_pyg.errors import ConfigError, DataError, ModelError, RunError
from magus_pyg.models import BaseRecommender
from magus_pyg.runs.retrieval import Retriever
from magus_pyg.runs.run import Run, load_run
from magus_pyg.testing import small_graph, small_model


@pytest.fixture(scope="module")
def run(tiny_run: Path) -> Run:
    """A run of fm on 160 items."""
    return load_run(tiny_run)


def best(model: BaseRecommender, k: int) -> torch.Tensor:
    """The items with the highest scores of the first eight users."""
    return model.score(torch.arange(8), torch.arange(model.features.n_items)).topk(k).indices


def test_the_items_of_exact_scores(run: Run, tmp_path: Path) -> None:
    exact = best(run.model, 20)
    retriever = run.retriever(20)
    assert (len(retriever), retriever.k) == (160, 20)
    assert retriever.bytes > 0
    found = retriever.items(run.model.user_embedding(torch.arange(8)))
    recall = (found.unsqueeze(2) == exact.unsqueeze(1)).any(1).double().mean()
    assert recall > 0.95  # numbers of 16 bits
    assert torch.equal(retriever.items(run.model.user_embedding(torch.tensor([3]))), found[3:4])
    assert retriever.items(run.model.user_embedding(torch.arange(0))).shape == (0, 20)
    # All of them, in the order of their scores but for what 16 bits cannot tell apart.
    everything = retriever.items(run.model.user_embedding(torch.arange(2)), 200)
    assert everything.shape == (2, 160)
    assert everything[0].sort().values.tolist() == list(range(160))
    ids = run.retrieved(retriever, run.user_ids[3])
    assert ids == [run.graph.vocabulary.item_ids[item] for item in found[3].tolist()]

    scores = run.scores_of(run.user_ids[3], ids[:5])
    assert list(scores) == ids[:5]
    whole = run.scores(run.user_ids[3])
    assert list(scores.values()) == pytest.approx(whole[found[3, :5]].tolist(), rel=1e-6)
    assert run.scores_of(run.user_ids[3], []) == {}

    mapped = run.retriever(20, tmp_path / "index")
    assert torch.equal(mapped.items(run.model.user_embedding(torch.arange(8))), found)
    again = run.retriever(20, str(tmp_path / "index"))
    assert torch.equal(again.items(run.model.user_embedding(torch.arange(8))), found)


def test_items_come_and_go(run: Run) -> None:
    retriever = run.retriever(5)
    user = run.model.user_embedding(torch.tensor([0]))
    first = retriever.items(user)[0]
    retriever.remove(first[:2])
    retriever.remove([int(first[0]), 10_000])
    assert len(retriever) == 158
    assert not torch.isin(retriever.items(user, 158), first[:2]).any()
    retriever.add(first[:1], run.model.item_embedding(first[:1]))
    assert retriever.items(user)[0, 0] == first[0]
    # One that is much longer than all others and lies in the user's direction is the best.
    retriever.add([500], 100 * user)
    assert retriever.items(user)[0, 0] == 500
    assert len(retriever) == 160
    with pytest.raises(DataError, match=r"finds the item number 500, and the run has 160 items"):
        run.retrieved(retriever, run.user_ids[0])


def test_an_index_that_was_changed_is_kept(run: Run, tmp_path: Path) -> None:
    retriever = run.retriever(5)
    user = run.model.user_embedding(torch.tensor([0]))
    best = retriever.items(user)[0]
    retriever.remove(best[:2])
    retriever.save(tmp_path / "index")
    mapped = Retriever.load(tmp_path / "index", run.model, 5)
    assert len(mapped) == 158
    assert torch.equal(mapped.items(user), retriever.items(user))
    vector = run.model.item_embedding(best[:1])
    for change in (
        lambda: mapped.remove([0]),
        lambda: mapped.add(best[2:3], vector),
        lambda: mapped.add([500], vector),
    ):
        with pytest.raises(ModelError, match=r"mapped from .*index and takes no changes: build one without a path"):
            change()
    assert len(mapped) == 158


def test_a_damaged_index_is_refused(run: Run, tmp_path: Path) -> None:
    run.retriever(5).save(tmp_path / "index")
    file = tmp_path / "index" / "items.usearch"
    content = bytearray(file.read_bytes())
    for place in (len(content) // 2, len(content) - 1, 0):
        content[place] ^= 1
        file.write_bytes(bytes(content))
        with pytest.raises(RunError, match=r"items\.usearch is damaged; remove it, and build it"):
            run.retriever(5, tmp_path / "index")
        content[place] ^= 1
    file.write_bytes(bytes(content))
    assert len(Retriever.load(tmp_path / "index", run.model, 5, check=False)) == 160
    file.unlink()
    with pytest.raises(RunError, match="no retrieval index of this model"):
        run.retriever(5, tmp_path / "index")


def test_what_is_refused(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Pairs(BaseRecommender):
        """Scores that are no dot products."""

        def logits(self, user, candidates):  # type: ignore[no-untyped-def]
            return user.float()

    model = Pairs(run.model.options, run.model.features)
    with pytest.raises(ModelError, match="no dot products"):
        Retriever.build(model)
    with pytest.raises(ConfigError, match=r"k must be at least 1 \(got 0\)"):
        run.retriever(0)
    with pytest.raises(ConfigError, match=r"k must be a whole number \(got 2\.5\)"):
        run.retriever(2.5)  # type: ignore[arg-type]
    retriever = run.retriever(3)
    user = run.model.user_embedding(torch.tensor([0]))
    for k in (0, -1):
        with pytest.raises(ConfigError, match="k must be at least 1"):
            retriever.items(user, k)
    vector = run.model.item_embedding(torch.tensor([0]))
    for items in (["i00001"], [0.5], [-1], torch.zeros(1, 1, dtype=torch.int64)):
        with pytest.raises(ModelError, match="items are named by their numbers"):
            retriever.add(items, vector)  # type: ignore[arg-type]
        with pytest.raises(ModelError, match="items are named by their numbers"):
            retriever.remove(items)  # type: ignore[arg-type]
    with pytest.raises(ModelError, match="stands twice"):
        retriever.add([7, 7], vector.repeat(2, 1))
    assert len(retriever) == 160
    for vectors in (torch.zeros(2, 3), torch.full((1, 66), torch.nan), torch.zeros(66)):
        with pytest.raises(ModelError, match="vectors of users must be finite"):
            retriever.items(vectors)
    with pytest.raises(ModelError, match="vectors of items must be finite"):
        retriever.add(torch.arange(2), torch.zeros(1, 66))
    (tmp_path / "index").mkdir()
    with pytest.raises(RunError, match=r"no retrieval index of this model.*remove it, and build it"):
        run.retriever(3, tmp_path / "index")
    retriever.save(tmp_path / "other")
    with pytest.raises(RunError, match="it was built from other vectors of items"):
        Retriever.load(tmp_path / "other", small_model(small_graph()))
    trained_again = copy.deepcopy(run.model)
    with torch.no_grad():
        next(iter(trained_again.parameters())).add_(0.01)
        for weights in trained_again.parameters():
            weights.mul_(1.01)
    with pytest.raises(RunError, match="it was built from other vectors of items"):
        Retriever.load(tmp_path / "other", trained_again)
    with pytest.raises(RunError, match="built from another run's items"):
        run.retrieved(Retriever.build(trained_again, 3), run.user_ids[0])
    monkeypatch.setitem(sys.modules, "usearch.index", None)
    with pytest.raises(ConfigError, match=r"pip install 'magus-pyg\[retrieval\]'"):
        run.retriever(3)
