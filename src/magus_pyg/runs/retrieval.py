"""The best items of a base recommender by an index of nearest neighbours, for catalogues that are too large to score.

Only where a score is the dot product of a user's and an item's vector (`DotProductRecommender`): what is found are then
the items with the highest scores, approximately. A session plays over them as over any retrieval list
(`Catalogue.session(scores, candidates=...)`).
"""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from magus_pyg.errors import ConfigError, ModelError, RunError
from magus_pyg.files import parse_json, whole
from magus_pyg.memory import require_memory
from magus_pyg.models.base import BaseRecommender
from magus_pyg.models.dot_product import DotProductRecommender
from magus_pyg.options import at_least, check_value

__all__ = ["Retriever", "digest_of"]

_FORMAT = 2
_LINKS = 400
"""Bytes of an item's neighbours in the index, about."""

_MARKED = 1000
"""Items whose vectors tell a model from others."""

_ADDING, _LEAST, _SEARCHED = 32, 256, 2
"""Neighbours that the index looks at while an item is added; while items are searched, at least, and for each that is
found. With usearch's 128 an index of 200,000 items takes four times as long to build, and finds fewer of the best 100
and 1,000 (0.90 and 0.99 of them instead of 0.999 and 0.996) in half the time, which is half a millisecond."""

_BLOCK = 1 << 18
"""Items whose vectors are made at once."""

_INDEX, _ABOUT = "items.usearch", "about.json"


