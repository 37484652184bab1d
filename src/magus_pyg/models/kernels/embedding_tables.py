"""Embedding tables whose gradients may be sparse, so that a step costs what it uses and not what there is."""

from collections.abc import Callable

from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["TABLES", "add_tables", "choose_sparse", "is_sparse", "look_up"]

#: The tables of users, profile values, items and words, by the name of the parameter.
TABLES = ("user", "profile", "item", "word")


def add_tables(module: nn.Module, sizes: tuple[int, ...], dim: int, draw: Callable[[tuple[int, int]], Tensor]) -> None:
    """Give a module the four `TABLES`, each [size, dim + 1]: vectors, and a linear weight as the last column.

    So one look-up reads both.

    Args:
        module: takes them as parameters.
        sizes: of the tables.
        dim: length of the vectors.
        draw: gives a table before training, of a shape; then the linear weights are set to 0.
    """
    module.tables, module.sparse = TABLES, frozenset()  # type: ignore[assignment]
    for name, size in zip(TABLES, sizes, strict=True):
        table = draw((size, dim + 1))
        table[:, -1] = 0
        module.register_parameter(name, nn.Parameter(table))


def is_sparse(module: nn.Module, name: str) -> bool:
    """Whether `choose_sparse` gave a module's table sparse gradients."""
    return name in getattr(module, "sparse", ())


def look_up(module: nn.Module, name: str, index: Tensor) -> Tensor:
    """Rows of a module's table, [*, width] for `index` int64 [*]; the gradient is sparse if `choose_sparse` said so."""
    return F.embedding(index, getattr(module, name), sparse=is_sparse(module, name))


def choose_sparse(model: nn.Module, over: float) -> list[str]:
    """Let the tables with more than `over` rows have sparse gradients, and all others dense ones.

    A module that reads its tables by `look_up` names them in an attribute `tables` and has an attribute `sparse`.

    Args:
        model: the tables of all its modules are looked at.
        over: a number of rows; infinity chooses none.

    Returns:
        The chosen parameters, named as by `model.named_parameters()`.
    """
    chosen = []
    for prefix, module in model.named_modules():
        names = [name for name in getattr(module, "tables", ()) if len(getattr(module, name)) > over]
        if hasattr(module, "tables"):
            module.sparse = frozenset(names)
        chosen += [f"{prefix}.{name}" if prefix else name for name in names]
    return chosen
