"""A whole catalogue: the lists of a session with all items as candidates, whatever is answered."""

import json
from collections import Counter
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
import torch
from catalogues import APPLE_FIELDS, apple_table, catalogues
from catalogues import Catalogue as Table
from hypothesis import given
from hypothesis import strategies as st
from online_cases import any_scores, learned, play_both, shop, word_scores

import magus_pyg as mp
from magus_pyg.agents import EdgeFactors, MagusOptions
from magus_pyg.errors import ConfigError, GraphError, MagusError, ModelError, SessionError
from magus_pyg.graph import n_items, n_nodes
from magus_pyg.online.catalogue import Catalogue, Width
from magus_pyg.online.catalogue.first_guess import Guess
from magus_pyg.online.catalogue.sparse_play import SparsePlay
from magus_pyg.simulation import AnsweredList

SWITCHES = [
    MagusOptions(),
    MagusOptions(negative="signed"),
    MagusOptions(negative="signed_both"),
    MagusOptions(unclicked="unknown", minus_scale=0.3),
    MagusOptions(searched="literal", negative="signed", unclicked="unknown"),
    MagusOptions(clamp=True),
    MagusOptions(clamp=True, negative="signed_both", minus_scale=0.0),
]


@pytest.mark.parametrize("options", SWITCHES, ids=str)
def test_magus_over_the_catalogue_is_the_session(options: MagusOptions) -> None:
    counts: Counter[str] = Counter()
    for seed in range(6):
        graph = shop(60, seed)
        scores = any_scores(graph, seed) if seed % 3 == 2 else word_scores(graph, seed)
        catalogue = Catalogue(graph, options=options)
        given = {
            "list_length": 4,
            "rounds": 6,
            "min_items": seed % 2,
            "searched": [["kind1"], ["brand2", "size3"]] if seed % 2 else None,
        }
        for answers in range(2):
            whole = catalogue.session(scores, **given)
            few = mp.MagusSession(graph, scores, options=options, **given)  # type: ignore[arg-type]
            counts += play_both(few, whole, answers, not_care=True)
    assert counts["rounds"] == 6 * 2 * 6
    assert min(counts["queries"], counts["clicks"]) >= 12, counts
    assert min(counts["not care"], counts["ties"]) >= 10, counts


