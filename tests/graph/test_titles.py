"""Titles beside the words: read, kept with the graph, and what stands for them where there are none."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import save_file
from torch_geometric.data import HeteroData

import magus_pyg as mp
from magus_pyg.errors import DataError, GraphError
from magus_pyg.graph import given_title, n_nodes, node_label
from magus_pyg.graph._texts import Texts
from magus_pyg.graph.titles import harmless_text, read_titles


def shop() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "item_id": ["m1", "m2", "m3", "c1"],
            "kind": ["milk", "milk|barista", "", "cheese"],
            "brand": ["Alpro", "Oatly", None, "Kerry"],
            "name": ["Soya drink", None, " ", "Cheddar, 200 g"],
        },
        dtype=object,
    )


def shop_graph(rows: int = 4, title_field: str | None = "name") -> HeteroData:
    return mp.build_relational_graph(shop().head(rows), ["kind", "brand"], title_field=title_field)


def test_titles_by_hand() -> None:
    graph = shop_graph()
    titles = [mp.title_of(graph, item) for item in range(4)]
    # A title; no title, so the words in the order of the fields; neither; a title.
    assert titles == ["Soya drink", "barista milk Oatly", "m3", "Cheddar, 200 g"]
    query = mp.find_query(graph, ["Oatly", "milk"])
    assert query is not None
    assert mp.title_of(graph, query) == "milk Oatly"
    assert mp.title_of(graph, np.int64(0)) == "Soya drink"
    for node in (-1, n_nodes(graph)):
        with pytest.raises(GraphError, match="is not in the graph"):
            mp.title_of(graph, node)


def test_labels_name_items_by_title_or_id_and_words() -> None:
    graph = shop_graph()
    labels = [node_label(graph, item) for item in range(4)]
    assert labels == [
        "Soya drink (milk Alpro)",
        "item m2 (barista milk Oatly)",
        "item m3",
        "Cheddar, 200 g (cheese Kerry)",
    ]
    query = mp.find_query(graph, ["Oatly", "milk"])
    assert query is not None
    assert node_label(graph, query) == "milk Oatly"
    assert [given_title(graph, node) for node in (0, 1, query)] == ["Soya drink", "", ""]
    for node in (-1, n_nodes(graph)):
        for text in (node_label, given_title):
            with pytest.raises(GraphError, match="is not in the graph"):
                text(graph, node)


def test_titles_make_no_words_and_no_nodes() -> None:
    with_titles, without = shop_graph(), shop_graph(title_field=None)
    assert n_nodes(with_titles) == n_nodes(without)
    assert with_titles.vocabulary.words == without.vocabulary.words
    assert [mp.title_of(without, item) for item in range(4)] == [
        "milk Alpro",
        "barista milk Oatly",
        "m3",
        "cheese Kerry",
    ]


def test_titles_of_numbers_and_codes() -> None:
    items = pd.DataFrame({"item_id": ["a", "b", "c"], "w": ["x", "y", "z"], "name": [1984, None, 2001]}, dtype=object)
    assert read_titles(items, "name") == ["1984", "", "2001"]
    assert read_titles(items.assign(name=items["name"].astype("category")), "name") == ["1984", "", "2001"]


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ("Toy\x1b[31m Story", "Toy [31m Story"),
        ("two\r\nlines\tand\x00more\x85end\u2028now", "two lines and more end now"),
        ("\u202egnp.exe\u202c", "gnp.exe"),
        ("a\u2066b\u2069c\u200fd\ufeff", "abcd"),
        ("  blanks  within  ", "blanks  within"),
        ("Amélie 日本 👩\u200d🔬", "Amélie 日本 👩\u200d🔬"),
        ("\x07", ""),
    ],
)
def test_text_of_data_never_acts(given: str, read: str) -> None:
    assert harmless_text(given) == read
    items = pd.DataFrame({"item_id": ["a"], "w": [""], "name": [given]})
    assert read_titles(items, "name") == [read]
    graph = mp.build_relational_graph(items, ["w"], title_field="name")
    assert mp.title_of(graph, 0) == (read or "a")
    words = mp.build_relational_graph(items, ["name"])
    assert mp.title_of(words, 0) == (read or "a")  # words are shown as titles too


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"])))
def test_one_text_is_read_as_a_table_is(text: str) -> None:
    assert read_titles(pd.DataFrame({"name": [text]}), "name") == [harmless_text(text)]
    assert harmless_text(harmless_text(text)) == harmless_text(text)


def test_titles_are_kept_in_the_file(tmp_path: Path) -> None:
    graph = shop_graph()
    mp.save_graph(graph, tmp_path / "g")
    loaded = mp.load_graph(tmp_path / "g")
    assert isinstance(loaded.titles, Texts)
    assert loaded.titles == graph.titles == ["Soya drink", "", "", "Cheddar, 200 g"]
    assert loaded.settings == graph.settings
    # A file of the earlier release has no titles.
    mp.save_graph(shop_graph(title_field=None), tmp_path / "old")
    with safe_open(tmp_path / "old", framework="pt") as file:
        assert not [key for key in file.keys() if key.startswith("title")]  # noqa: SIM118
        tensors, metadata = {key: file.get_tensor(key) for key in file.keys()}, file.metadata()  # noqa: SIM118
    metadata["header"] = metadata["header"].replace(', "title_field": null', "")
    assert "title_field" not in metadata["header"]
    save_file(tensors, tmp_path / "old", metadata)
    assert mp.title_of(mp.load_graph(tmp_path / "old"), 1) == "barista milk Oatly"
    # One with titles of other items is damaged.
    mp.save_graph(graph, tmp_path / "g")
    with safe_open(tmp_path / "g", framework="pt") as file:
        tensors, metadata = {key: file.get_tensor(key) for key in file.keys()}, file.metadata()  # noqa: SIM118
    tensors["title_ptr"] = tensors["title_ptr"][[0, 1, 2, 4]].contiguous()
    save_file(tensors, tmp_path / "g", metadata)
    with pytest.raises(GraphError, match="titles: 4 expected, 3 found"):
        mp.load_graph(tmp_path / "g")


def test_new_items_bring_their_titles(tmp_path: Path) -> None:
    graph = shop_graph(2)
    mp.save_graph(graph, tmp_path / "g")
    extended = mp.extend_relational_graph(mp.load_graph(tmp_path / "g"), shop()[2:]).graph
    assert extended.titles == shop_graph().titles
    assert extended.settings == shop_graph().settings
    assert graph.titles == ["Soya drink", ""]
    untitled = mp.extend_relational_graph(graph, shop()[2:].drop(columns="name")).graph
    assert untitled.titles == ["Soya drink", "", "", ""]
    joined = pd.concat([shop()[:2], shop()[2:].drop(columns="name")])
    assert mp.build_relational_graph(joined, ["kind", "brand"], title_field="name").titles == untitled.titles


def test_bad_titles() -> None:
    with pytest.raises(DataError, match="title_field 'title' is no column of the item table; its columns are"):
        shop_graph(title_field="title")
    with pytest.raises(DataError, match="column 'name' of the item table holds a text that is no Unicode"):
        read_titles(pd.DataFrame({"name": ["\ud800"]}, dtype=object), "name")