class Retriever:
    """The k best items of users, of an index in memory or mapped from a file.

    The index finds nearest neighbours by angle. With one more coordinate all items' vectors have the length of the
    longest one, so that the smallest angle is the largest dot product (Bachrach et al. 2014, "Speeding Up the Xbox
    Recommender System Using a Euclidean Transformation for Inner-Product Spaces", Sec. 3); it is 0 in users' vectors.

    Args:
        index: of the extra `[retrieval]` (usearch).
        length: of the longest vector that the index was built from.
        built_from: the `digest_of` the model that it was built from.
        k: how many items are found.
        path: the folder that it is mapped from, where it is: it then takes no changes.

    Attributes:
        built_from, k, path: see above.
    """

    def __init__(self, index: Any, length: float, built_from: str, k: int, path: Path | None = None) -> None:
        _check_whole("k", k)
        self._index, self._length = index, length
        self.built_from, self.k, self.path = built_from, k, path
        index.expansion_search = max(_LEAST, _SEARCHED * k)  # a file does not hold it

    @classmethod
    def build(cls, model: BaseRecommender, k: int = 1000) -> "Retriever":
        """The index of all items of a model, in memory.

        Args:
            model: its score must be a dot product.
            k: how many items are found; more takes longer and finds the best ones more surely.

        Raises:
            ModelError: a model of other scores.
            ConfigError: k below 1, or usearch is not installed.
        """
        model = _dot_product(model)
        dim = model.item_embedding(torch.arange(1)).shape[1] + 1
        what = f"an index of {model.features.n_items:,} items with vectors of length {dim}"
        # Numbers of 16 bits, and the neighbours of each item; beside them the vectors that the model keeps.
        require_memory(
            model.features.n_items * (6 * dim + _LINKS), what, "take a model of a lower model.dim", ModelError
        )
        blocks = torch.split(torch.arange(model.features.n_items), _BLOCK)
        length = max((float(model.item_embedding(block).norm(dim=1).max()) for block in blocks), default=1.0)
        index = _usearch().Index(ndim=dim, metric="ip", dtype="f16", expansion_add=_ADDING)
        retriever = cls(index, length or 1.0, digest_of(model), k)
        for block in blocks:
            retriever.add(block, model.item_embedding(block))
        return retriever

    @classmethod
    def load(cls, path: Path | str, model: BaseRecommender, k: int = 1000, check: bool = True) -> "Retriever":
        """An index that `save` wrote, mapped into memory: processes of a machine hold it once. It takes no changes.

        Args:
            path: the folder.
            model: that it was built from.
            k: how many items are found.
            check: read the file once and compare it with what was written, about a second a GB. A damaged index finds
                other items, or ends the process.

        Raises:
            RunError: it is not there, damaged, or of another model.
            others: as of `build`.
        """
        path, model, usearch = Path(path), _dot_product(model), _usearch()
        try:
            about = parse_json((path / _ABOUT).read_text())
            if about["format"] != _FORMAT:
                raise ValueError(f"it is of format {about['format']}, not {_FORMAT}")
            if about["built_from"] != digest_of(model):
                raise ValueError("it was built from other vectors of items")
            if check and about["sha256"] != _digest(path / _INDEX):
                raise ValueError(f"{_INDEX} is damaged")
            index = usearch.Index.restore(str(path / _INDEX), view=True)
            if index is None:
                raise ValueError(f"{_INDEX} holds no index")
            return cls(index, float(about["length"]), about["built_from"], k, path)
        except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
            raise RunError(f"{path} is no retrieval index of this model: {error}; remove it, and build it") from error

    def save(self, path: Path | str) -> None:
        """Write the index as a folder, whole or not at all; RunError where it cannot be written."""
        with whole(Path(path)) as fresh:
            fresh.mkdir()
            self._index.save(str(fresh / _INDEX))
            about = {"format": _FORMAT, "length": self._length, "built_from": self.built_from}
            about["sha256"] = _digest(fresh / _INDEX)
            (fresh / _ABOUT).write_text(json.dumps(about))

    def __len__(self) -> int:
        """How many items can be found."""
        return len(self._index)

    def __repr__(self) -> str:
        return f"Retriever({len(self)} items, k={self.k})"

    @property
    def bytes(self) -> int:
        """Memory, or address space where it is mapped, that the index takes."""
        return int(self._index.memory_usage)

    def add(self, items: Tensor | Sequence[int], vectors: Tensor) -> None:
        """Let items be found, or found by other vectors than before.

        Args:
            items: int64 [n], the numbers they are found by, each once.
            vectors: floating [n, d]: `model.item_embedding` of them. One that is longer than all that the index was
                built from counts as if it were as long as the longest.

        Raises:
            ModelError: vectors of another number or length, or not finite; numbers that are none, or stand twice; or
                an index that is mapped from its folder.
        """
        keys = self._numbers(items)
        if len(np.unique(keys)) < len(keys):
            raise ModelError("an item stands twice among those to add: name each once")
        if vectors.shape != (len(keys), self._index.ndim - 1) or not bool(torch.isfinite(vectors).all()):
            expected = [len(keys), self._index.ndim - 1]
            raise ModelError(f"vectors of items must be finite {expected} (got {list(vectors.shape)})")
        self.remove(items)
        scaled = vectors.detach().to("cpu", torch.float32) / self._length
        scaled = scaled / scaled.norm(dim=1, keepdim=True).clamp(min=1.0)
        rest = (1.0 - scaled.square().sum(1, keepdim=True)).clamp(min=0.0).sqrt()
        self._index.add(keys, torch.cat([scaled, rest], 1).numpy())

    def remove(self, items: Tensor | Sequence[int]) -> None:
        """Let items be found no more, by their numbers; those that are not there are passed over.

        Raises:
            ModelError: numbers that are none, or an index that is mapped from its folder.
        """
        keys = self._numbers(items)
        if keys.size and len(self):
            there = keys[self._index.contains(keys)]
            if there.size:
                self._index.remove(there)

    def _numbers(self, items: Tensor | Sequence[int]) -> "np.ndarray[Any, np.dtype[np.uint64]]":
        if self.path is not None:
            raise ModelError(f"the index is mapped from {self.path} and takes no changes: build one without a path")
        try:
            numbers = torch.as_tensor(items)
        except (TypeError, ValueError) as error:
            raise ModelError(f"items are named by their numbers ({error})") from error
        if numbers.numel() and (numbers.dtype.is_floating_point or numbers.dim() != 1 or int(numbers.min()) < 0):
            raise ModelError(f"items are named by their numbers, whole ones of at least 0 (got {items})")
        return numbers.cpu().numpy().astype(np.uint64)

    def items(self, vectors: Tensor, k: int | None = None) -> Tensor:
        """The items with the highest scores, best first, approximately.

        Args:
            vectors: floating [B, d]: `model.user_embedding` of users.
            k: as of the class; as many as can be found where these are fewer.

        Returns:
            int64 [B, k], -1 pads where fewer were found.

        Raises:
            ModelError: vectors of another length, or not finite.
            ConfigError: k is no whole number of at least 1.
        """
        k = self.k if k is None else k
        _check_whole("k", k)
        k = min(k, len(self))
        if vectors.dim() != 2 or vectors.shape[1] != self._index.ndim - 1 or not bool(torch.isfinite(vectors).all()):
            raise ModelError(f"vectors of users must be finite [B, {self._index.ndim - 1}] (got {list(vectors.shape)})")
        found = torch.full((len(vectors), k), -1)
        if not found.numel():
            return found
        unit = torch.nn.functional.normalize(vectors.detach().to("cpu", torch.float32), dim=1)
        query = torch.cat([unit, unit.new_zeros(len(unit), 1)], 1).numpy()
        matches = self._index.search(query, k)
        keys = np.asarray(matches.keys).astype(np.int64).reshape(len(query), -1)
        counts = getattr(matches, "counts", None)  # fewer than asked for, where many were removed
        number = np.full(len(query), keys.shape[1]) if counts is None else np.asarray(counts, dtype=np.int64)
        inside = torch.arange(keys.shape[1]) < torch.from_numpy(number).unsqueeze(1)
        found[:, : keys.shape[1]] = torch.where(inside, torch.from_numpy(keys), -1)
        return found


def _dot_product(model: BaseRecommender) -> DotProductRecommender:
    if not isinstance(model, DotProductRecommender):
        raise ModelError(
            f"the scores of the model {model.options.name!r} are no dot products of a user's and an item's vector, so "
            "there is no index of its items; those of fm, gru, lstm, rgcn, rgat and gipa are"
        )
    return model


def _usearch() -> Any:
    try:
        import usearch.index
    except ImportError as error:
        raise ConfigError("an index of items needs usearch: pip install 'magus-pyg[retrieval]'") from error
    return usearch.index


def digest_of(model: BaseRecommender) -> str:
    """What tells a model from others with as many items: the SHA-256 of the vectors of its first items."""
    vectors = model.item_embedding(torch.arange(min(_MARKED, model.features.n_items)))
    found = hashlib.sha256(vectors.detach().to("cpu", torch.float32).contiguous().numpy().tobytes())
    found.update(str(model.features.n_items).encode())
    return found.hexdigest()


def _check_whole(name: str, value: int) -> None:
    """Raise ConfigError unless a value is a whole number of at least 1."""
    check_value(name, value, at_least(1))
    if not isinstance(value, int):
        raise ConfigError(f"{name} must be a whole number (got {value!r})")


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
