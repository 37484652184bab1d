"""Catalogues, scores and learned states for tests of sessions of both kinds, and what makes a session of either."""

import json
from collections import Counter
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch_geometric.data import HeteroData

import magus_pyg as mp
from magus_pyg.agents import EdgeFactors
from magus_pyg.graph import n_items, n_nodes, node_words
from magus_pyg.online import OnlineSession

VARIANTS = ("none", "base", "plus", "bayes")
KINDS = ("session", "catalogue")
EVERY_KIND_AND_VARIANT = pytest.mark.parametrize(
    ("kind", "variant"), [(kind, variant) for kind in KINDS for variant in VARIANTS]
)
FIELDS = ["kind", "brand", "size", "offer"]


def shop_table(n: int, seed: int, values: int = 5) -> pd.DataFrame:
    """n items of up to four words."""
    random = np.random.default_rng(seed)
    fields = {name: random.integers(0, values, n) for name in FIELDS}
    table = pd.DataFrame({"item_id": [f"i{number}" for number in range(n)]})
    for name, value in fields.items():
        table[name] = np.where(random.random(n) < 0.8, np.char.add(name, value.astype(str)), "")
    return table


def shop(n: int, seed: int, values: int = 5) -> HeteroData:
    """The graph of `shop_table`."""
    return mp.build_relational_graph(shop_table(n, seed, values), FIELDS, max_words=3, materialize=False)


def any_scores(graph: HeteroData, seed: int) -> torch.Tensor:
    """One score an item, a function of its id and the seed: other items change none."""
    ids = graph.vocabulary.item_ids
    drawn = [np.random.default_rng([seed, int(name[1:])]).random() for name in ids]
    return torch.tensor(drawn, dtype=torch.float64)


def word_scores(graph: HeteroData, seed: int) -> torch.Tensor:
    """Scores that go with words, so that queries are worth showing: one word of a quarter of the items or so weighs far
    more than the others. They are whole numbers, and many are equal."""
    random = np.random.default_rng([seed, 7])
    weight = torch.from_numpy(random.integers(0, 2, len(graph.vocabulary.words)).astype(np.float64))
    count = n_items(graph)
    words = node_words(graph).select(torch.arange(count))
    many = torch.bincount(words.index, minlength=weight.numel())
    weight[torch.argsort(many, descending=True, stable=True)[int(random.integers(3))]] = 40.0
    return torch.zeros(count, dtype=torch.float64).index_add_(0, words.row, weight[words.index])


def learned(graph: HeteroData, seed: int, refusal: float = 0.3) -> EdgeFactors:
    """Learned weights that are none of the special cases."""
    generator = torch.Generator().manual_seed(seed)
    positive = torch.rand((n_nodes(graph), 3), generator=generator, dtype=torch.float64)
    negative = torch.rand((n_nodes(graph), 2), generator=generator, dtype=torch.float64)
    return EdgeFactors(positive, negative, minus_scale=0.5, refusal=refusal)


def state_of(variant: str, graph: HeteroData, seed: int = 0) -> EdgeFactors | mp.BayesState | None:
    """What a variant takes as its state."""
    bayes = mp.BayesState(temperature=0.2, error_rate=0.05, searched_error=0.2)
    return {"plus": learned(graph, seed), "bayes": bayes}.get(variant)


class Maker:
    """Makes and resumes sessions of one kind and variant on a graph."""

    def __init__(self, kind: str, variant: str, graph: HeteroData, seed: int = 0) -> None:
        self.kind, self.variant, self.graph, self.seed = kind, variant, graph, seed
        self.state = state_of(variant, graph, seed)
        self.scores = any_scores(graph, seed)
        self.catalogue = mp.Catalogue(graph, variant, self.state, dtype=torch.float64)
        self.own: dict[str, Any] = {"state": self.state, "builder": self.catalogue.index.builder}

    def make(self, **arguments: Any) -> OnlineSession:
        """A session on the scores of the seed."""
        if self.kind == "catalogue":
            return self.catalogue.session(self.scores, **arguments)
        return mp.MagusSession(self.graph, self.scores, self.variant, **self.own, **arguments)

    def resume(self, data: object, **arguments: Any) -> OnlineSession:
        """A session of a state."""
        if self.kind == "catalogue":
            return self.catalogue.resume(data, self.scores, **arguments)
        return mp.MagusSession.resume(self.graph, data, self.scores, self.variant, **self.own, **arguments)


def answer(session: OnlineSession, random: np.random.Generator) -> None:
    """A random answer to the next list: a query, nothing, now and then with Not Care; never an item."""
    shown = session.recommend()
    queries = [entry for entry in shown if entry.kind == "query"]
    clicked = queries[int(random.integers(len(queries)))] if queries and random.random() < 0.6 else None
    not_care = [entry for entry in queries if entry is not clicked and random.random() < 0.3]
    session.feedback(clicked, not_care)


def same(one: OnlineSession, other: OnlineSession) -> None:
    """Two sessions are at the same place: state, next list and its scores."""
    assert one.to_dict() == other.to_dict()
    assert (one.round, one.done, one.found) == (other.round, other.done, other.found)
    if not one.done:
        lists = [session.recommend() for session in (one, other)]
        assert [entry.node for entry in lists[0]] == [entry.node for entry in lists[1]]
        scores = [[entry.score for entry in shown] for shown in lists]
        assert np.allclose(scores[0], scores[1], rtol=1e-6, atol=1e-9), scores


def n_of(session: OnlineSession) -> int:
    """I of a session's graph."""
    return n_items(session.graph)


def play_both(one: OnlineSession, other: OnlineSession, seed: int, not_care: bool = False) -> Counter[str]:
    """Give two sessions the same random answers; their lists and scores must agree.

    Returns:
        How many rounds there were, with how many queries and equal neighbours in their lists, clicks and Not Cares.
    """
    random = np.random.default_rng(seed)
    counts: Counter[str] = Counter()
    while not one.done:
        lists = [session.recommend() for session in (one, other)]
        nodes = [[entry.node for entry in shown] for shown in lists]
        assert nodes[0] == nodes[1]
        scores = [[entry.score for entry in shown] for shown in lists]
        assert scores[0] == pytest.approx(scores[1], rel=1e-6, abs=1e-9)
        queries = [node for node in nodes[0] if node >= n_items(one.graph)]
        clicked = int(random.choice(queries)) if queries and random.random() < 0.7 else None
        others = [node for node in queries if node != clicked and not_care and random.random() < 0.4]
        one.feedback(clicked, others)
        other.feedback(clicked, others)
        counts["rounds"] += 1
        counts["queries"] += len(queries)
        counts["clicks"] += clicked is not None
        counts["not care"] += len(others)
        counts["ties"] += sum(high == low for high, low in pairwise(scores[1]))
    assert other.done
    return counts


@lru_cache
def made(kind: str, variant: str) -> Maker:
    """The maker on a catalogue of 40 items."""
    return Maker(kind, variant, shop(40, 1))


def listens(session: OnlineSession) -> bool:
    """Whether answers and words change its scores."""
    return session.variant != "none"


def through_json(session: OnlineSession) -> Any:
    """Its state as another process gets it."""
    return json.loads(json.dumps(session.to_dict()))


def some_words(session: OnlineSession, random: np.random.Generator) -> list[mp.Word]:
    """One or two words of the catalogue."""
    words = session.graph.vocabulary.words
    return [words[int(random.integers(len(words)))] for _ in range(int(random.integers(1, 3)))]
