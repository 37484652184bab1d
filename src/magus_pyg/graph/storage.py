"""Saving and loading a relational graph: one safetensors file, no pickle, memory-mapped on loading."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor
from torch_geometric.data import HeteroData

from magus_pyg.errors import GraphError
from magus_pyg.files import parse_json, whole
from magus_pyg.graph._texts import Texts
from magus_pyg.graph.relational import IMPROVES, INDEPENDENT, INHIBITS
from magus_pyg.graph.settings import GraphSettings, SearchedQueries
from magus_pyg.graph.vocabulary import Vocabulary, Words

__all__ = ["GRAPH_FORMAT", "load_graph", "save_graph"]

GRAPH_FORMAT = 1
_FORMAT = "magus_pyg.relational_graph"
_EDGES = {"improves": IMPROVES, "inhibits": INHIBITS, "independent": INDEPENDENT}


def save_graph(graph: HeteroData, path: str | Path) -> None:
    """Write a graph to one file; the file appears only when it is complete.

    Args:
        graph: as made by `build_relational_graph`; tensors that are added to its nodes or R+ edges (for example
            learned weights, [N, ...] or [E]) are kept.
        path: the file to write; an existing one is replaced.

    Raises:
        GraphError: if the file cannot be written; nothing is left behind.
    """
    tensors = {"word_ptr": graph.word_ptr, "word_index": graph.word_index}
    for key, value in graph["node"].items():
        if isinstance(value, Tensor):
            tensors[f"node/{key}"] = value
    for name, edge_type in _EDGES.items():
        if edge_type in graph.edge_types:
            for key, value in graph[edge_type].items():
                if isinstance(value, Tensor):
                    tensors[f"{name}/{key}"] = value
    vocabulary: Vocabulary = graph.vocabulary
    tensors.update(_texts("item_id", vocabulary.item_ids))
    tensors.update(_texts("word_value", vocabulary.words.values))
    tensors["word_field"] = _tensor(vocabulary.words.field)
    header = {
        "version": GRAPH_FORMAT,
        "fields": list(vocabulary.words.fields),
        "num_nodes": int(graph["node"].num_nodes),
        "n_items": int(graph.n_items),
        "max_words": int(graph.max_words),
        "relations": graph.relations,
        "counts": graph.counts,
    }
    settings: GraphSettings | None = getattr(graph, "settings", None)
    if settings is not None:
        header["settings"] = settings.header()
        tensors["searched_bytes"] = _tensor(settings.searched.texts.data)
        tensors["searched_ptr"] = _tensor(settings.searched.texts.ends)
        tensors["searched_times"] = _tensor(settings.searched.times)
    titles: Texts | None = getattr(graph, "titles", None)
    if titles is not None:
        tensors["title_bytes"], tensors["title_ptr"] = _tensor(titles.data), _tensor(titles.ends)
    with whole(Path(path), GraphError) as fresh:
        save_file(_separate(tensors), fresh, {"format": _FORMAT, "header": json.dumps(header)})


def _separate(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors as the format takes them: dense in memory, and none sharing memory with another."""
    separate, seen = {}, set()
    for key, tensor in tensors.items():
        value = tensor.detach().cpu().contiguous()
        if value.untyped_storage().data_ptr() in seen:
            value = value.clone()
        seen.add(value.untyped_storage().data_ptr())
        separate[key] = value
    return separate


def load_graph(path: str | Path) -> HeteroData:
    """Load a graph that `save_graph` wrote; its tensors and texts are mapped from the file, not copied.

    Processes that load the same file share its pages, and only those that are read are fetched.

    Raises:
        GraphError: if the file is missing, cut off, damaged, of another kind, or of another version.
    """
    path = Path(path)
    if not path.is_file():
        raise GraphError(f"there is no graph file {path}")
    try:
        return _assemble(*_read(path))
    except GraphError:
        raise
    except SafetensorError as error:
        raise GraphError(f"{path} is cut off or no graph file ({error}): build the graph again") from error
    except (KeyError, IndexError, TypeError, ValueError) as error:  # an entry is missing or is not what it should be
        raise GraphError(f"{path} is damaged ({type(error).__name__}: {error}): build the graph again") from error


def _read(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """The header and the tensors of a graph file of this version."""
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata() or {}
        if metadata.get("format") != _FORMAT:
            raise GraphError(f"{path} is no relational graph: its format is {metadata.get('format')!r}")
        header = parse_json(metadata["header"])
        if header["version"] != GRAPH_FORMAT:
            raise GraphError(
                f"{path} is a graph of format version {header['version']}, and this package reads version "
                f"{GRAPH_FORMAT}: build the graph again"
            )
        return header, {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (no iterator)


def _assemble(header: dict[str, Any], tensors: dict[str, Tensor]) -> HeteroData:
    """The graph; a `ValueError` where its parts do not fit together."""
    graph = HeteroData()
    graph["node"].num_nodes = header["num_nodes"]
    stores = {
        "node": graph["node"],
        **{name: graph[edge] for name, edge in _EDGES.items() if f"{name}/edge_index" in tensors},
    }
    for key, value in tensors.items():
        store, _, name = key.partition("/")
        if store in stores:
            stores[store][name] = value
    fields = header["fields"]
    words = Words([str(name) for name in fields], tensors["word_field"].numpy(), _read_texts(tensors, "word_value"))
    graph.word_ptr, graph.word_index = tensors["word_ptr"], tensors["word_index"]
    graph.n_items = header["n_items"]
    graph.vocabulary = Vocabulary(words, _read_texts(tensors, "item_id"))
    graph.max_words, graph.relations, graph.counts = header["max_words"], header["relations"], header["counts"]
    if "settings" in header:  # files of earlier releases have none: such a graph cannot be extended
        searched = SearchedQueries(_read_texts(tensors, "searched"), tensors["searched_times"].numpy())
        graph.settings = GraphSettings.of_header(header["settings"], searched)
    sizes = {
        "num_nodes": (header["num_nodes"], graph.word_ptr.numel() - 1),
        "is_item": (header["num_nodes"], tensors["node/is_item"].numel()),
        "n_items": (header["n_items"], len(graph.vocabulary.item_ids)),
        "improves": (2, tensors["improves/edge_index"].shape[0]),
    }
    if "title_bytes" in tensors:
        graph.titles = _read_texts(tensors, "title")
        sizes["titles"] = (header["n_items"], len(graph.titles))
    for name, (expected, got) in sizes.items():
        if expected != got:
            raise ValueError(f"{name}: {expected} expected, {got} found")
    return graph


def _texts(name: str, texts: Texts) -> dict[str, Tensor]:
    """The bytes, their ends, and the index that finds a text: with it nothing is decoded or sorted on loading."""
    checksums, positions = texts.index_arrays
    return {
        f"{name}_bytes": _tensor(texts.data),
        f"{name}_ptr": _tensor(texts.ends),
        f"{name}_checksums": _tensor(checksums),
        f"{name}_positions": _tensor(positions),
    }


def _read_texts(tensors: dict[str, Tensor], name: str) -> Texts:
    index = None
    if f"{name}_checksums" in tensors:  # files of earlier releases have none; then it is made when first needed
        index = (tensors[f"{name}_checksums"].numpy(), tensors[f"{name}_positions"].numpy())
    return Texts(tensors[f"{name}_bytes"].numpy(), tensors[f"{name}_ptr"].numpy(), index)


def _tensor(array: np.ndarray) -> Tensor:
    return torch.from_numpy(array if array.flags.writeable else array.copy())