@pytest.mark.parametrize("minus_scale", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("grid", [1, 3, 10, None])
def test_equal_scores_are_ordered_by_reading_10(minus_scale: float, grid: int | None) -> None:
    """With β = 0 a query that one item alone holds has the score of the item, whatever that is."""
    options, counts = MagusOptions(minus_scale=minus_scale), Counter[str]()
    for seed in range(3):
        graph = shop(50, seed)
        scores = any_scores(graph, seed) if grid is None else torch.floor((grid + 1) * any_scores(graph, seed))
        catalogue = Catalogue(graph, options=options)
        few = mp.MagusSession(graph, scores, list_length=6, rounds=8, options=options, min_items=0)
        whole = catalogue.session(scores, list_length=6, rounds=8, min_items=0)
        first = whole.recommend()
        base = {
            node: float(scores[node]) if node < n_items(graph) else float(scores.min())
            for node in range(n_nodes(graph))
        }
        for high, low in pairwise(first):
            if high.score == low.score:
                assert (-base[high.node], high.node) < (-base[low.node], low.node)
        counts += play_both(few, whole, seed, not_care=True)
    assert counts["rounds"] == 24
    assert counts["ties"] >= (10 if grid is not None or minus_scale == 0.0 else 0), counts
    assert counts["clicks"] >= (10 if minus_scale == 0.0 else 0), counts


@pytest.mark.parametrize("minus_scale", [0.0, 1.0])
def test_ties_beyond_the_nodes_that_are_kept_in_order(minus_scale: float) -> None:
    """More nodes than the guess keeps in order have one score, the best or the worst."""
    graph = shop(900, 0, values=12)
    half = torch.arange(900, dtype=torch.float64) % 3 > 0
    options = MagusOptions(minus_scale=minus_scale)
    catalogue = Catalogue(graph, options=options)
    for scores in (half.to(torch.float64), torch.zeros(900), word_scores(graph, 0)):
        start = catalogue.start(scores)
        assert isinstance(start.first, Guess)
        best = start.first.y == start.first.y[: n_items(graph)].max()
        worst = start.first.y == start.first.extremes[0]
        assert max(int(best.sum()), int(worst.sum())) > 512 or scores.max() > 1.0
        few = mp.MagusSession(graph, scores, list_length=40, rounds=8, options=options)
        counts = play_both(few, catalogue.session(start, list_length=40, rounds=8), 1, not_care=True)
        assert counts["rounds"] == 8
        assert counts["ties"] > 100, counts


@given(table=catalogues(), seed=st.integers(0, 2**16), data=st.data())
def test_any_small_catalogue(table: Table, seed: int, data: st.DataObject) -> None:
    graph = mp.build_relational_graph(table.table, **table.build_arguments)  # type: ignore[arg-type]
    scores = any_scores(graph, seed)
    for variant in ("none", "base", "bayes"):
        whole = Catalogue(graph, variant).session(scores, list_length=data.draw(st.integers(1, 3)), rounds=3)
        few = mp.MagusSession(graph, scores, variant=variant, list_length=whole.list_length, rounds=3)
        play_both(few, whole, seed, not_care=True)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("options", [MagusOptions(), MagusOptions(negative="signed_both"), MagusOptions(clamp=True)])
def test_learned_weights_over_the_catalogue(seed: int, dtype: torch.dtype, options: MagusOptions) -> None:
    graph = shop(50, seed)
    scores, factors = any_scores(graph, seed), learned(graph, seed)
    if dtype == torch.float32:  # of values that float32 holds both paths make the same sums but for rounding
        factors = EdgeFactors(factors.positive.float().double(), factors.negative.float().double(), 0.5, 0.3)
    catalogue = Catalogue(graph, "plus", factors, options, dtype=dtype)
    assert catalogue.weights is not None
    whole = catalogue.session(scores, rounds=5, searched=[["size1"]])
    few = mp.MagusSession(graph, scores, "plus", rounds=5, searched=[["size1"]], state=factors, options=options)
    counts = play_both(few, whole, seed, not_care=True)
    assert counts["rounds"] == 5
    assert counts["clicks"] >= 1, counts


@pytest.mark.parametrize("seed", range(3))
def test_unit_weights_that_learned_a_refusal_stay_sparse(seed: int) -> None:
    graph = shop(50, seed)
    ones = torch.zeros((n_nodes(graph), 4), dtype=torch.float64)
    ones[:, 0] = 1.0
    factors = EdgeFactors(ones, ones.clone(), minus_scale=0.2, refusal=0.7)
    catalogue = Catalogue(graph, "plus", factors)
    scores = word_scores(graph, seed) + any_scores(graph, seed)
    whole = catalogue.session(scores, rounds=5)
    assert catalogue.weights is None
    few = mp.MagusSession(graph, scores, "plus", rounds=5, state=factors)
    counts = play_both(few, whole, seed)
    assert counts["rounds"] == 5
    assert counts["clicks"] >= 1, counts


@pytest.mark.parametrize("variant", ["none", "base", "plus", "bayes"])
def test_excluded_and_removed_items_are_no_candidates(variant: str) -> None:
    graph = shop(40, 3)
    scores, out = any_scores(graph, 3), ["i3", "i17", "i0", "i39"]
    state = learned(graph, 3) if variant == "plus" else None
    left = [item for item in (f"i{number}" for number in range(40)) if item not in out]
    catalogue = Catalogue(graph, variant, state, dtype=torch.float64)
    for seed in range(3):
        few = mp.MagusSession(graph, scores, variant, candidates=left, state=state)
        play_both(few, catalogue.session(scores, exclude=out), seed)
    catalogue.remove_items(out[:2])
    for seed in range(3):
        few = mp.MagusSession(graph, scores, variant, candidates=left, state=state)
        play_both(few, catalogue.session(scores, exclude=out[2:]), seed)
    catalogue.restore_items(out)
    few = mp.MagusSession(graph, scores, variant, state=state)
    play_both(few, catalogue.session(scores), 0)


@pytest.mark.parametrize("variant", ["none", "base", "plus", "bayes"])
def test_a_retrieval_list_is_a_session_of_its_candidates(variant: str) -> None:
    graph = shop(40, 5)
    scores = any_scores(graph, 5)
    state = learned(graph, 5) if variant == "plus" else None
    catalogue = Catalogue(graph, variant, state)
    catalogue.remove_items(["i8"])
    chosen = [f"i{number}" for number in range(5, 25)]
    by_id = {item: float(scores[mp.item_node(graph, item)]) for item in chosen}
    kept = [item for item in chosen if item not in ("i8", "i9")]
    few = mp.MagusSession(graph, scores, variant, candidates=kept, state=state)
    assert isinstance(catalogue.session(scores, candidates=chosen, exclude=["i9"]), mp.MagusSession)
    play_both(few, catalogue.session(scores, candidates=chosen, exclude=["i9"]), 1)
    few = mp.MagusSession(graph, scores, variant, candidates=kept, state=state)
    play_both(few, catalogue.session(by_id, candidates=list(by_id), exclude=["i9"]), 2)
    with pytest.raises(ModelError, match=r"item 'i0' has no score \(20 of 40 items have none\)"):
        catalogue.session(by_id)


@pytest.mark.parametrize("variant", ["none", "base", "plus", "bayes"])
def test_between_requests_only_the_answers_travel(variant: str) -> None:
    graph = shop(40, 7)
    scores = any_scores(graph, 7)
    catalogue = Catalogue(graph, variant, learned(graph, 7) if variant == "plus" else None)
    start = catalogue.start(scores)
    one, other = catalogue.session(start), catalogue.session(start)
    while not one.done:
        shown = one.recommend()
        fresh = catalogue.resume(json.loads(json.dumps(one.to_dict())), start)
        assert fresh.recommend() == shown == other.recommend()
        assert fresh.round == one.round
        queries = [entry.node for entry in shown if entry.kind == "query"]
        for session in (one, other):
            session.feedback(queries[0] if queries else None)
        fresh = catalogue.resume(json.loads(json.dumps(one.to_dict())), start)
        assert fresh.done == one.done
        assert fresh.history == one.history


def test_the_order_of_untouched_items_survives() -> None:
    """200,000 scores that differ by less than float64 tells apart after a few rescalings (reading 10)."""
    n = 200_000
    table = pd.DataFrame({"item_id": range(n), "kind": ["a"] * (n - 4) + ["b", "b", "b", "c"]})
    graph = mp.build_relational_graph(table, ["kind"], materialize=False)
    scores = 0.5 + 1e-7 * torch.randperm(n, generator=torch.Generator().manual_seed(0)).double() / n
    options = MagusOptions(minus_scale=1.0)
    catalogue = Catalogue(graph, options=options)
    play = catalogue.play(catalogue.start(scores), 3, 12)
    assert isinstance(play, SparsePlay)
    queries = [mp.find_query(graph, [word]) for word in "abc"]
    expected = [node for node in torch.argsort(scores, descending=True).tolist() if node < n - 4]
    seen: list[int] = []
    for _ in range(12):
        shown = play.recommend().tolist()
        seen += [node for node in shown if node < n - 4]
        clicked = next((node for node in shown if node in queries), None)
        play.update(AnsweredList(tuple(shown), clicked))
    assert len(seen) > 20
    assert seen == expected[: len(seen)]


def test_one_guess_serves_many_people() -> None:
    graph = shop(60, 9)
    scores = any_scores(graph, 9)
    catalogue = Catalogue(graph)
    start = catalogue.start(scores)
    people = [catalogue.session(start, rounds=4) for _ in range(5)]
    apart = [mp.MagusSession(graph, scores, rounds=4) for _ in people]
    # All at once, each with other answers: nobody changes what the others see.
    random = np.random.default_rng(0)
    for _ in range(4):
        for one, other in zip(people, apart, strict=True):
            shown = [entry.node for entry in one.recommend()]
            assert shown == [entry.node for entry in other.recommend()]
            queries = [node for node in shown if node >= n_items(graph)]
            clicked = int(random.choice(queries)) if queries and random.random() < 0.6 else None
            one.feedback(clicked)
            other.feedback(clicked)
    assert not bool(catalogue.index.marks.any())
    assert not bool(catalogue.index.sums.any())


def test_macbook_and_iphone() -> None:
    """App. B.3: after a click on "pro" both that have it rise, the airpods fall."""
    graph = mp.build_relational_graph(apple_table(), APPLE_FIELDS)
    session = Catalogue(graph).session(torch.tensor([0.5, 1.0, 0.25]), list_length=13, rounds=2)
    before = {entry.item_id: entry.score for entry in session.recommend() if entry.kind == "item"}
    node = mp.find_query(graph, "pro")
    assert node is not None
    few = mp.MagusSession(graph, torch.tensor([0.5, 1.0, 0.25]), list_length=13, rounds=2)
    few.recommend()
    assert before == {entry.item_id: entry.score for entry in few.recommend() if entry.kind == "item"}


@pytest.mark.parametrize("variant", ["none", "base", "plus", "bayes"])
def test_what_is_refused_leaves_all_as_it_was(variant: str) -> None:
    graph = shop(20, 2)
    scores = any_scores(graph, 2)
    catalogue = Catalogue(graph, variant, learned(graph, 2) if variant == "plus" else None)
    catalogue.remove_items(["i1"])
    running = catalogue.session(scores, list_length=4, rounds=6)
    running.recommend()
    state, values = running.to_dict(), running.node_scores()
    kept, removed = catalogue.edition, catalogue.edition.removed
    assert removed is not None
    marks = removed.clone()
    new = pd.DataFrame({"item_id": ["i2"], **{name: ["x"] for name in ("kind", "brand", "size", "offer")}})
    bad_state = {**state, "said": [{"shown": ["i3", "i4"], "clicked": 0, "not_care": [0]}]}
    refused = [
        lambda: catalogue.remove_items(["i5", "nobody"]),
        lambda: catalogue.restore_items(["i1", "nobody"]),
        lambda: catalogue.add_items(new),
        lambda: catalogue.add_items(new.drop(columns="kind").assign(item_id="n")),
        lambda: catalogue.start(scores[:-1]),
        lambda: catalogue.session(scores, exclude=["nobody"]),
        lambda: catalogue.session(scores, exclude="i2"),
        lambda: catalogue.session(scores, candidates="i2"),
        lambda: catalogue.session(scores, searched=[[3]]),
        lambda: catalogue.resume(bad_state, scores),
        lambda: catalogue.resume(state, scores[:-1]),
        lambda: running.feedback(clicked=10**6),
        lambda: running.feedback(not_care=[next(node for node in running.node_scores())]),
    ]
    for step in refused:
        with pytest.raises(MagusError):
            step()
        assert catalogue.edition is kept
        assert torch.equal(catalogue.edition.removed, marks)  # type: ignore[arg-type]
        assert (running.to_dict(), running.node_scores()) == (state, values)
    assert not bool(catalogue.index.marks.any())


@pytest.mark.parametrize("n", [1, 2])
@pytest.mark.parametrize("variant", ["none", "base", "bayes"])
def test_one_item_and_no_words(n: int, variant: str) -> None:
    table = pd.DataFrame({"item_id": [str(number) for number in range(n)], "kind": [""] * n})
    graph = mp.build_relational_graph(table, ["kind"])
    scores = torch.zeros(n)
    whole = Catalogue(graph, variant).session(scores, list_length=1, rounds=n + 1)
    few = mp.MagusSession(graph, scores, variant, list_length=1, rounds=n + 1)
    assert play_both(few, whole, 0)["rounds"] == n + 1


def test_bad_input() -> None:
    graph = shop(10, 0)
    scores = any_scores(graph, 0)
    catalogue = Catalogue(graph)
    with pytest.raises(ConfigError, match="'plus'"):
        Catalogue(graph, "plus")
    with pytest.raises(ConfigError, match="best"):
        Catalogue(graph, "best")
    with pytest.raises(ConfigError, match="no state of the kind BayesState"):
        Catalogue(graph, "base", mp.BayesState())
    with pytest.raises(ConfigError, match="hops=2"):
        Catalogue(graph, options=MagusOptions(hops=2))
    with pytest.raises(ConfigError, match=r"width.least must be at least 1 \(got 0\)"):
        Catalogue(graph, "bayes", width=Width(least=0))
    with pytest.raises(GraphError, match="99 nodes"):
        Catalogue(graph, "plus", EdgeFactors(torch.rand(99, 2), torch.rand(99, 2)))
    with pytest.raises(GraphError, match="swapped"):
        Catalogue(mp.build_relational_graph(apple_table(), APPLE_FIELDS, relations="swapped"))
    with pytest.raises(ModelError, match=r"\[10\], got \[9\]"):
        catalogue.session(scores[:9])
    with pytest.raises(ModelError, match=r"over temperature=1e-310 is -?inf"):
        Catalogue(graph, "bayes", mp.BayesState(temperature=1e-310)).session(scores)
    scores[4] = float("nan")
    with pytest.raises(ModelError, match=r"the score of item '.*' is nan"):
        catalogue.session(scores)
    scores[4] = 0.0
    with pytest.raises(GraphError, match="nobody"):
        catalogue.remove_items(["i1", "nobody"])
    assert catalogue.removed is None
    with pytest.raises(SessionError, match="all items are excluded"):
        catalogue.session(scores, exclude=[f"i{number}" for number in range(10)])
    with pytest.raises(SessionError, match="start"):
        catalogue.session(catalogue.start(scores), exclude=["i1"])
    with pytest.raises(SessionError, match="at least 1"):
        catalogue.session(scores, rounds=0)
    state = catalogue.session(scores).to_dict()
    with pytest.raises(SessionError, match="another session: its list_length is 3, expected 2"):
        catalogue.resume(state, scores, list_length=2)
    with pytest.raises(SessionError, match="another session: its variant is 'base', expected 'none'"):
        Catalogue(graph, "none").resume(state, scores)
    start = catalogue.start(scores)
    for other in (Catalogue(graph), Catalogue(graph, "none")):
        for begin in (lambda: other.session(start), lambda: other.play(start, 3, 5)):  # noqa: B023
            with pytest.raises(SessionError, match="of another catalogue"):
                begin()


def test_a_start_is_of_one_edition() -> None:
    graph = shop(10, 0)
    scores, catalogue = any_scores(graph, 0), Catalogue(graph)
    changes = [lambda: catalogue.remove_items(["i3"]), lambda: catalogue.restore_items(["i3"])]
    for change in changes:
        start = catalogue.start(scores)
        running, saved = catalogue.session(start), catalogue.session(start).to_dict()
        catalogue.session(start).recommend()
        change()
        for begin in (lambda: catalogue.session(start), lambda: catalogue.resume(saved, start)):  # noqa: B023
            with pytest.raises(SessionError, match="before items were added, removed or restored"):
                begin()
        running.recommend()  # what has begun goes on
        running.feedback()
        running.undo()
        kept = catalogue.edition
        catalogue.restore_items(["i4"])  # it is on offer
        assert catalogue.edition is kept
