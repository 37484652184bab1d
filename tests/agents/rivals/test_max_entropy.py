"""ME by hand: entropies, lists, what answers do; and against a literal search on random catalogues."""

import math
from dataclasses import fields

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from playing import Case, cases
from rival_cases import A, C, D, answer, beliefs, named, one_session, shapes_graph, view_of_scores
from told_progress import ToldProgress
from torch import Tensor
from torch_geometric.data import HeteroData

from magus_pyg.agents import Judge
from magus_pyg.agents.rivals import (
    BeliefCalibration,
    MaxEntropyAgent,
    MaxEntropyState,
    fit_belief_calibration,
    fit_max_entropy,
)
from magus_pyg.agents.rivals.belief_lists import BeliefTracker, ListInMaking, binary_entropy, make_lists
from magus_pyg.agents.rivals.max_entropy import EntropyRule, RulePlay
from magus_pyg.data import Sessions
from magus_pyg.errors import ConfigError, RunError
from magus_pyg.simulation import Feedback, SessionView, ShownList, TruthfulUser, prepare_sessions, simulate
from reference import part_of

LITERAL = MaxEntropyState(items=0, ending=False)


def entropy(p: float) -> float:
    return 0.0 if p in (0.0, 1.0) else -(p * math.log2(p) + (1 - p) * math.log2(1 - p))


def play(belief: tuple[float, ...], rounds: int, length: int, state: MaxEntropyState) -> tuple[RulePlay, list[str]]:
    graph = shapes_graph()
    agent = MaxEntropyAgent(graph, beliefs(*belief), state)
    view = view_of_scores(graph, beliefs(*belief), rounds, length)
    running = agent.start(view)
    assert isinstance(running, RulePlay)
    return running, named(graph, view, running.recommend())


def test_binary_entropy_in_bits() -> None:
    p = torch.tensor([0.0, 0.25, 0.5, 0.75, 1.0], dtype=torch.float64)
    expected = [0.0, 0.8112781244591328, 1.0, 0.8112781244591328, 0.0]
    assert binary_entropy(p).tolist() == pytest.approx(expected, abs=1e-12)


def test_entropies_of_all_nodes_by_hand() -> None:
    """Belief a .3, b .25, c .25, d .2: x .55, y .45, red .75, blue .25."""
    running, _ = play((0.3, 0.25, 0.25, 0.2), 3, 1, LITERAL)
    nodes = running.tracker.nodes
    expected = {A: 0.3, 1: 0.25, C: 0.25, D: 0.2}
    scores = running.node_scores()[0]
    for item, share in expected.items():
        assert float(scores[item]) == pytest.approx(entropy(share), abs=1e-8)
    # x {a, b}, y {c, d} and red {a, c, d} are choices of their own; y red is y; blue and x blue are {b}; x red is {a}.
    queries = sorted(scores[nodes.slot[0, 4:]].tolist())
    assert queries == pytest.approx(sorted(map(entropy, (0.55, 0.45, 0.75, 0.25, 0.3))), abs=1e-8)


def test_a_list_is_chosen_node_by_node() -> None:
    """x splits best (.55; y as well, but x is likelier). Refused, it leaves c .25 and d .2: c splits .556 to .444, y
    not at all. Then d is left, and y with it: the item, as the lower node."""
    assert play((0.3, 0.25, 0.25, 0.2), 3, 1, LITERAL)[1] == ["x"]
    assert play((0.3, 0.25, 0.25, 0.2), 3, 2, LITERAL)[1] == ["x", "c"]
    assert play((0.3, 0.25, 0.25, 0.2), 3, 3, LITERAL)[1] == ["x", "c", "d"]


def test_items_compete_by_entropy() -> None:
    """a .45 splits better than x .6 or red .75."""
    assert play((0.45, 0.15, 0.25, 0.15), 3, 1, LITERAL)[1] == ["a"]


