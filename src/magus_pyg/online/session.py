"""One person, online: recommend queries and items, take the answer, recommend again."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from magus_pyg.agents import BayesAgent, BayesState, EdgeFactors, ItemsAgent, MagusAgent, MagusOptions
from magus_pyg.errors import ConfigError, ModelError, SessionError
from magus_pyg.graph import SessionGraphBuilder, find_query, item_id_of, item_nodes, n_items
from magus_pyg.online.contract import OnlineSession, Recommendation, Round
from magus_pyg.online.explanation import Reason, explain
from magus_pyg.random import hash_keys
from magus_pyg.simulation.loop import check_list
from magus_pyg.simulation.prepare import find_slots, score_candidates
from magus_pyg.simulation.protocol import Agent, Feedback, SessionView

if TYPE_CHECKING:
    from pathlib import Path

    from magus_pyg.runs import Run

__all__ = ["VARIANTS", "MagusSession", "Recommendation", "check_variant", "find_queries"]

#: What can recommend in a session: items alone, MAGUS, MAGUS+ and the Bayesian variant.
VARIANTS = ("none", "base", "plus", "bayes")


class MagusSession(OnlineSession):
    """A session with one person.

    Args:
        graph: the relational graph.
        scores: the base recommender's scores: one per item in node order ([I]), or {item id: score}, whose keys are
            then the candidates.
        variant: "base" (MAGUS), "plus" (MAGUS+, needs `state`), "bayes" or "none" (items alone).
        list_length: N, the length of a list.
        rounds: K, the most rounds.
        searched: the person's searched queries, each a sequence of words as for `find_query`; those that are no node
            are left out.
        candidates: ids of the items to choose from; all that have a score if None.
        state: the `EdgeFactors` that MAGUS+ learned, or the `BayesState` that the Bayesian variant fitted (its defaults
            if None).
        options: the switches of MAGUS.
        builder: what sessions of this graph share, to be made once where sessions are many.

    Raises:
        ModelError: scores that are NaN, infinite or of the wrong number.
        GraphError: an unknown item id.
        SessionError: no candidates, a candidate twice, rounds or list_length below 1.
        ConfigError: an unknown variant, or "plus" without a state.
    """

    def __init__(
        self,
        graph: HeteroData,
        scores: Tensor | Sequence[float] | Mapping[str, float],
        variant: str = "base",
        list_length: int = 3,
        rounds: int = 5,
        searched: Sequence[Sequence[str | tuple[str, str]]] | None = None,
        candidates: Sequence[str] | None = None,
        state: EdgeFactors | BayesState | None = None,
        options: MagusOptions | None = None,
        builder: SessionGraphBuilder | None = None,
    ) -> None:
        super().__init__(graph, variant, list_length, rounds)
        nodes, values = _candidate_scores(graph, scores, candidates)
        builder = SessionGraphBuilder(graph) if builder is None else builder
        self._graphs = builder.build(nodes.unsqueeze(0))
        matrix = torch.zeros((1, n_items(graph)), dtype=torch.float64)
        matrix[0, nodes] = values
        user = torch.zeros(1, dtype=torch.int64)
        self.view = SessionView(
            graph=graph,
            builder=builder,
            graphs=self._graphs,
            user=user,
            scores=score_candidates(matrix, user, self._graphs.node[:, : self._graphs.n_candidates]),
            searched=find_slots(self._graphs, find_queries(graph, searched)),
            rounds=rounds,
            list_length=list_length,
            key=hash_keys(0, user),
        )
        self.agent = _make_agent(graph, matrix, variant, state, options)
        self._play = self.agent.start(self.view)
        self._seen = torch.zeros_like(self._graphs.valid)
        self._shown: Tensor | None = None  # the slots of the list that waits for an answer

    @classmethod
    def from_run(
        cls,
        run: "Run | str | Path",
        user_id: str,
        candidates: Sequence[str] | None = None,
        searched: Sequence[Sequence[str | tuple[str, str]]] | None = None,
    ) -> "MagusSession":
        """A session of a user of a trained run, with the run's model, graph, variant and settings.

        Args:
            run: a run, or its folder.
            user_id: a user of the run's data.
            candidates: item ids; all items that the user never touched in the log if None.
            searched: as in the class.

        Raises:
            RunError: a folder that is no run.
            DataError: an unknown user.
        """
        from magus_pyg.runs import Run as RunType
        from magus_pyg.runs import load_run

        loaded = run if isinstance(run, RunType) else load_run(run)
        return cls(
            loaded.graph,
            loaded.user_scores(user_id, candidates),
            variant=loaded.variant,
            list_length=loaded.config.simulation.list_length,
            rounds=loaded.config.simulation.rounds,
            searched=searched,
            state=loaded.session_state,
            options=loaded.magus_options,
        )

    def __repr__(self) -> str:
        return (
            f"MagusSession(variant={self.variant!r}, candidates={self._graphs.n_candidates}, round={self.round} of "
            f"{self.rounds}, done={self.done})"
        )

    def _next_list(self) -> list[int]:
        shown = self._play.recommend()
        active = torch.ones(1, dtype=torch.bool)
        check_list(self.agent.name, self._graphs, shown, self._seen, active, self.list_length)
        self._shown = shown
        nodes: list[int] = self._graphs.node[0, shown[0][shown[0] >= 0]].tolist()
        return nodes

    def _values(self, nodes: Sequence[int]) -> list[float]:
        assert self._shown is not None, "only nodes of the open list are asked for"
        values: list[float] = self._play.node_scores()[0, self._shown[0][: len(nodes)]].tolist()
        return values

    def _take(self, answer: Round) -> None:
        assert self._shown is not None, "an answer is to an open list"
        mask = torch.zeros_like(self._shown, dtype=torch.bool)
        mask[0, [answer.shown.index(node) for node in answer.not_care]] = True
        position = torch.tensor([-1 if answer.clicked is None else answer.shown.index(answer.clicked)])
        self._play.update(Feedback(self._shown, position, mask, torch.ones(1, dtype=torch.bool)))
        self._shown = None

    def node_scores(self) -> dict[int, float]:
        """The present score of every node of the session, by node."""
        nodes, scores = self._graphs.node[0], self._play.node_scores()[0]
        return {int(node): float(score) for node, score in zip(nodes, scores, strict=True) if node >= 0}

    def explain(self, node: int) -> list[Reason]:
        """Which answers moved a node since the base scores, in order; their changes sum to the whole change.

        Raises:
            SessionError: a node that the session does not have.
        """
        return explain(self, node)

    def state_dict(self) -> dict[str, Tensor]:
        """The session's state as tensors, to go on in another process after the same construction."""
        none = torch.full((1, self.list_length), -2, dtype=torch.int64)
        return {
            **{f"play.{key}": value.clone() for key, value in self._play.state_dict().items()},
            "round": torch.tensor(self.round),
            "found": torch.tensor(-1 if self.found is None else self.found),
            "shown": none if self._shown is None else self._shown.clone(),
            "seen": self._seen.clone(),
            "history": self._history_tensor(),
        }

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Put back what `state_dict` gave.

        Raises:
            SessionError: a state of another session (other candidates, list length or variant).
        """
        own = self.state_dict()
        rounds = own.pop("history").shape[1:]
        if "history" not in state or state["history"].shape[1:] != rounds:
            raise SessionError(f"the state is of another session: its history must be [rounds, {list(rounds)}]")
        for key, value in own.items():
            if key not in state or state[key].shape != value.shape:
                got = list(state[key].shape) if key in state else "nothing"
                raise SessionError(f"the state is of another session: {key} has {got}, expected {list(value.shape)}")
        prefix = "play."
        self._play.load_state_dict({k[len(prefix) :]: v for k, v in state.items() if k.startswith(prefix)})
        self.round = int(state["round"])
        self.found = None if int(state["found"]) < 0 else int(state["found"])
        self._shown = None if (state["shown"] == -2).any() else state["shown"].clone()
        self._open = None
        if self._shown is not None:
            self._open = tuple(self._graphs.node[0, self._shown[0][self._shown[0] >= 0]].tolist())
        self._seen = state["seen"].clone()
        self.history = self._read_history(state["history"])


def check_variant(variant: str, state: EdgeFactors | BayesState | None) -> None:
    """Raise a ConfigError unless the variant is one of `VARIANTS` and the state is what it takes."""
    if variant not in VARIANTS:
        raise ConfigError(f"variant must be one of {list(VARIANTS)}, got {variant!r}")
    expected = {"plus": EdgeFactors, "bayes": BayesState}.get(variant, type(None))
    if state is not None and not isinstance(state, expected):
        raise ConfigError(f"variant={variant!r} takes no state of the kind {type(state).__name__}")
    if variant == "plus" and state is None:
        raise ConfigError("variant='plus' needs state: the weights that MAGUS+ learned (run.edge_factors)")


def _make_agent(
    graph: HeteroData,
    matrix: Tensor,
    variant: str,
    state: EdgeFactors | BayesState | None,
    options: MagusOptions | None,
) -> Agent:
    check_variant(variant, state)
    if variant == "none":
        return ItemsAgent(graph, matrix)
    if variant == "bayes":
        return BayesAgent(graph, matrix, state if isinstance(state, BayesState) else None)
    return MagusAgent(graph, matrix, options, state if isinstance(state, EdgeFactors) else None)


def _candidate_scores(
    graph: HeteroData, scores: Tensor | Sequence[float] | Mapping[str, float], candidates: Sequence[str] | None
) -> tuple[Tensor, Tensor]:
    """Candidate nodes int64 [C] and their scores float64 [C]."""
    if isinstance(scores, Mapping):
        by_id = {str(item): float(value) for item, value in scores.items()}
        chosen = list(by_id) if candidates is None else [str(item) for item in candidates]
        missing = [item for item in chosen if item not in by_id]
        if missing:
            raise ModelError(f"candidate {missing[0]!r} has no score ({len(missing)} of {len(chosen)} have none)")
        nodes = item_nodes(graph, chosen)
        values = torch.tensor([by_id[item] for item in chosen], dtype=torch.float64)
    else:
        vector = torch.as_tensor(scores, dtype=torch.float64).detach().cpu()
        if vector.shape != (n_items(graph),):
            raise ModelError(f"scores must have one value per item, [{n_items(graph)}], got {list(vector.shape)}")
        nodes = torch.arange(n_items(graph)) if candidates is None else item_nodes(graph, candidates)
        values = vector[nodes]
    if not nodes.numel():
        raise SessionError("a session needs at least one candidate")
    if torch.unique(nodes).numel() != nodes.numel():
        raise SessionError("a candidate stands twice in the session")
    bad = ~torch.isfinite(values)
    if bad.any():
        place = int(bad.nonzero()[0])
        item = item_id_of(graph, int(nodes[place]))
        raise ModelError(f"the score of item {item!r} is {float(values[place])}: scores must be finite")
    return nodes, values


def find_queries(graph: HeteroData, searched: Sequence[Sequence[str | tuple[str, str]]] | None) -> Tensor | None:
    """int64 [1, S]: the query nodes of searched queries; None without any, those that are no node are left out."""
    if searched is None:
        return None
    nodes = [find_query(graph, words) for words in searched]
    return torch.tensor([[node for node in nodes if node is not None]], dtype=torch.int64).reshape(1, -1)
