"""One person, online: recommend queries and items, take the answer, recommend again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from magus_pyg.agents import BayesAgent, BayesState, EdgeFactors, ItemsAgent, MagusAgent, MagusOptions
from magus_pyg.errors import ConfigError, ModelError, SessionError
from magus_pyg.explanation import Reason, explain
from magus_pyg.graph import SessionGraphBuilder, Word, find_query, item_id_of, item_node, n_items, words_of
from magus_pyg.random import hash_keys
from magus_pyg.simulation.loop import check_list
from magus_pyg.simulation.prepare import find_slots, score_candidates
from magus_pyg.simulation.protocol import Agent, Feedback, SessionView

if TYPE_CHECKING:
    from pathlib import Path

    from magus_pyg.experiment import Run

__all__ = ["MagusSession", "Recommendation"]


@dataclass(frozen=True)
class Recommendation:
    """A node shown to a person.

    Attributes:
        node: its number in the graph.
        kind: "item" or "query".
        words: the words of the query or item.
        item_id: the item's id, None for a query.
        score: the value by which it was ranked.
    """

    node: int
    kind: Literal["item", "query"]
    words: tuple[Word, ...]
    item_id: str | None
    score: float

    def __str__(self) -> str:
        words = " ".join(str(word) for word in self.words)
        return words if self.item_id is None else f"{self.item_id} ({words})" if words else self.item_id


@dataclass(frozen=True)
class Round:
    """An answered list.

    Attributes:
        shown: the nodes, in the order of the list.
        clicked: the clicked node, or None.
        not_care: the queries answered Not Care.
    """

    shown: tuple[int, ...]
    clicked: int | None
    not_care: tuple[int, ...]


class MagusSession:
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
    ) -> None:
        if rounds < 1 or list_length < 1:
            raise SessionError(f"rounds and list_length must be at least 1, got {rounds} and {list_length}")
        self.graph, self.rounds, self.list_length = graph, rounds, list_length
        nodes, values = _candidate_scores(graph, scores, candidates)
        builder = SessionGraphBuilder(graph)
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
            searched=find_slots(self._graphs, _searched_nodes(graph, searched)),
            rounds=rounds,
            list_length=list_length,
            key=hash_keys(0, user),
        )
        self.variant = variant
        self.agent = _make_agent(graph, matrix, variant, state, options)
        self._play = self.agent.start(self.view)
        self._seen = torch.zeros_like(self._graphs.valid)
        self._shown: Tensor | None = None
        self.round = 0
        self.history: list[Round] = []
        """The rounds answered so far."""
        self.found: int | None = None
        """The item node that was clicked, once there is one."""

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
        from magus_pyg.experiment import Run as RunType
        from magus_pyg.experiment import load_run

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

    @property
    def done(self) -> bool:
        """Whether an item was clicked or the rounds are over."""
        return self.found is not None or (self.round >= self.rounds and self._shown is None)

    def recommend(self) -> list[Recommendation]:
        """The list of the next round, best first; the same list again until `feedback` is given.

        Raises:
            SessionError: if the session is over.
        """
        if self.done:
            raise SessionError(f"the session is over after {self.round} round(s): start a new one")
        if self._shown is None:
            self._shown = self._play.recommend()
            active = torch.ones(1, dtype=torch.bool)
            check_list(self.agent.name, self._graphs, self._shown, self._seen, active, self.list_length)
            self.round += 1
        scores = self._play.node_scores()[0]
        slots = [slot for slot in self._shown[0].tolist() if slot >= 0]
        return [self._recommendation(slot, float(scores[slot])) for slot in slots]

    def _recommendation(self, slot: int, score: float) -> Recommendation:
        node = int(self._graphs.node[0, slot])
        is_item = slot < self._graphs.n_candidates
        return Recommendation(
            node=node,
            kind="item" if is_item else "query",
            words=words_of(self.graph, node),
            item_id=item_id_of(self.graph, node) if is_item else None,
            score=score,
        )

    def feedback(self, clicked: int | None = None, not_care: Sequence[int] = ()) -> None:
        """The person's answer to the list of the last `recommend`.

        Args:
            clicked: the node that was clicked, or None. A clicked item ends the session.
            not_care: shown queries about which the person does not care.

        Raises:
            SessionError: no list is open, a node that was not shown, an item or the clicked node in `not_care`.
        """
        if self._shown is None:
            over = "the session is over" if self.done else "call recommend() first"
            raise SessionError(f"there is no list to answer: {over}")
        slots = self._shown[0]
        shown = {int(self._graphs.node[0, slot]): place for place, slot in enumerate(slots.tolist()) if slot >= 0}
        for node in [*([] if clicked is None else [clicked]), *not_care]:
            if node not in shown:
                raise SessionError(f"node {node} was not shown in this round; shown were {list(shown)}")
        for node in not_care:
            if node == clicked or node < n_items(self.graph):
                what = "clicked" if node == clicked else "an item"
                raise SessionError(f"node {node} in not_care is {what}: Not Care answers a query that is not clicked")
        mask = torch.zeros_like(self._shown, dtype=torch.bool)
        mask[0, [shown[node] for node in not_care]] = True
        position = torch.tensor([-1 if clicked is None else shown[clicked]])
        self._play.update(Feedback(self._shown, position, mask, torch.ones(1, dtype=torch.bool)))
        self._shown = None
        self.history.append(Round(tuple(shown), clicked, tuple(not_care)))
        if clicked is not None and clicked < n_items(self.graph):
            self.found = clicked

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

    def _history_tensor(self) -> Tensor:
        """int64 [rounds, 3, N]: the shown nodes, the clicked one and those not cared about, -1 for none."""
        table = torch.full((len(self.history), 3, self.list_length), -1, dtype=torch.int64)
        for number, entry in enumerate(self.history):
            clicked = () if entry.clicked is None else (entry.clicked,)
            for row, nodes in enumerate((entry.shown, clicked, entry.not_care)):
                table[number, row, : len(nodes)] = torch.tensor(nodes, dtype=torch.int64)
        return table

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
        self._seen = state["seen"].clone()
        self.history = [_read_round(row) for row in state["history"]]


def _read_round(row: Tensor) -> Round:
    shown, clicked, not_care = (tuple(node for node in nodes if node >= 0) for nodes in row.tolist())
    return Round(shown, clicked[0] if clicked else None, not_care)


def _make_agent(
    graph: HeteroData,
    matrix: Tensor,
    variant: str,
    state: EdgeFactors | BayesState | None,
    options: MagusOptions | None,
) -> Agent:
    expected = {"plus": EdgeFactors, "bayes": BayesState}.get(variant, type(None))
    if state is not None and not isinstance(state, expected):
        raise ConfigError(f"variant={variant!r} takes no state of the kind {type(state).__name__}")
    if variant == "none":
        return ItemsAgent(graph, matrix)
    if variant == "base":
        return MagusAgent(graph, matrix, options)
    if variant == "plus":
        if not isinstance(state, EdgeFactors):
            raise ConfigError("variant='plus' needs state: the weights that MAGUS+ learned (run.edge_factors)")
        return MagusAgent(graph, matrix, options, state)
    if variant == "bayes":
        return BayesAgent(graph, matrix, state if isinstance(state, BayesState) else None)
    raise ConfigError(f"variant must be one of ['none', 'base', 'plus', 'bayes'], got {variant!r}")


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
        nodes = torch.tensor([item_node(graph, item) for item in chosen], dtype=torch.int64)
        values = torch.tensor([by_id[item] for item in chosen], dtype=torch.float64)
    else:
        vector = torch.as_tensor(scores, dtype=torch.float64).detach().cpu()
        if vector.shape != (n_items(graph),):
            raise ModelError(f"scores must have one value per item, [{n_items(graph)}], got {list(vector.shape)}")
        if candidates is None:
            nodes = torch.arange(n_items(graph))
        else:
            nodes = torch.tensor([item_node(graph, item) for item in candidates], dtype=torch.int64)
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


def _searched_nodes(graph: HeteroData, searched: Sequence[Sequence[str | tuple[str, str]]] | None) -> Tensor | None:
    if searched is None:
        return None
    nodes = [find_query(graph, words) for words in searched]
    return torch.tensor([[node for node in nodes if node is not None]], dtype=torch.int64).reshape(1, -1)
