"""The small catalogue that agents and users are tested on: ten items, seven people, nine sessions."""

import pandas as pd
import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from magus_pyg.data import Sessions
from magus_pyg.graph import build_relational_graph, n_items, node_words
from magus_pyg.models import FM, FeatureSpace, FMOptions
from magus_pyg.ragged import Ragged

# Items 0 and 1 have the same words, item 9 has none.
ITEMS = [
    ("a", "milk", "sale"), ("a", "milk", "sale"), ("a", "milk", ""), ("a", "cheese", ""), ("b", "milk", "new"),
    ("b", "cheese", "sale"), ("b", "bread", ""), ("c", "bread", "new"), ("c", "cheese", "new"), ("", "", ""),
]  # fmt: skip
# Full lists, padded ones, one candidate, the wordless item alone, no candidate, no target, all of them targets.
CANDIDATES = [
    [0, 1, 2, 4, 7, 9], [8, -1, 3, 5, -1, 6], [2, -1, -1, -1, -1, -1], [-1, -1, 9, -1, -1, -1], [-1] * 6,
    [7, 6, 5, 4, 3, 2], [0, 1, 8, -1, -1, -1], [9, 8, 7, 6, 1, 0], [5, 4, 0, 3, 8, 6],
]  # fmt: skip
TARGETS = [{4, 7}, {3}, {2}, {9}, set(), set(), {0, 1, 8}, {6, 1}, {8}]
N_USERS = 7


def small_graph() -> HeteroData:
    """Ten items, queries of up to two words."""
    rows = [(f"i{number}", *words) for number, words in enumerate(ITEMS)]
    return build_relational_graph(pd.DataFrame(rows, columns=["item_id", "brand", "kind", "offer"]),
                                  ["brand", "kind", "offer"], max_words=2)  # fmt: skip


def small_scores(ties: bool = False) -> Tensor:
    """Base scores [7, 10]; with `ties`, of four different values."""
    scores = torch.rand((N_USERS, len(ITEMS)), generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    return torch.round(scores * 3) if ties else scores


def small_model(graph: HeteroData, seed: int = 0) -> FM:
    """An untrained base recommender over the small items, for agents that read embeddings."""
    count = n_items(graph)
    words = node_words(graph).select(torch.arange(count))
    profiles = Ragged.from_lists([[] for _ in range(N_USERS)])
    space = FeatureSpace(N_USERS, count, len(graph.vocabulary.words), 0, words, profiles)
    return FM(FMOptions(dim=4, dropout=0.0, init_std=0.5), space, seed).eval()


def small_sessions(targets: bool = True, searched: bool = True) -> Sessions:
    """Nine sessions; some of their users searched something."""
    candidates = torch.tensor(CANDIDATES)
    wanted = [[item in own and targets for item in row] for row, own in zip(CANDIDATES, TARGETS, strict=True)]
    query = torch.where(candidates[:, :2] > 4, candidates[:, :2] + len(ITEMS), -1)
    return Sessions(
        torch.arange(len(CANDIDATES)) % N_USERS, candidates, torch.tensor(wanted), query if searched else None,
        torch.arange(len(CANDIDATES)) * 5 + 1,
    )  # fmt: skip
