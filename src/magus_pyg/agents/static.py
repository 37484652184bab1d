"""`static`: all nodes are ranked once, by the first guess of MAGUS, and nothing is learned from answers."""

from dataclasses import replace

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from magus_pyg.agents.magus import EdgeFactors, MagusAgent
from magus_pyg.agents.magus_options import MagusOptions
from magus_pyg.simulation.protocol import Feedback, Play, Scorer, SessionView

__all__ = ["StaticAgent"]


class StaticAgent:
    """List items and queries by their first scores (Eqs. 2, 4, 5 and 6), best first, whatever is answered.

    What a base recommender's scores are worth for queries before the first answer: the distance to `magus` is what Eqs.
    (8) and (9) make of the answers. No node is shown twice. On MPS and Hybrid, `static` is `PopularAgent` instead,
    unless `model.rows` is "score".

    Args:
        graph: the relational graph.
        scorer: a base recommender, or a matrix of scores [U, I].
        options: the switches of the guess (`relations`, `scope`, `hops`, `searched`, `minus_scale`); the defaults if
            None.
        factors: learned weights for Eq. (4); unit weights if None.

    Raises:
        ConfigError: an option out of range.
        GraphError: factors of another graph.
    """

    name = "static"

    def __init__(
        self,
        graph: HeteroData,
        scorer: Scorer | Tensor,
        options: MagusOptions | None = None,
        factors: EdgeFactors | None = None,
    ) -> None:
        self.graph = graph
        self.scorer = scorer
        # What follows an answer has no part in this, so its switches have none either.
        options = replace((options or MagusOptions()).check(), propagation="paper")
        self.guess = MagusAgent(graph, scorer, options, factors, self.name)

    def __repr__(self) -> str:
        return f"StaticAgent({self.guess.options})"

    def start(self, view: SessionView) -> Play:
        """Begin B sessions."""
        return _StaticPlay(self.guess.start(view))


class _StaticPlay:
    """MAGUS to whom every answer is Not Care: shown nodes do not return, and scores stay as they are."""

    def __init__(self, guess: Play) -> None:
        self.guess = guess

    def recommend(self) -> Tensor:
        return self.guess.recommend()

    def update(self, feedback: Feedback) -> None:
        nothing = torch.full_like(feedback.clicked, -1)
        self.guess.update(Feedback(feedback.shown, nothing, torch.ones_like(feedback.not_care), feedback.active))

    def node_scores(self) -> Tensor:
        return self.guess.node_scores()
