"""A small catalogue whose beliefs can be worked by hand, and what the rivals' tests share."""

from typing import TypeVar

import pandas as pd
import torch
from torch import Tensor, nn
from torch_geometric.data import HeteroData

from magus_pyg.agents import Judge
from magus_pyg.data import Sessions
from magus_pyg.graph import (
    SessionGraphBuilder,
    build_relational_graph,
    item_id_of,
    n_items,
    node_words,
    words_of,
)
from magus_pyg.models import FM, FeatureSpace, FMOptions
from magus_pyg.ragged import Ragged
from magus_pyg.random import hash_keys
from magus_pyg.simulation import Feedback, SessionView, prepare_sessions
from magus_pyg.simulation.prepare import session_ids

Network = TypeVar("Network", bound=nn.Module)

A, B, C, D = range(4)
"""The items: a and b are of kind x, c and d of kind y; b alone is blue, the others are red."""

SHAPES = [("a", "x", "red"), ("b", "x", "blue"), ("c", "y", "red"), ("d", "y", "red")]


def shapes_graph() -> HeteroData:
    """Items a, b, c, d; queries x, y, red, blue, and x red {a}, x blue {b}, y red {c, d}."""
    return build_relational_graph(pd.DataFrame(SHAPES, columns=["item_id", "kind", "colour"]), ["kind", "colour"])


def one_session(target: int = D, user: int = 0) -> Sessions:
    """A session of all four items."""
    return Sessions(torch.tensor([user]), torch.arange(4).unsqueeze(0), torch.arange(4).unsqueeze(0) == target)


def view_of_scores(
    graph: HeteroData, scores: Tensor, rounds: int, list_length: int, sessions: Sessions | None = None
) -> SessionView:
    """What an agent knows of sessions with scores [U, I]."""
    sessions = one_session() if sessions is None else sessions
    prepared = prepare_sessions(graph, sessions, scores, max(1, len(sessions)))
    (batch,) = prepared.batches
    key = hash_keys(0, session_ids(sessions))
    return SessionView(
        graph, SessionGraphBuilder(graph), batch.graphs, sessions.user, batch.scores, batch.searched, rounds,
        list_length, key,
    )  # fmt: skip


def beliefs(*values: float) -> Tensor:
    """Scores [1, 4] whose softmax at temperature 1 is the given belief."""
    return torch.tensor([values], dtype=torch.float64).log()


def answer(shown: Tensor, clicked: int = -1) -> Feedback:
    """A click at a position in every session, or none."""
    rows = len(shown)
    return Feedback(
        shown, torch.full((rows,), clicked), torch.zeros_like(shown, dtype=torch.bool),
        torch.ones(rows, dtype=torch.bool),
    )  # fmt: skip


def randomised(network: Network, seed: int = 5) -> Network:
    """With weights that do something, in the precision of play."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in network.parameters():
            weight.copy_(torch.randn(weight.shape, generator=generator))
    return network.double().eval().requires_grad_(False)


def named(graph: HeteroData, view: SessionView, shown: Tensor) -> list[str]:
    """The shown nodes of the first session as texts: item ids, and the words of queries."""
    nodes = view.graphs.node[0, shown[0][shown[0] >= 0]].tolist()
    return [item_id_of(graph, node) if node < n_items(graph) else
            " ".join(sorted(str(word) for word in words_of(graph, node))) for node in nodes]  # fmt: skip


N_LESSON_ITEMS = 24


def lesson_graph() -> HeteroData:
    """24 items of 4 brands, 3 kinds and 2 colours."""
    rows = [(f"i{n}", f"b{n % 4}", f"k{n % 3}", f"c{(n // 12)}") for n in range(N_LESSON_ITEMS)]
    return build_relational_graph(pd.DataFrame(rows, columns=["item_id", "b", "k", "c"]), ["b", "k", "c"], max_words=2)


def lesson_scores() -> Tensor:
    """Base scores [200, 24], of no great use."""
    generator = torch.Generator().manual_seed(11)
    return torch.randn((200, N_LESSON_ITEMS), generator=generator, dtype=torch.float64)


def lessons(count: int) -> tuple[HeteroData, Sessions, Tensor, Judge]:
    """Training sessions of 10 candidates with their scores [count, 10], and a judge on 30 other sessions."""
    graph, scores = lesson_graph(), lesson_scores()
    generator = torch.Generator().manual_seed(12)
    candidates = torch.rand((count + 30, N_LESSON_ITEMS), generator=generator).topk(10, dim=1).indices
    user = torch.arange(count + 30) % 200
    targets = torch.zeros((count + 30, 10), dtype=torch.bool)
    targets[:, 0] = True
    sessions = Sessions(user, candidates, targets)
    own = scores[user.unsqueeze(1), candidates] + 1.0 * targets
    held_out = torch.arange(count, count + 30)
    judge = Judge(prepare_sessions(graph, sessions.take(held_out), scores), (2, 3), 2, plans=True)
    return graph, sessions.take(torch.arange(count)), own[:count], judge


def model_of(graph: HeteroData, n_users: int = 200, dim: int = 6, seed: int = 0) -> FM:
    """An untrained factorization machine with features that vary."""
    count = n_items(graph)
    words = node_words(graph).select(torch.arange(count))
    profiles = Ragged.from_lists([[] for _ in range(n_users)])
    space = FeatureSpace(n_users, count, len(graph.vocabulary.words), 0, words, profiles)
    return FM(FMOptions(dim=dim, dropout=0.0, init_std=0.5), space, seed).eval()
