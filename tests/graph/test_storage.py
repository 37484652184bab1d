"""Saving and loading: everything comes back, nothing half-written stays, and no damaged file passes."""

import json
import os
import pickle
import resource
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pandas as pd
import pytest
import torch
from catalogues import APPLE_FIELDS, Catalogue, catalogues
from hypothesis import given
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch_geometric.data import HeteroData

from magus_pyg.errors import GraphError
from magus_pyg.graph import IMPROVES, build_relational_graph, find_query, item_node, load_graph, save_graph
from magus_pyg.graph.storage import GRAPH_FORMAT


def assert_same_graph(first: HeteroData, second: HeteroData) -> None:
    assert first.edge_types == second.edge_types
    assert first["node"].num_nodes == second["node"].num_nodes
    stores = [(first["node"], second["node"])] + [(first[edge], second[edge]) for edge in first.edge_types]
    for mine, other in stores:
        assert set(mine.keys()) == set(other.keys())
        for key, value in mine.items():
            if isinstance(value, Tensor):
                assert value.dtype == other[key].dtype
                assert torch.equal(value, other[key])
    for name in ("word_ptr", "word_index"):
        assert first[name].dtype == second[name].dtype
        assert torch.equal(first[name], second[name])
    for name in ("n_items", "max_words", "relations", "counts"):
        assert first[name] == second[name]
    assert first.vocabulary.words == second.vocabulary.words
    assert first.vocabulary.item_ids == second.vocabulary.item_ids


@pytest.fixture
def graph(apple: pd.DataFrame) -> HeteroData:
    return build_relational_graph(apple, APPLE_FIELDS, queries=["macbook"])


@given(catalogues(), st.sampled_from([True, False]))
def test_round_trip(tmp_path_factory: pytest.TempPathFactory, catalogue: Catalogue, materialize: bool) -> None:
    graph = build_relational_graph(catalogue.table, **catalogue.build_arguments, materialize=materialize)
    path = tmp_path_factory.mktemp("graph") / "graph.safetensors"
    save_graph(graph, path)
    assert_same_graph(graph, load_graph(path))
    save_graph(load_graph(path), path)  # over the file that it is mapped from
    assert_same_graph(graph, load_graph(str(path)))


@pytest.mark.parametrize("relations", ["swapped", "fields"])
def test_relations_are_kept(apple: pd.DataFrame, tmp_path: Path, relations: str) -> None:
    graph = build_relational_graph(apple, APPLE_FIELDS, relations=relations)  # type: ignore[arg-type]
    save_graph(graph, tmp_path / "g")
    assert_same_graph(graph, load_graph(tmp_path / "g"))
    assert load_graph(tmp_path / "g").relations == relations


def test_texts_of_any_script_are_kept(tmp_path: Path) -> None:
    items = pd.DataFrame({"item_id": ["日本", "é", ""], "märke": ["牛乳", "x\ny", '"quoted"\\']})
    graph = build_relational_graph(items, ["märke"])
    save_graph(graph, tmp_path / "g")
    loaded = load_graph(tmp_path / "g")
    assert_same_graph(graph, loaded)
    assert find_query(loaded, ["牛乳"]) == find_query(graph, ["牛乳"])


def test_added_tensors_are_kept_even_where_they_share_memory(graph: HeteroData, tmp_path: Path) -> None:
    both = torch.arange(26, dtype=torch.float64).view(13, 2).requires_grad_()
    graph["node"].x = both
    graph["node"].same = both
    graph["node"].column = both[:, 1]
    graph[IMPROVES].edge_weight = torch.rand(25, dtype=torch.float16)
    save_graph(graph, tmp_path / "g")
    assert_same_graph(graph, load_graph(tmp_path / "g"))


def test_others_may_read_the_file(graph: HeteroData, tmp_path: Path) -> None:
    (tmp_path / "plain").touch()
    save_graph(graph, tmp_path / "g")
    assert stat.S_IMODE((tmp_path / "g").stat().st_mode) == stat.S_IMODE((tmp_path / "plain").stat().st_mode)