def test_places_for_items_and_the_last_round() -> None:
    belief = (0.3, 0.25, 0.25, 0.2)
    # a first. Without a there are b, c, d: y has .45 of .7, b .25. y is likelier to be clicked than a, so it is first.
    assert play(belief, 3, 2, MaxEntropyState(items=1, ending=False))[1] == ["y", "a"]
    assert play(belief, 1, 3, MaxEntropyState(items=0, ending=True))[1] == ["a", "b", "c"]
    assert play(belief, 2, 1, MaxEntropyState(items=0, ending=True))[1] == ["x"]


def test_answers_rule_out_as_refusals_do() -> None:
    running, shown = play((0.3, 0.25, 0.25, 0.2), 3, 1, LITERAL)
    assert shown == ["x"]
    running.update(answer(running.recommend(), clicked=-1))
    belief = running.tracker.belief()[0]
    assert belief.tolist() == pytest.approx([0.0, 0.0, 0.25 / 0.45, 0.2 / 0.45], abs=1e-8)
    running, _ = play((0.3, 0.25, 0.25, 0.2), 3, 1, LITERAL)
    running.update(answer(running.recommend(), clicked=0))
    assert running.tracker.belief()[0].tolist() == pytest.approx([0.3 / 0.55, 0.25 / 0.55, 0.0, 0.0], abs=1e-8)


def test_an_error_rate_softens_refusals() -> None:
    """e = .1: a refused x leaves .1 of a and b, .9 of c and d."""
    running, _ = play((0.3, 0.25, 0.25, 0.2), 3, 1, MaxEntropyState(error_rate=0.1, items=0, ending=False))
    running.update(answer(running.recommend(), clicked=-1))
    weights = [0.03, 0.025, 0.225, 0.18]
    expected = [weight / sum(weights) for weight in weights]
    assert running.tracker.belief()[0].tolist() == pytest.approx(expected, abs=1e-8)


def test_a_session_by_hand() -> None:
    """x is refused, then c, which is likelier than d; d is found in the third round."""
    log = simulate(MaxEntropyAgent(shapes_graph(), beliefs(0.3, 0.25, 0.25, 0.2), LITERAL), one_session(D), rounds=3,
                   list_length=1)  # fmt: skip
    assert log["clicked"].tolist() == [-1, -1, D]
    assert log["kinds"].tolist() == [["query"], ["item"], ["item"]]


class LiteralChecks:
    """Plays a rule in many sessions and compares every choice with a search over all nodes, one session at a time."""

    def __init__(self, case: Case, rule: EntropyRule) -> None:
        self.case, self.rule = case, rule
        self.count = len(case.catalogue.table)
        self.belief: list[dict[int, float]] = []
        for session in range(len(case.sessions)):
            own = [item for item in case.sessions.candidates[session].tolist() if item >= 0]
            shares = torch.softmax(case.matrix[session, own], 0).tolist()
            self.belief.append(dict(zip(own, shares, strict=True)))
        self.everything = [set(own) for own in self.belief]
        self.shown: list[set[int]] = [set() for _ in self.belief]
        self.chosen: list[list[int]] = []

    def members(self, session: int, node: int) -> set[int]:
        own = self.everything[session]
        return {item for item in own if item == node or part_of(self.case.nodes[node], self.case.nodes[item])}

    def __call__(self, making: ListInMaking) -> Tensor:
        place = self.rule(making)
        if making.step == 0:
            self.chosen = [[] for _ in self.belief]
        node = making.nodes.node
        for session, at in enumerate(place.tolist()):
            if at >= 0:
                self.check(session, int(node[session, at]), making)
                self.chosen[session].append(int(node[session, at]))
            else:
                free = making.free[session]
                only_items = making.step < self.rule.items or (self.rule.ending and making.rounds_left == 0)
                assert not (free & making.nodes.is_item if only_items else free).any()
        return place

    def check(self, session: int, node: int, making: ListInMaking) -> None:
        total = {item: p for item, p in self.belief[session].items() if item not in self.shown[session]}
        mass = sum(total.values())
        left = {item: p / mass for item, p in total.items()} if mass else {}
        covered = set().union(*(self.members(session, one) for one in self.chosen[session]))
        rest = {item: p for item, p in left.items() if item not in covered}
        only_items = making.step < self.rule.items or (self.rule.ending and making.rounds_left == 0)
        values = {}
        for place in torch.nonzero(making.free[session]).flatten().tolist():
            one = int(making.nodes.node[session, place])
            inside = self.members(session, one)
            if only_items:
                values[one] = left.get(one, 0.0) if one < self.count else -1.0
            else:
                share = sum(p for item, p in rest.items() if item in inside) / (sum(rest.values()) or 1.0)
                values[one] = entropy(min(share, 1.0))
        assert node in values, "chosen twice"
        assert node not in self.shown[session]
        assert values[node] >= max(values.values()) - 1e-6

    def answered(self, feedback: Feedback, node: Tensor) -> None:
        for session, row in enumerate(feedback.shown.tolist()):
            clicked = int(feedback.clicked[session])
            nodes = [int(node[session, slot]) for slot in row if slot >= 0]
            self.shown[session] |= set(nodes)
            on_item = clicked >= 0 and nodes[clicked] < self.count
            for position, one in enumerate(nodes):
                inside = self.members(session, one)
                for item in self.belief[session]:
                    if position == clicked:
                        wrong = item not in inside
                    elif one < self.count or clicked < 0 or (position < clicked and not on_item):
                        wrong = item in inside
                    else:
                        continue
                    self.belief[session][item] *= 1e-9 if wrong else 1.0


