"""One person, online: recommend queries and items, take the answer, recommend again."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from magus_pyg.agents import BayesState, EdgeFactors, MagusOptions
from magus_pyg.agents.methods import VARIANTS, check_variant, session_agent
from magus_pyg.errors import ModelError, SessionError
from magus_pyg.graph import SessionGraphBuilder, id_texts, item_id_of, item_nodes, n_items
from magus_pyg.online.contract import OnlineSession
from magus_pyg.online.resuming import beginning_here
from magus_pyg.online.session_inputs import Scores, Wording, read_searched, scores_by_node
from magus_pyg.online.session_state import Beginning, SessionState
from magus_pyg.online.slot_play import SlotPlay
from magus_pyg.random import hash_keys
from magus_pyg.simulation.prepare import find_slots, score_candidates
from magus_pyg.simulation.protocol import SessionView
from magus_pyg.simulation.score_checks import checked_scores

if TYPE_CHECKING:
    from magus_pyg.runs import Run

__all__ = ["MagusSession"]


class MagusSession(OnlineSession):
    """A session with one person.

    Args:
        graph: the relational graph.
        scores: the base recommender's scores: one per item in node order ([I]), or {item id: score} or a Series by
            item id, whose keys are then the candidates.
        variant: "base" (MAGUS), "plus" (MAGUS+, needs `state`), "bayes" or "none" (items alone).
        list_length: N, the length of a list.
        rounds: K, the most rounds.
        searched: the person's searched queries, each one word or several (see `tell`). Words that no item has, or that
            stand in several fields, are left out and counted; so are queries that are no node. A query given twice
            counts once.
        candidates: ids of the items to choose from; all that have a score if None.
        exclude: ids of candidates that are not offered.
        state: the `EdgeFactors` that MAGUS+ learned, or the `BayesState` that the Bayesian variant fitted (its defaults
            if None).
        options: the switches of MAGUS.
        builder: what sessions of this graph share, to be made once where sessions are many.
        min_items: the fewest items of a list, as long as so many are left: people always see something concrete.

    Raises:
        ModelError: scores that are no numbers, not real, NaN, infinite, too far apart or of the wrong number.
        GraphError: an unknown item id, or what is no word.
        SessionError: no candidates, a candidate twice, rounds, list_length or min_items out of range.
        ConfigError: an unknown variant, "plus" without a state, or a state of another variant or out of range.
    """

    def __init__(
        self,
        graph: HeteroData,
        scores: Scores,
        variant: str = "base",
        list_length: int = 3,
        rounds: int = 5,
        searched: Sequence[Sequence[Wording]] | None = None,
        candidates: Sequence[str] | None = None,
        state: EdgeFactors | BayesState | None = None,
        options: MagusOptions | None = None,
        builder: SessionGraphBuilder | None = None,
        exclude: Iterable[str] = (),
        min_items: int = 1,
    ) -> None:
        check_variant(variant, state)
        chosen = None if candidates is None else id_texts(candidates)
        left_out = tuple(dict.fromkeys(id_texts(exclude)))
        nodes, values, chosen = _candidate_scores(graph, scores, chosen, left_out)
        words, left = read_searched(graph, searched)
        beginning = Beginning(variant, list_length, rounds, chosen, left_out, words, min_items)
        builder = SessionGraphBuilder(graph) if builder is None else builder
        graphs = builder.build(nodes.unsqueeze(0))
        matrix = torch.zeros((1, n_items(graph)), dtype=torch.float64)
        matrix[0, nodes] = values
        longest = graphs.node.shape[1]  # a longer list would be padding
        user = torch.zeros(1, dtype=torch.int64)
        self.view = SessionView(
            graph=graph,
            builder=builder,
            graphs=graphs,
            user=user,
            scores=score_candidates(matrix, user, graphs.node[:, : graphs.n_candidates]),
            searched=None,
            rounds=beginning.rounds,
            list_length=min(beginning.list_length, longest),
            key=hash_keys(0, user),
            min_items=min(beginning.min_items, longest),
        )
        self.agent = session_agent(variant, graph, matrix, options, state)
        super().__init__(graph, beginning, left)

    @classmethod
    def from_run(
        cls,
        run: "Run | str | Path",
        user_id: str | None,
        candidates: Sequence[str] | None = None,
        variant: str | None = None,
        rounds: int | None = None,
        list_length: int | None = None,
        searched: Sequence[Sequence[Wording]] | None = None,
        liked: Sequence[str] = (),
        min_items: int = 1,
    ) -> "MagusSession":
        """A session on the model, graph and settings of a trained run.

        Args:
            run: a run, or its folder.
            user_id: a user of the run's data; None for a guest.
            candidates: item ids; all items that the user never touched in the log if None.
            variant, rounds, list_length: those of the run if None.
            searched, min_items: as in the class.
            liked: ids of items that a guest likes.

        Raises:
            RunError: a folder that is no run.
            DataError: an unknown user.
            others: as of the class.
        """
        from magus_pyg.runs import load_run  # Training and Hydra take seconds to import: only who asks for them waits.

        loaded = load_run(run) if isinstance(run, str | Path) else run
        played, simulation = loaded.variant if variant is None else variant, loaded.config.simulation
        return cls(
            loaded.graph,
            loaded.scores(user_id, liked),
            played,
            simulation.list_length if list_length is None else list_length,
            simulation.rounds if rounds is None else rounds,
            searched,
            candidates,
            loaded.state_for(played),
            loaded.magus_options,
            exclude=() if user_id is None or candidates is not None else loaded.known_items(user_id),
            min_items=min_items,
        )

    @classmethod
    def resume(
        cls,
        graph: HeteroData,
        data: object,
        scores: Scores,
        variant: str | None = None,
        list_length: int | None = None,
        state: EdgeFactors | BayesState | None = None,
        options: MagusOptions | None = None,
        builder: SessionGraphBuilder | None = None,
    ) -> "MagusSession":
        """A session that goes on where its `to_dict` was taken, in this or another process.

        Its answers are taken in again, so the graph may have gained or lost items, and scores may have changed: with
        the same ones the next list is the same. What has gone is said in `notes` and in the log, once.

        Args:
            graph: the relational graph now.
            data: what `to_dict` gave, perhaps through JSON.
            scores: the base scores now; as in the class.
            variant, list_length: what the state must have; None for any.
            state, options, builder: as in the class.

        Raises:
            SessionError: a state of another format, variant, list length or catalogue, or with a value that cannot be;
                or none of its candidates is left.
            others: as of the class.
        """
        saved = SessionState.read(data)
        if saved.beginning.variant not in VARIANTS:
            raise SessionError(f"the state has the variant {saved.beginning.variant!r}: there are {list(VARIANTS)}")
        beginning, notes = beginning_here(graph, saved, variant, list_length)
        session = cls(
            graph,
            scores,
            beginning.variant,
            beginning.list_length,
            beginning.rounds,
            beginning.searched,
            beginning.candidates,
            state,
            options,
            builder,
            beginning.exclude,
            beginning.min_items,
        )
        session.take_up(saved, notes)
        return session

    def __repr__(self) -> str:
        return (
            f"MagusSession(variant={self.variant!r}, candidates={self.view.graphs.n_candidates}, round={self.round} of "
            f"{self.rounds}, done={self.done})"
        )

    def _begin(self, searched: Sequence[int]) -> SlotPlay:
        graphs = self.view.graphs
        nodes = torch.tensor([searched], dtype=torch.int64) if searched else None
        view = replace(self.view, searched=find_slots(graphs, nodes))
        return SlotPlay(self.agent.start(view), graphs, self.view.list_length)

    def _nodes(self) -> Tensor:
        return self.view.graphs.node[0]

    def _holds(self, node: int) -> bool:
        nodes = self._nodes()  # ascending, so that numbers beyond int64 never reach it
        return int(nodes[0]) <= node <= int(nodes[-1]) and bool((nodes == node).any())

    def _items_of(self, node: int) -> Tensor:
        graphs, nodes = self.view.graphs, self._nodes()
        slot = torch.searchsorted(nodes, node).view(1)
        if int(slot) < graphs.n_candidates:
            return nodes[slot]
        whole = graphs.wholes.gather(slot)[1]
        return nodes[whole[whole < graphs.n_candidates]]


def _candidate_scores(
    graph: HeteroData, scores: Scores, candidates: tuple[str, ...] | None, exclude: tuple[str, ...]
) -> tuple[Tensor, Tensor, tuple[str, ...] | None]:
    """Candidate nodes int64 [C], their scores float64 [C], and the candidates by id; None where they are all items."""
    vector, given = scores_by_node(graph, scores)
    vector, ids = vector.to("cpu"), graph.vocabulary.item_ids
    if candidates is None and given is not None:
        candidates = tuple(ids[node] for node in torch.nonzero(given).flatten().tolist())
    nodes = torch.arange(n_items(graph)) if candidates is None else item_nodes(graph, candidates)
    if torch.unique(nodes).numel() != nodes.numel():
        raise SessionError("a candidate stands twice in the session")
    if given is not None and not bool(given[nodes].all()):
        missing = nodes[~given[nodes]]
        some = f"{ids[int(missing[0])]!r} has no score ({missing.numel()} of {nodes.numel()} have none)"
        raise ModelError(f"candidate {some}")
    if exclude:
        nodes = nodes[~torch.isin(nodes, item_nodes(graph, exclude))]
    if not nodes.numel():
        raise SessionError("a session needs at least one candidate")
    values = checked_scores(vector[nodes], lambda at: f"the score of item {item_id_of(graph, int(nodes[at]))!r}")
    return nodes, values, candidates