@pytest.mark.parametrize("share", [0.0, 0.001, 0.01, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99, 0.999])
def test_a_cut_off_file_is_refused(graph: HeteroData, tmp_path: Path, share: float) -> None:
    save_graph(graph, tmp_path / "g")
    data = (tmp_path / "g").read_bytes()
    for end in {int(share * len(data)), int(share * len(data)) + 1, len(data) - 1}:
        (tmp_path / "cut").write_bytes(data[:end])
        with pytest.raises(GraphError, match=r"cut is cut off or no graph file .*build the graph again"):
            load_graph(tmp_path / "cut")


@given(data=st.data())
def test_a_damaged_header_never_gives_another_error(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    graph = build_relational_graph(pd.DataFrame({"item_id": ["i"], "a": ["x"]}), ["a"])
    path = tmp_path_factory.mktemp("graph") / "g"
    save_graph(graph, path)
    content = bytearray(path.read_bytes())
    header = 8 + int.from_bytes(content[:8], "little")
    content[data.draw(st.integers(0, header - 1))] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(content)
    with suppress(GraphError):
        load_graph(path)  # a letter of a field's name may differ: no checksum is kept


@pytest.mark.parametrize("content", [b"", b"item_id,word\n1,milk\n", pickle.dumps({"graph": 1}), b"\xff" * 64])
def test_a_foreign_file_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "other").write_bytes(content)
    with pytest.raises(GraphError, match="other is cut off or no graph file"):
        load_graph(tmp_path / "other")


def test_tensors_of_something_else_are_refused(tmp_path: Path) -> None:
    save_file({"weight": torch.ones(2)}, tmp_path / "model", {"format": "pt"})
    with pytest.raises(GraphError, match="model is no relational graph: its format is 'pt'"):
        load_graph(tmp_path / "model")
    save_file({"weight": torch.ones(2)}, tmp_path / "model")
    with pytest.raises(GraphError, match="its format is None"):
        load_graph(tmp_path / "model")


def rewrite(path: Path, drop: str | None = None, replace: dict[str, Tensor] | None = None, **changes: object) -> None:
    """The graph file with a tensor left out or replaced, or entries of its header changed."""
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata()
    tensors = {key: value.clone() for key, value in load_file(path).items() if key != drop} | (replace or {})
    header = json.loads(metadata["header"]) | changes
    save_file(tensors, path, metadata | {"header": json.dumps(header)})


def test_another_version_is_refused(graph: HeteroData, tmp_path: Path) -> None:
    save_graph(graph, tmp_path / "g")
    rewrite(tmp_path / "g", version=GRAPH_FORMAT + 1)
    with pytest.raises(GraphError, match=rf"format version {GRAPH_FORMAT + 1}, and this package reads version"):
        load_graph(tmp_path / "g")


@pytest.mark.parametrize(
    "drop", ["word_ptr", "word_index", "word_field", "item_id_ptr", "word_value_bytes", "node/is_item"]
)
def test_a_missing_tensor_is_named(graph: HeteroData, tmp_path: Path, drop: str) -> None:
    save_graph(graph, tmp_path / "g")
    rewrite(tmp_path / "g", drop=drop)
    with pytest.raises(GraphError, match=rf"g is damaged .*{drop}"):
        load_graph(tmp_path / "g")


@pytest.mark.parametrize("missing", [("checksums", "positions"), ("positions",)])
def test_files_without_an_index_of_their_texts(graph: HeteroData, tmp_path: Path, missing: tuple[str, ...]) -> None:
    save_graph(graph, tmp_path / "g")
    for name in ("item_id", "word_value"):
        for kind in missing:
            rewrite(tmp_path / "g", drop=f"{name}_{kind}")
    if len(missing) == 1:  # half an index is damage
        with pytest.raises(GraphError, match=r"g is damaged .*positions"):
            load_graph(tmp_path / "g")
        return
    loaded = load_graph(tmp_path / "g")  # as written by releases that had no index
    assert_same_graph(graph, loaded)
    assert [item_node(loaded, item) for item in "ABC"] == [0, 1, 2]


def test_texts_whose_ends_are_damaged_are_refused(graph: HeteroData, tmp_path: Path) -> None:
    for name in ("item_id_ptr", "word_value_ptr", "item_id_positions", "word_field"):
        save_graph(graph, tmp_path / "g")
        rewrite(tmp_path / "g", replace={name: load_file(tmp_path / "g")[name][:-1] + 1})
        with pytest.raises(GraphError, match="g is damaged"):
            load_graph(tmp_path / "g")


