"""The best items of users by an index: those of exact scores, on disk and with items that come and go."""

import copy
import sys
from pathlib import Path

import pytest
import torch

from magus_pyg.errors import ConfigError, ModelError, RunError
from magus_pyg.models import BaseRecommender
from magus_pyg.models.retrieval import Retriever
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
    assert everything[0, 160:].tolist() == [-1] * 40
    assert everything[0, :160].sort().values.tolist() == list(range(160))
    ids = run.retrieved(retriever, run.user_ids[3])
    assert ids == [run.graph.vocabulary.item_ids[item] for item in found[3].tolist()]

    mapped = run.retriever(20, tmp_path / "index")
    assert torch.equal(mapped.items(run.model.user_embedding(torch.arange(8))), found)
    again = run.retriever(20, tmp_path / "index")
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
    retriever.add(torch.tensor([500]), 100 * user)
    assert retriever.items(user)[0, 0] == 500
    assert len(retriever) == 160


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
    retriever = run.retriever(3)
    for vectors in (torch.zeros(2, 3), torch.full((1, 66), torch.nan), torch.zeros(66)):
        with pytest.raises(ModelError, match="vectors of users must be finite"):
            retriever.items(vectors)
    with pytest.raises(ModelError, match="vectors of items must be finite"):
        retriever.add(torch.arange(2), torch.zeros(1, 66))
    (tmp_path / "index").mkdir()
    with pytest.raises(RunError, match=r"no retrieval index of this model.*remove it, and build it"):
        run.retriever(3, tmp_path / "index")
    retriever.save(tmp_path / "other")
    with pytest.raises(RunError, match="it holds 160 items"):
        Retriever.load(tmp_path / "other", small_model(small_graph()))
    trained_again = copy.deepcopy(run.model)
    with torch.no_grad():
        next(iter(trained_again.parameters())).add_(0.01)
        for weights in trained_again.parameters():
            weights.mul_(1.01)
    with pytest.raises(RunError, match="it was built from other vectors of items"):
        Retriever.load(tmp_path / "other", trained_again)
    monkeypatch.setitem(sys.modules, "usearch.index", None)
    with pytest.raises(ConfigError, match=r"pip install 'magus-pyg\[retrieval\]'"):
        run.retriever(3)
