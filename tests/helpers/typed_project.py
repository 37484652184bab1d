"""A project of somebody else's, checked by `mypy --strict` against the installed package, and run."""

from collections.abc import Sequence

import pandas as pd
import torch
from torch import Tensor, nn

import magus_pyg as mp
from magus_pyg.nn import SignedLabelPropagation
from magus_pyg.simulation import Answer, ShownList, first_click


class Hurried(mp.User):
    """Looks at the first entry alone."""

    def answer(self, shown: ShownList) -> Answer:
        """A click on it, or nothing."""
        liked = shown.present & (shown.matches > 0)
        liked[:, 1:] = False
        return Answer(first_click(shown.is_item, liked), torch.zeros_like(liked))


class Spread(nn.Module):
    """A network with one of our layers."""

    def __init__(self) -> None:
        super().__init__()
        self.propagate = SignedLabelPropagation()

    def forward(self, scores: Tensor, edge_index: Tensor) -> Tensor:
        """Scores after one pass."""
        spread: Tensor = self.propagate(scores, edge_index)
        return spread


def titles(entries: Sequence[mp.Recommendation]) -> list[str]:
    """What people read."""
    return [entry.title for entry in entries]


def main() -> None:
    """A graph, a session, a simulation."""
    items = pd.DataFrame(
        {"item_id": ["m1", "m2", "c1"], "brand": ["Oatly", "Alpro", "Alpro"], "kind": ["milk", "milk", "cheese"]}
    )
    graph = mp.build_relational_graph(items, word_fields=["brand", "kind"])
    word: int | None = mp.find_query(graph, ["milk"])
    scores = {"m1": 0.9, "m2": 0.5, "c1": 0.1}
    session = mp.MagusSession(graph, scores, variant="bayes", list_length=2, rounds=2)
    shown: list[str] = titles(session.recommend())
    session.feedback(clicked=None)
    state: dict[str, object] = session.to_dict()
    catalogue = mp.Catalogue(graph, "bayes")
    again = catalogue.session(scores, list_length=2)
    targets = torch.tensor([[True, False, False]])
    sessions = mp.Sessions(torch.tensor([0]), torch.arange(3).unsqueeze(0), targets)
    log: pd.DataFrame = mp.simulate(mp.ItemsAgent(graph, torch.rand(1, 3)), sessions, user=Hurried())
    spread = Spread()(torch.ones(3), torch.tensor([[0], [1]]))
    try:
        mp.find_query(graph, [])
    except mp.GraphError as error:
        print(error)
    print(word, shown, sorted(state)[:1], len(titles(again.recommend())), len(log), tuple(spread.shape))


if __name__ == "__main__":
    main()
