"""Items added to a catalogue: sessions are those of a catalogue of all items, and those that run go on as they were."""

import logging
from collections import Counter
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pandas as pd
import pytest
import torch
from catalogues import Catalogue as Table
from catalogues import catalogues
from growing_catalogues import assert_alike, build, learned, scores_of, table
from hypothesis import given
from hypothesis import strategies as st
from online_cases import word_scores
from torch_geometric.data import HeteroData

import magus_pyg as mp
from magus_pyg.agents import EdgeFactors, MagusOptions
from magus_pyg.data import TabularOptions
from magus_pyg.errors import ConfigError, DataError, GraphError, ModelError, SessionError
from magus_pyg.graph import n_nodes
from magus_pyg.online.catalogue import Catalogue

VARIANTS = ["none", "base", "plus", "bayes"]


def state_of(variant: str, graph: HeteroData, seed: int) -> EdgeFactors | mp.BayesState | None:
    return {"plus": learned(graph, seed), "bayes": mp.BayesState(temperature=0.2, error_rate=0.05)}.get(variant)


# ---------------------------------------------------------------- by hand


def test_a_new_item_is_offered() -> None:
    items = pd.DataFrame({"item_id": ["m", "c"], "kind": ["milk", "cheese"]})
    catalogue = Catalogue(mp.build_relational_graph(items, ["kind"]), "none")
    before = catalogue.session([0.1, 0.2], list_length=1, rounds=3)
    assert [entry.item_id for entry in before.recommend()] == ["c"]
    new = pd.DataFrame({"item_id": ["j"], "kind": ["juice"]})
    extended, node_map = catalogue.add_items(new)
    assert catalogue.graph is extended
    assert node_map.tolist() == [0, 1, 3, 5]  # m, c, j, then cheese, juice, milk
    after = catalogue.session([0.1, 0.2, 0.9], list_length=3, rounds=1)
    assert [entry.item_id for entry in after.recommend()] == ["j", "c", "m"]
    before.feedback()
    assert [entry.item_id for entry in before.recommend()] == ["m"]
    before.feedback()
    assert before.recommend() == []  # the new item is not among its items


# ---------------------------------------------------------------- as of all items


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("used", [True, False])
@pytest.mark.parametrize("seed", range(3))
def test_sessions_are_those_of_a_fresh_catalogue(variant: str, used: bool, seed: int) -> None:
    items = table(70, seed)
    graph = build(items.head(40))
    options = MagusOptions(minus_scale=0.3)  # with 1 hardly a query is listed
    catalogue = Catalogue(graph, variant, state_of(variant, graph, seed), options)
    catalogue.remove_items(["i3", "i30"])
    counts: Counter[str] = Counter()
    for low, high in pairwise([40, 41, 60, 70]):
        if used:  # all that sessions share is made, and carried over
            assert_alike(*(catalogue.session(scores_of(low, seed)) for _ in range(2)), seed)
            catalogue.session(scores_of(low, seed), exclude=["i1"]).recommend()
        catalogue.add_items(items[low:high])
        now = build(items.head(high))
        state = catalogue.factors if variant == "plus" else state_of(variant, now, seed)
        fresh = Catalogue(now, variant, state, options)
        fresh.remove_items(["i3", "i30"])
        if variant == "plus":
            assert catalogue.weights is not None
            assert fresh.weights is not None
            assert ("edge" in vars(catalogue.weights)) == (used or low > 40)
            assert torch.equal(catalogue.weights.edge, fresh.weights.edge)
        searched = [["kind1"], ["brand2", "size3"]]
        for answers in range(1 if variant == "bayes" else 3):
            random = answers == 1 or variant == "bayes"
            scores = scores_of(high, answers) if random else word_scores(catalogue.graph, seed)
            given = {"list_length": 4, "searched": searched, "exclude": ["i7"], "min_items": answers % 2}
            one, other = (c.session(scores, **given) for c in (catalogue, fresh))
            counts += assert_alike(one, other, answers)
            whole = one.graph.vocabulary.item_ids
            assert whole == [f"i{number}" for number in range(high)]
        candidates = [f"i{number}" for number in (1, 3, 8, high - 1)]
        one, other = (c.session(scores_of(high, 0), candidates=candidates) for c in (catalogue, fresh))
        assert_alike(one, other, seed)
        if low == 40:
            catalogue.restore_items(["i30", "i40"])
            catalogue.remove_items(["i30"])
    if variant != "none":
        assert min(counts["clicks"] - 2, counts["not care"]) >= 1, counts


