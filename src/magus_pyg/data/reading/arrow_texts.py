"""Columns of Arrow as texts: what a value of any type is called when it is an id, a word or an action."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from magus_pyg.errors import DataError

__all__ = ["decoded", "has_texts", "is_list", "is_text", "list_entries", "texts_of"]

_TEXTS = (pa.string(), pa.large_string(), pa.string_view())
_BYTES = (pa.binary(), pa.large_binary(), pa.binary_view())


def decoded(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """A column without the wrapping of its type: categories as their values, extension types as what they store."""
    kind = values.type
    if isinstance(kind, pa.UuidType):
        return pa.chunked_array([pa.array([None if v is None else str(v) for v in values.to_pylist()], pa.string())])
    if isinstance(kind, pa.BaseExtensionType):
        return decoded(pa.chunked_array([chunk.storage for chunk in values.chunks], kind.storage_type))
    if pa.types.is_dictionary(kind):
        return decoded(values.cast(kind.value_type))
    return values


def is_text(kind: pa.DataType) -> bool:
    """Whether a type is one of Arrow's types of texts."""
    return kind in _TEXTS


def is_list(kind: pa.DataType) -> bool:
    """Whether values of a type are lists."""
    types = pa.types
    lists = (types.is_list, types.is_large_list, types.is_fixed_size_list, types.is_list_view, types.is_large_list_view)
    return any(check(kind) for check in lists)


def has_texts(kind: pa.DataType) -> bool:
    """Whether values of a type, or the entries of their lists, read as texts. Bytes and lists of fractions (pictures,
    embeddings), structs, maps and lists of lists do not."""
    if is_list(kind):
        inner = kind.value_type
        return has_texts(inner) and not is_list(inner) and not pa.types.is_floating(inner)
    if pa.types.is_dictionary(kind):
        return has_texts(kind.value_type)
    if isinstance(kind, pa.BaseExtensionType):
        return isinstance(kind, pa.UuidType) or has_texts(kind.storage_type)
    nested = pa.types.is_nested(kind) or pa.types.is_union(kind)
    return not nested and kind not in _BYTES and not pa.types.is_fixed_size_binary(kind)


def texts_of(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """A column as texts, pa.string [rows]; missing values and NaN are null. Whole numbers have no point.

    Raises:
        DataError: a type whose values are no texts.
    """
    values = decoded(values)
    kind = values.type
    if kind == pa.string():
        return values
    try:
        if pa.types.is_floating(kind):
            return _fractions(values)
        if pa.types.is_decimal(kind) and kind.scale > 0:
            values = _without_scale(values)
        return values.cast(pa.string())
    except (pa.ArrowException, NotImplementedError) as error:
        raise DataError(f"values of the type {kind} are no texts ({error})") from error


def _fractions(values: pa.ChunkedArray) -> pa.ChunkedArray:
    values = values.cast(pa.float64()) if values.type == pa.float16() else values
    values = pc.if_else(pc.is_nan(values), pa.scalar(None, values.type), values)
    texts = values.cast(pa.string())
    if not pc.any(pc.match_substring(texts, "e+")).as_py():
        return texts
    whole = pc.less(pc.abs(values), 2.0**63)  # numbers with an exponent are whole
    numbers = pc.if_else(whole, values, 0.0).cast(pa.int64(), safe=False).cast(pa.string())
    return pc.if_else(pc.and_(whole, pc.match_substring(texts, "e+")), numbers, texts)


def _without_scale(values: pa.ChunkedArray) -> pa.ChunkedArray:
    try:
        return values.cast(pa.decimal128(38, 0))
    except pa.ArrowInvalid:  # some are no whole numbers
        return values


def list_entries(values: pa.ChunkedArray) -> tuple[np.ndarray, pa.ChunkedArray]:
    """The entries of lists, without those that are missing: int64 [E] rows, ascending, and [E] texts.

    Raises:
        DataError: entries that are no texts.
    """
    rows, texts, start = [np.zeros(0, dtype=np.int64)], [], 0
    for chunk in values.chunks:
        rows.append(pc.list_parent_indices(chunk).to_numpy().astype(np.int64) + start)
        texts.append(pc.list_flatten(chunk))
        start += len(chunk)
    entries = texts_of(pa.chunked_array(texts, values.type.value_type))
    there = entries.is_valid().to_numpy()
    return np.concatenate(rows)[there], entries.drop_null()
