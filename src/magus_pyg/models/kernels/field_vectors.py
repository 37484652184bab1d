"""The vectors of two fields, an id and its bag of values, as a model's formula reads them."""

from collections.abc import Callable

from torch import Tensor
from torch.nn import functional as F

__all__ = ["FieldVectors", "linear_of_fields"]


class FieldVectors:
    """The fields of n users (id and profile) or of n candidates (id and words).

    What a formula computes from one side alone is computed once (`once`), however many pairs its rows are part of.
    Rows are paired with rows, then all tensors are [n, ...]; or each user with each candidate, then those of users are
    [n, 1, ...] and those of candidates [1, m, ...], so that a formula broadcasts to [n, m, ...].

    Args:
        vectors: [n, 2, dim], the id's vector and the mean of the values'; 0 where there is none.
        linear: [n], the sum of both linear terms.
        norm: a scalar, the sum over the rows (weighted where asked) of the squared length of the embeddings in use,
            the values' as a mean; 0 outside training.
    """

    #: True where each row meets each of the other side.
    meets_all: bool = False

    def __init__(self, vectors: Tensor, linear: Tensor, norm: Tensor) -> None:
        self.norm = norm
        self._terms = {"vectors": vectors, "linear": linear}

    @property
    def vectors(self) -> Tensor:
        """[n, 2, dim]."""
        return self.once("vectors")

    @property
    def linear(self) -> Tensor:
        """[n]."""
        return self.once("linear")

    def once(self, name: str, compute: Callable[["FieldVectors"], Tensor] | None = None) -> Tensor:
        """What `compute` gives for the whole side, [n, ...], at the rows of this one; kept under a name."""
        if name not in self._terms:
            assert compute is not None, name
            self._terms[name] = compute(self)
        return self._terms[name]

    def rows(self, chosen: Tensor | slice, axis: int | None = None) -> "FieldVectors":
        """Some rows. Where each meets each, `axis` is that of the other side: 1 for users, 0 for candidates."""
        return _ChosenRows(self, chosen, axis)


class _ChosenRows(FieldVectors):
    def __init__(self, whole: FieldVectors, chosen: Tensor | slice, axis: int | None) -> None:
        self.norm = whole.norm
        self.meets_all = axis is not None
        self._whole, self._chosen, self._axis = whole, chosen, axis
        self._terms = {}

    def once(self, name: str, compute: Callable[[FieldVectors], Tensor] | None = None) -> Tensor:
        if name not in self._terms:
            term = self._whole.once(name, compute)[self._chosen]
            self._terms[name] = term if self._axis is None else term.unsqueeze(self._axis)
        return self._terms[name]


def linear_of_fields(user: FieldVectors, item: FieldVectors, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """W [v_user, v_profile, v_item, v_words] + b of pairs, [n, units] or [n, m, units].

    It is linear in the four vectors, so what either side adds is computed once for each of its rows.

    Args:
        user, item: both sides of the pairs.
        weight: [units, 4 dim], a parameter.
        bias: [units], or None.
    """
    size, name = weight.shape[1] // 2, f"linear {id(weight)}"
    of_user = user.once(name, lambda side: F.linear(side.vectors.flatten(1), weight[:, :size], bias))
    return of_user + item.once(name, lambda side: F.linear(side.vectors.flatten(1), weight[:, size:]))
