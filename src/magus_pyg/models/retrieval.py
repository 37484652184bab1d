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

__all__ = ["Retriever"]

_FORMAT = 1
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


class Retriever:
    """The k best items of users, of an index in memory or mapped from a file.

    The index finds nearest neighbours by angle. With one more coordinate all items' vectors have the length of the
    longest one, so that the smallest angle is the largest dot product (Bachrach et al. 2014, "Speeding Up the Xbox
    Recommender System Using a Euclidean Transformation for Inner-Product Spaces", Sec. 3); it is 0 in users' vectors.

    Args:
        index: of the extra `[retrieval]` (usearch).
        length: of the longest vector that the index was built from.
        mark: of the model that it was built from.
        k: how many items are found.

    Attributes:
        k: see above.
    """

    def __init__(self, index: Any, length: float, mark: str, k: int) -> None:
        check_value("k", k, at_least(1))
        self._index, self._length, self._mark, self.k = index, length, mark, k
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
        retriever = cls(index, length or 1.0, _mark(model), k)
        for block in blocks:
            retriever.add(block, model.item_embedding(block))
        return retriever

    @classmethod
    def load(cls, path: Path, model: BaseRecommender, k: int = 1000) -> "Retriever":
        """An index that `save` wrote, mapped into memory: processes of a machine hold it once. It takes no changes.

        Raises:
            RunError: it is not there, damaged, or of another model.
            others: as of `build`.
        """
        model, usearch = _dot_product(model), _usearch()
        try:
            about = parse_json((path / "about.json").read_text())
            index = usearch.Index.restore(str(path / "items.usearch"), view=True)
            same = (about["format"], about["items"]) == (_FORMAT, model.features.n_items)
            if index is None or not same or index.ndim != model.item_embedding(torch.arange(1)).shape[1] + 1:
                raise ValueError(f"it holds {about['items']} items of format {about['format']}")
            if about["mark"] != _mark(model):
                raise ValueError("it was built from other vectors of items")
            return cls(index, float(about["length"]), about["mark"], k)
        except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
            raise RunError(f"{path} is no retrieval index of this model: {error}; remove it, and build it") from error

    def save(self, path: Path) -> None:
        """Write the index as a folder, whole or not at all; RunError where it cannot be written."""
        with whole(path) as fresh:
            fresh.mkdir()
            self._index.save(str(fresh / "items.usearch"))
            about = {"format": _FORMAT, "items": len(self), "length": self._length, "mark": self._mark}
            (fresh / "about.json").write_text(json.dumps(about))

    def __len__(self) -> int:
        """How many items can be found."""
        return len(self._index)

    def __repr__(self) -> str:
        return f"Retriever({len(self)} items, k={self.k})"

    @property
    def bytes(self) -> int:
        """Memory, or address space where it is mapped, that the index takes."""
        return int(self._index.memory_usage)

    def add(self, items: Tensor, vectors: Tensor) -> None:
        """Let items be found, or found by other vectors than before.

        Args:
            items: int64 [n], each once.
            vectors: floating [n, d]: `model.item_embedding` of them. One that is longer than all that the index was
                built from counts as if it were as long as the longest.

        Raises:
            ModelError: vectors of another number or length, or not finite.
        """
        if vectors.shape != (len(items), self._index.ndim - 1) or not bool(torch.isfinite(vectors).all()):
            expected = [len(items), self._index.ndim - 1]
            raise ModelError(f"vectors of items must be finite {expected} (got {list(vectors.shape)})")
        self.remove(items)
        scaled = vectors.to("cpu", torch.float32) / self._length
        scaled = scaled / scaled.norm(dim=1, keepdim=True).clamp(min=1.0)
        rest = (1.0 - scaled.square().sum(1, keepdim=True)).clamp(min=0.0).sqrt()
        self._index.add(items.cpu().numpy().astype(np.uint64), torch.cat([scaled, rest], 1).numpy())

    def remove(self, items: Tensor | Sequence[int]) -> None:
        """Let items be found no more; those that are not there are passed over."""
        keys = np.asarray(torch.as_tensor(items).cpu(), dtype=np.uint64)
        if keys.size and len(self):
            there = keys[self._index.contains(keys)]
            if there.size:
                self._index.remove(there)

    def items(self, vectors: Tensor, k: int | None = None) -> Tensor:
        """The items with the highest scores, best first, approximately.

        Args:
            vectors: floating [B, d]: `model.user_embedding` of users.
            k: as of the class.

        Returns:
            int64 [B, k], -1 pads where there are fewer.

        Raises:
            ModelError: vectors of another length, or not finite.
        """
        k = self.k if k is None else k
        if vectors.dim() != 2 or vectors.shape[1] != self._index.ndim - 1 or not bool(torch.isfinite(vectors).all()):
            raise ModelError(f"vectors of users must be finite [B, {self._index.ndim - 1}] (got {list(vectors.shape)})")
        found = torch.full((len(vectors), k), -1)
        if not len(self) or not len(vectors):
            return found
        unit = torch.nn.functional.normalize(vectors.to("cpu", torch.float32), dim=1)
        query = torch.cat([unit, unit.new_zeros(len(unit), 1)], 1).numpy()
        matches = self._index.search(query, min(k, len(self)))
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


def _mark(model: DotProductRecommender) -> str:
    """What tells a model from others with as many items: a digest of the vectors of its first items."""
    vectors = model.item_embedding(torch.arange(min(_MARKED, model.features.n_items)))
    return hashlib.sha256(vectors.detach().to("cpu", torch.float32).contiguous().numpy().tobytes()).hexdigest()