@settings(max_examples=30)
@given(cases(max_sessions=3), st.integers(0, 2), st.booleans())
def test_every_choice_is_the_least_certain_node_left(case: Case, items: int, ending: bool) -> None:
    checks = LiteralChecks(case, EntropyRule(items, ending))
    prepared = prepare_sessions(case.graph, case.sessions, case.matrix)
    for batch in prepared.batches:
        view = view_of_scores(case.graph, case.matrix, case.rounds, case.list_length, batch.sessions)
        tracker, key = BeliefTracker(view, BeliefCalibration()), view.key
        targets = batch.graphs.count_targets(batch.sessions.targets)
        for number in range(case.rounds):
            shown = make_lists(tracker, checks)
            present, slot = shown >= 0, shown.clamp(min=0)
            matches = torch.where(present, targets.gather(1, slot), 0)
            seen = ShownList(present, batch.graphs.is_item[slot] & present, matches, matches[:, 0], number, key)
            said = TruthfulUser().answer(seen)
            feedback = Feedback(shown, said.clicked, said.not_care, torch.ones_like(said.clicked, dtype=torch.bool))
            tracker.update(feedback)
            checks.answered(feedback, batch.graphs.node)


# ---------------------------------------------------------------- fitting


def test_fitting_chooses_what_does_best_on_validation_sessions() -> None:
    graph = shapes_graph()
    sessions = Sessions(torch.zeros(20, dtype=torch.int64), torch.arange(4).repeat(20, 1),
                        torch.arange(4).repeat(20, 1) == torch.arange(20).unsqueeze(1) % 4)  # fmt: skip
    scores = 3 * beliefs(0.3, 0.25, 0.25, 0.2)
    judge = Judge(prepare_sessions(graph, sessions, scores), (2, 3), 1, plans=True)
    progress = ToldProgress()
    state, table = fit_max_entropy(graph, scores, judge, progress=progress)
    ((done, total),) = progress.phases()
    assert done == len(table) <= total
    assert table["objective"].is_monotonic_decreasing
    assert judge(MaxEntropyAgent(graph, scores, state))["objective"] == pytest.approx(table["objective"][0])
    assert state.temperature > 1  # every item is as often the target, so the scores say nothing
    assert state.ending
    assert len(table) == len(table.drop_duplicates([entry.name for entry in fields(state)]))


def test_without_validation_sessions_the_defaults_are_taken() -> None:
    graph = shapes_graph()
    none = one_session().take(torch.zeros(0, dtype=torch.int64))
    judge = Judge(prepare_sessions(graph, none, beliefs(0.4, 0.3, 0.2, 0.1)), plans=True)
    state, table = fit_max_entropy(graph, beliefs(0.4, 0.3, 0.2, 0.1), judge)
    assert state == MaxEntropyState()
    assert not len(table)
    assert fit_belief_calibration(judge.sessions) == BeliefCalibration()


