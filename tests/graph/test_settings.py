"""How a graph was built is kept in its file; files of earlier releases have none of it."""

import json
from pathlib import Path

import pytest
import torch
from catalogues import milk_table
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch_geometric.data import HeteroData

import magus_pyg as mp
from magus_pyg.errors import GraphError
from magus_pyg.graph import IMPROVES, Word, build_relational_graph
from magus_pyg.graph.settings import GraphSettings, SearchedQueries


def milk_graph(**settings: object) -> HeteroData:
    return build_relational_graph(milk_table().head(2), ["brand", "kind", "offer"], **settings)  # type: ignore[arg-type]


def test_settings_are_the_arguments(tmp_path: Path) -> None:
    queries = ["Milk|Brand A", [("kind", "Milk")], ["Milk", "Brand A"]]
    arguments = {
        "merge_fields": {"what": ["kind", "brand"]},
        "max_share": 0.9,
        "queries": queries,
        "materialize": False,
    }
    graph = milk_graph(**arguments)
    settings = GraphSettings(
        word_fields=("brand", "kind", "offer"),
        max_share=0.9,
        materialize=False,
        merge_fields=(("what", ("kind", "brand")),),
        dropped=((Word("what", "Milk"), 2),),
        searched=SearchedQueries.of({("Milk", "Brand A"): 2, (("kind", "Milk"),): 1}),
    )
    assert graph.settings == settings
    assert graph.settings.searched.distinct() == {("Milk", "Brand A"): 2, (("kind", "Milk"),): 1}
    mp.save_graph(graph, tmp_path / "g")
    assert mp.load_graph(tmp_path / "g").settings == settings
    assert repr(settings.searched) == "SearchedQueries(2)"
    assert settings.searched != SearchedQueries.of({("Milk", "Brand A"): 3, (("kind", "Milk"),): 1})
    assert settings.searched != 2
    with pytest.raises(ValueError, match="2 searched queries with 1 counts"):
        SearchedQueries(settings.searched.texts, settings.searched.times[:1])


def test_files_of_earlier_releases_load_and_take_no_items(tmp_path: Path) -> None:
    graph = milk_graph()
    mp.save_graph(graph, tmp_path / "g")
    with safe_open(tmp_path / "g", framework="pt") as file:
        metadata = file.metadata()
    header = json.loads(metadata["header"])
    del header["settings"]
    tensors = {key: value.clone() for key, value in load_file(tmp_path / "g").items() if "searched" not in key}
    save_file(tensors, tmp_path / "old", metadata | {"header": json.dumps(header)})
    loaded = mp.load_graph(tmp_path / "old")
    assert torch.equal(loaded[IMPROVES].edge_index, graph[IMPROVES].edge_index)
    with pytest.raises(GraphError, match=r"does not say how it was built .*earlier release"):
        mp.extend_relational_graph(loaded, milk_table()[2:])
    mp.save_graph(loaded, tmp_path / "again")
    assert not hasattr(mp.load_graph(tmp_path / "again"), "settings")


@pytest.mark.parametrize("drop", ["searched_bytes", "searched_ptr", "searched_times"])
def test_damaged_settings_are_refused(tmp_path: Path, drop: str) -> None:
    mp.save_graph(milk_graph(queries=["Milk"]), tmp_path / "g")
    with safe_open(tmp_path / "g", framework="pt") as file:
        metadata = file.metadata()
    tensors = {key: value.clone() for key, value in load_file(tmp_path / "g").items()}
    save_file({key: value for key, value in tensors.items() if key != drop}, tmp_path / "bad", metadata)
    with pytest.raises(GraphError, match=rf"bad is damaged .*{drop}"):
        mp.load_graph(tmp_path / "bad")
    save_file(tensors | {"searched_times": torch.ones(3, dtype=torch.int64)}, tmp_path / "bad", metadata)
    with pytest.raises(GraphError, match="1 searched queries with 3 counts"):
        mp.load_graph(tmp_path / "bad")