@pytest.mark.parametrize(
    "options",
    [
        MagusOptions(negative="signed_both", minus_scale=0.3),
        MagusOptions(clamp=True),
        MagusOptions(searched="literal", unclicked="unknown", negative="signed"),
    ],
    ids=str,
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_options_and_types_are_kept(options: MagusOptions, dtype: torch.dtype) -> None:
    items = table(60, 9)
    graph = build(items.head(50))
    for variant in ("base", "plus"):
        catalogue = Catalogue(graph, variant, state_of(variant, graph, 9), options, dtype=dtype)
        catalogue.session(scores_of(50, 9)).recommend()
        catalogue.add_items(items[50:])
        fresh = Catalogue(build(items), variant, catalogue.factors, options, dtype=dtype)
        assert_alike(catalogue.session(scores_of(60, 9)), fresh.session(scores_of(60, 9)), 9)


@given(tables=catalogues(max_items=8), data=st.data())
def test_any_tables(tables: Table, data: st.DataObject) -> None:
    arguments = tables.build_arguments | {"max_share": 1.0}
    cuts = sorted({*data.draw(st.lists(st.integers(1, len(tables.table)), min_size=1, max_size=2)), len(tables.table)})
    graph = mp.build_relational_graph(tables.table.head(cuts[0]), **arguments)  # type: ignore[arg-type]
    made = {variant: Catalogue(graph, variant, state_of(variant, graph, 0)) for variant in VARIANTS}
    for low, high in pairwise(cuts):
        for variant, catalogue in made.items():
            if data.draw(st.booleans()):
                assert_alike(*(catalogue.session(scores_of(low, 1), 2, 2) for _ in range(2)), low)
            catalogue.add_items(tables.table[low:high])
            now = mp.build_relational_graph(tables.table.head(high), **arguments)  # type: ignore[arg-type]
            fresh = Catalogue(now, variant, catalogue.factors if variant == "plus" else state_of(variant, now, 0))
            length = data.draw(st.integers(1, 3))
            one, other = (c.session(scores_of(high, 2), length, 3) for c in (catalogue, fresh))
            assert_alike(one, other, data.draw(st.integers(0, 99)))


def test_an_extension_and_factors_of_ones_own() -> None:
    items = table(60, 5)
    graph = build(items.head(50))
    catalogue = Catalogue(graph, "plus", learned(graph, 5))
    catalogue.session(scores_of(50, 5)).recommend()
    extension = mp.extend_relational_graph(graph, items[50:])
    factors = learned(extension.graph, 6)
    assert catalogue.add_items(extension, factors) is extension
    assert catalogue.factors is factors
    fresh = Catalogue(build(items), "plus", factors)
    assert_alike(catalogue.session(scores_of(60, 5)), fresh.session(scores_of(60, 5)), 5)
    other = learned(catalogue.graph, 7)
    catalogue.add_items(items.head(0), other)  # learned anew, no new item
    fresh = Catalogue(build(items), "plus", other)
    assert_alike(catalogue.session(scores_of(60, 5)), fresh.session(scores_of(60, 5)), 5)


def test_a_loaded_catalogue_takes_items(tmp_path: Path) -> None:
    items = table(60, 6)
    mp.save_graph(build(items.head(50)), tmp_path / "g")
    catalogue = Catalogue(mp.load_graph(tmp_path / "g"))
    catalogue.add_items(items[50:])
    mp.save_graph(catalogue.graph, tmp_path / "g")
    for made in (Catalogue(build(items)), Catalogue(mp.load_graph(tmp_path / "g"))):
        assert_alike(catalogue.session(scores_of(60, 6)), made.session(scores_of(60, 6)), 6)


@pytest.mark.parametrize("variant", VARIANTS)
def test_no_items_change_nothing(variant: str) -> None:
    items = table(30, 2)
    graph = build(items)
    catalogue = Catalogue(graph, variant, state_of(variant, graph, 2))
    edition = catalogue.edition
    assert catalogue.add_items(items.head(0)).node_map.tolist() == list(range(n_nodes(graph)))
    assert catalogue.edition is edition


def test_items_of_a_run_are_cleaned(tiny_run: Path, caplog: pytest.LogCaptureFixture) -> None:
    """By the rules of the run's data set, with the words that the graph has now."""
    items = pd.DataFrame(
        {"item_id": ["a", "b", "c"], "brand": ["Alpro", "Oatly", "Kerry"], "price": ["price 1 to 3", "price 5", ""]}
    )
    graph = mp.build_relational_graph(items, ["brand", "price"])
    run = mp.load_run(tiny_run)
    options = TabularOptions(word_fields=["brand", "price"], bands={"price": 2}, empty_values={"*": ["n/a"]})
    run = replace(run, graph=graph, config=replace(run.config, dataset=options))
    catalogue = Catalogue.from_run(run, "none")
    new = pd.DataFrame({"item_id": ["d", "e", "f"], "brand": ["ALPRO", " N/A", "Soy"], "price": [4.5, 9, 2]})
    with caplog.at_level(logging.WARNING):
        catalogue.add_items(new)
    assert caplog.messages == [
        "new items: values of price outside of all bands, such as 9: 1, values of brand that mean no value: 1, "
        "spellings of brand written as another: 1"
    ]
    assert catalogue.left_out["values of price outside of all bands, such as 9"] == 1
    words = [[word.value for word in mp.words_of(catalogue.graph, node)] for node in range(3, 6)]
    assert words == [["Alpro", "price 5"], [], ["Soy", "price 1 to 3"]]
    catalogue.add_items(pd.DataFrame({"item_id": ["g"], "brand": ["sOY"], "price": [None]}))  # a word of a new item
    assert [word.value for word in mp.words_of(catalogue.graph, 6)] == ["Soy"]
    kept = catalogue.edition
    with pytest.raises(DataError, match=r"the new items, row 1, column 'price': 'cheap' is no number"):
        catalogue.add_items(pd.DataFrame({"item_id": ["h"], "brand": ["Soy"], "price": ["cheap"]}))
    assert catalogue.edition is kept


# ---------------------------------------------------------------- what has begun


@pytest.mark.parametrize("variant", VARIANTS)
def test_what_has_begun_goes_on_as_it_was(variant: str) -> None:
    items = table(80, 4)
    graph = build(items.head(50))
    state = state_of(variant, graph, 4)
    catalogue, untouched = Catalogue(graph, variant, state), Catalogue(graph, variant, state)
    scores = scores_of(50, 4)
    start = catalogue.start(scores, exclude=["i2"])
    running = [catalogue.session(start, rounds=6) for _ in range(2)]
    expected = untouched.session(scores, rounds=6, exclude=["i2"])
    for session in (*running, expected):
        session.recommend()
        session.feedback()
    running[1].recommend()
    saved = running[1].to_dict()
    catalogue.add_items(items[50:])
    if variant == "plus":  # another refusal, another rank: nothing of it reaches those who have begun
        catalogue.add_items(items.head(0), learned(catalogue.graph, 8))
    catalogue.remove_items(["i0", "i1"])
    assert_alike(running[0], expected, 4)
    running[1].undo()  # begun again, on the catalogue as it was
    assert running[1].to_dict()["said"] == []
    assert running[1].graph is graph
    for begin in (lambda: catalogue.session(start), lambda: catalogue.resume(saved, start)):
        with pytest.raises(SessionError, match="of the catalogue before items were added, removed or restored"):
            begin()
    with pytest.raises(ModelError, match=r"\[80\], got \[50\]"):
        catalogue.start(scores)


def test_a_retrieval_session_goes_on_as_it_was() -> None:
    items = table(60, 3)
    graph = build(items.head(50))
    catalogue = Catalogue(graph)
    chosen = [f"i{number}" for number in range(5, 25)]
    running = catalogue.session(scores_of(50, 3), candidates=chosen)
    catalogue.add_items(items[50:])
    assert_alike(running, mp.MagusSession(graph, scores_of(50, 3), candidates=chosen), 3)


# ---------------------------------------------------------------- edges, bad input


def test_bad_input_adds_nothing() -> None:
    items = table(60, 1)
    graph = build(items.head(50))
    catalogue, plus = Catalogue(graph), Catalogue(graph, "plus", learned(graph, 1))
    editions = catalogue.edition, plus.edition
    with pytest.raises(DataError, match="'i0', 'i1', 'i2', 'i3', 'i4' and 45 more of the new items"):
        catalogue.add_items(items)
    with pytest.raises(DataError, match="'size'"):
        catalogue.add_items(items[50:].drop(columns="size"))
    with pytest.raises(ConfigError, match="variant='base' takes no state of the kind EdgeFactors"):
        catalogue.add_items(items[50:], learned(graph, 1))
    with pytest.raises(GraphError, match=f"graph with {n_nodes(graph)} nodes, this has"):
        plus.add_items(items[50:], learned(graph, 1))
    few = torch.zeros((3, 2))
    few[:, 0] = 1.0  # unit weights, but of three nodes
    with pytest.raises(GraphError, match="graph with 3 nodes, this has"):
        plus.add_items(items[50:], EdgeFactors(few, few))
    with pytest.raises(GraphError, match="one of another graph"):
        catalogue.add_items(mp.extend_relational_graph(build(items.head(40)), items[40:]))
    renamed = items.head(50).assign(item_id=[f"x{number}" for number in range(50)])
    with pytest.raises(GraphError, match="one of another graph"):
        catalogue.add_items(mp.extend_relational_graph(build(renamed), items[50:]))
    extension = mp.extend_relational_graph(graph, items[50:])
    assert (catalogue.edition, plus.edition) == editions
    catalogue.add_items(extension)
    with pytest.raises(GraphError, match="one of another graph"):
        catalogue.add_items(extension)


@pytest.mark.cuda
@pytest.mark.parametrize("variant", VARIANTS)
def test_cuda_is_the_cpu(variant: str) -> None:
    items = table(70, 1)
    played = []
    for device in ("cpu", "cuda"):
        graph = build(items.head(50)).to(device)
        catalogue = Catalogue(graph, variant, state_of(variant, graph, 1), dtype=torch.float64)
        catalogue.session(scores_of(50, 1)).recommend()
        catalogue.remove_items(["i4"])
        catalogue.add_items(items[50:])
        session, lists = catalogue.session(scores_of(70, 1)), []
        while not session.done:
            lists.append([entry.node for entry in session.recommend()])
            queries = [node for node in lists[-1] if node >= 70]
            session.feedback(queries[0] if queries else None)
        played.append(lists)
    assert played[0] == played[1]