def test_state_to_tensors_and_back() -> None:
    state = MaxEntropyState(0.5, 0.1, 0.3, 0.7, items=2, ending=False)
    assert MaxEntropyState.of_tensors(state.tensors()) == state
    with pytest.raises(RunError, match="lacks ending, items: train again"):
        MaxEntropyState.of_tensors(BeliefCalibration().tensors())


@pytest.mark.parametrize(
    ("name", "value"),
    [("temperature", 0.0), ("error_rate", 0.5), ("searched_error", 0.0), ("others", -1.0), ("items", -1)],
)
def test_values_out_of_range_are_named(name: str, value: float) -> None:
    state = MaxEntropyState(**{name: value})  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=f"{name} .*got {value}"):
        MaxEntropyAgent(shapes_graph(), beliefs(0.4, 0.3, 0.2, 0.1), state)


def counted(scores: tuple[float, ...], rounds: int = 3, length: int = 1) -> tuple[HeteroData, SessionView, RulePlay]:
    """The literal agent in a session of shapes_graph: x {a, b}, y {c, d}, red {a, c, d}, blue {b}."""
    graph = shapes_graph()
    view = view_of_scores(graph, torch.tensor([scores]), rounds, length)
    running = MaxEntropyAgent(graph, torch.tensor([scores]), literal=True).start(view)
    assert isinstance(running, RulePlay)
    return graph, view, running


def test_literal_counts_candidates_whatever_the_scores() -> None:
    for scores in ((9.0, 0.0, 0.0, 0.0), (0.0, 0.0, 3.0, 9.0)):
        _, _, running = counted(scores)
        values = running.node_scores()[0]
        assert values[:4].tolist() == pytest.approx([entropy(0.25)] * 4, abs=1e-8)
        nodes = running.tracker.nodes
        queries = sorted(values[nodes.slot[0, 4:]].tolist())
        # x and y are of two candidates, red of three; blue and x red are of one, as the items.
        expected = [entropy(0.25)] * 3 + [1.0, 1.0]
        assert queries == pytest.approx(sorted(expected), abs=1e-8)


def test_literal_keeps_no_place_for_items_and_does_not_think_of_the_end() -> None:
    for rounds in (1, 3):
        graph, view, running = counted((9.0, 0.0, 0.0, 0.0), rounds, 1)
        assert named(graph, view, running.recommend()) == ["x"]


def test_literal_by_hand() -> None:
    """x is refused: c and d are left, which nothing but their own nodes tells apart; the base score decides."""
    graph, view, running = counted((0.0, 0.0, 1.0, 2.0))
    shown = running.recommend()
    assert named(graph, view, shown) == ["x"]
    running.update(answer(shown, -1))
    assert running.tracker.belief().tolist() == [[0.0, 0.0, 0.5, 0.5]]
    shown = running.recommend()
    assert named(graph, view, shown) == ["d"]
    running.update(answer(shown, -1))
    assert running.tracker.belief().tolist() == [[0.0, 0.0, 1.0, 0.0]]
    assert named(graph, view, running.recommend()) == ["c"]


def test_literal_with_answers_that_contradict_each_other() -> None:
    """All are refused one after the other; what contradicts the fewest answers counts, and the rest is listed last."""
    graph, view, running = counted((4.0, 3.0, 2.0, 1.0), 8, 1)
    listed = []
    for _ in range(8):
        shown = running.recommend()
        listed += named(graph, view, shown)
        running.update(answer(shown, -1))
    assert len(set(listed)) == len(listed)
    assert {"a", "b", "c", "d"} <= set(listed)


@given(cases(max_sessions=4), st.integers(1, 4))
def test_literal_gives_the_same_rows_in_any_batch(case: Case, batch_size: int) -> None:
    agent = MaxEntropyAgent(case.graph, case.matrix, literal=True)
    logs = [simulate(agent, case.sessions, None, case.rounds, case.list_length, batch_size=size)
            for size in (batch_size, 8)]  # fmt: skip
    assert logs[0].equals(logs[1])