def test_a_header_that_is_nested_too_deeply_is_refused(graph: HeteroData, tmp_path: Path) -> None:
    save_graph(graph, tmp_path / "g")
    with safe_open(tmp_path / "g", framework="pt") as file:
        metadata = file.metadata() | {"header": "[" * 100_000}
    save_file(load_file(tmp_path / "g"), tmp_path / "g", metadata)
    with pytest.raises(GraphError, match=r"g is damaged .*nested too deeply"):
        load_graph(tmp_path / "g")


@pytest.mark.skipif(not Path("/proc/self/smaps").exists(), reason="mappings are listed on Linux alone")
def test_what_is_loaded_is_mapped_from_the_file(tmp_path: Path) -> None:
    items = pd.DataFrame({"item_id": range(3000), "a": range(3000)})
    save_graph(build_relational_graph(items, ["a"]), tmp_path / "g.graph")
    loaded = load_graph(tmp_path / "g.graph")
    mapped = []
    for line in Path("/proc/self/maps").read_text().splitlines():
        if line.endswith("/g.graph"):
            low, high = line.split()[0].split("-")
            mapped.append(range(int(low, 16), int(high, 16)))
    texts = loaded.vocabulary.item_ids, loaded.vocabulary.words.values
    addresses = {
        "edges": loaded[IMPROVES].edge_index.data_ptr(),
        "words": loaded.word_index.data_ptr(),
        **{f"bytes {n}": text.data.ctypes.data for n, text in enumerate(texts)},
        **{f"ends {n}": text.ends.ctypes.data for n, text in enumerate(texts)},
        **{f"index {n}": text.index_arrays[0].ctypes.data for n, text in enumerate(texts)},
    }
    assert [name for name, address in addresses.items() if not any(address in area for area in mapped)] == []
    assert item_node(loaded, "2999") == 2999


@pytest.mark.parametrize("changes", [{"num_nodes": 12}, {"n_items": 4}, {"fields": []}, {"fields": None}])
def test_parts_that_do_not_fit_together_are_refused(
    graph: HeteroData, tmp_path: Path, changes: dict[str, object]
) -> None:
    save_graph(graph, tmp_path / "g")
    rewrite(tmp_path / "g", **changes)
    with pytest.raises(GraphError, match="g is damaged"):
        load_graph(tmp_path / "g")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(GraphError, match=r"no graph file .*nowhere"):
        load_graph(tmp_path / "nowhere")
    with pytest.raises(GraphError, match="no graph file"):
        load_graph(tmp_path)


@contextmanager
def room_for(size: int) -> Iterator[None]:
    """Files cannot grow beyond `size` bytes: what a full disk does to the real writer."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_leaves_nothing_behind(tmp_path: Path) -> None:
    items = pd.DataFrame({"item_id": range(3000), "a": range(3000)})
    large = build_relational_graph(items, ["a"])
    path = tmp_path / "g"
    with pytest.raises(GraphError, match=r"g could not be written"), room_for(2**16):
        save_graph(large, path)
    assert os.listdir(tmp_path) == []
    small = build_relational_graph(items.head(2), ["a"])
    save_graph(small, path)
    with pytest.raises(GraphError, match=r"g could not be written"), room_for(2**16):
        save_graph(large, path)
    assert os.listdir(tmp_path) == ["g"]
    assert_same_graph(load_graph(path), small)  # the file that was there is still whole


def test_no_such_folder(graph: HeteroData, tmp_path: Path) -> None:
    save_graph(graph, tmp_path / "new" / "g")  # it is made
    assert_same_graph(load_graph(tmp_path / "new" / "g"), graph)
    (tmp_path / "file").write_text("")
    with pytest.raises(GraphError, match=r"file/g could not be written"):
        save_graph(graph, tmp_path / "file" / "g")
    assert sorted(os.listdir(tmp_path)) == ["file", "new"]


def test_a_failing_rename_leaves_nothing_behind(graph: HeteroData, tmp_path: Path) -> None:
    (tmp_path / "g").mkdir()  # a folder cannot be replaced by a file
    with pytest.raises(GraphError, match="g"):
        save_graph(graph, tmp_path / "g")
    assert os.listdir(tmp_path) == ["g"]
