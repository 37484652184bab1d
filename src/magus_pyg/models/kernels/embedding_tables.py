"""Embedding tables whose gradients may be sparse, so that a step costs what it uses and not what there is."""

from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["TABLES", "choose_sparse", "look_up"]

#: The tables that models read by `look_up` alone, by the name of the parameter.
TABLES = ("user", "profile", "item", "word")


def look_up(module: nn.Module, name: str, index: Tensor) -> Tensor:
    """Rows of a module's table, [*, width] for `index` int64 [*]; the gradient is sparse if `choose_sparse` said so."""
    return F.embedding(index, getattr(module, name), sparse=name in getattr(module, "sparse", ()))


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
