"""Item tables that grow, their graphs, scores and learned weights, and two sessions that have to be alike."""

from collections import Counter

import numpy as np
import pandas as pd
import torch
from torch_geometric.data import HeteroData

import magus_pyg as mp
from magus_pyg.agents import EdgeFactors
from magus_pyg.graph import n_items, n_nodes
from magus_pyg.online.contract import OnlineSession

FIELDS = ["kind", "brand", "size", "offer"]


def table(n: int, seed: int, values: int = 5) -> pd.DataFrame:
    """n items of up to four words; later items have words that earlier ones have not."""
    random = np.random.default_rng(seed)
    items = pd.DataFrame({"item_id": [f"i{number}" for number in range(n)]})
    for name in FIELDS:
        value = random.integers(0, values + np.arange(n) // 20)
        items[name] = np.where(random.random(n) < 0.8, np.char.add(name, value.astype(str)), "")
    return items


def build(items: pd.DataFrame) -> HeteroData:
    """The graph of a table."""
    return mp.build_relational_graph(items, FIELDS, materialize=False)


def scores_of(n: int, seed: int) -> torch.Tensor:
    """One score an item."""
    return torch.rand(n, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def learned(graph: HeteroData, seed: int) -> EdgeFactors:
    """Learned weights that are none of the special cases."""
    generator = torch.Generator().manual_seed(seed)
    sides = [torch.rand((n_nodes(graph), r), generator=generator, dtype=torch.float64) for r in (3, 2)]
    return EdgeFactors(*sides, minus_scale=0.5, refusal=0.3)


def assert_alike(one: OnlineSession, other: OnlineSession, seed: int) -> Counter[str]:
    """The same random answers give the same lists, node for node and score for score; how many clicks there were."""
    random, counts = np.random.default_rng(seed), Counter[str]()
    while not one.done:
        lists = [session.recommend() for session in (one, other)]
        assert lists[0] == lists[1]
        nodes = [entry.node for entry in lists[0]]
        queries = [node for node in nodes if node >= n_items(one.graph)]
        clicked = int(random.choice(queries)) if queries and random.random() < 0.7 else None
        not_care = [node for node in queries if node != clicked and random.random() < 0.3]
        counts["clicks"] += clicked is not None
        counts["not care"] += len(not_care)
        for session in (one, other):
            session.feedback(clicked, not_care)
    assert other.done
    return counts
