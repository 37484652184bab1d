"""The symmetrically normalised propagation of App. B.1 and B.3, in place of Eq. (9)."""

import torch
from torch import Tensor

from magus_pyg.graph import SessionGraphBuilder, SessionGraphs
from magus_pyg.nn import SignedLabelPropagation

__all__ = ["NormalisedSpread"]


class NormalisedSpread:
    """S = D^-1/2 A D^-1/2 of B session graphs (App. B.1).

    A holds the weight of an R+ pair and, less than zero, that of an R- pair, both ways; D holds the sums of the weights
    of each node's pairs, R+ and R- alike. The paper does not say how a signed A is normalised; sums of absolute values
    keep the eigenvalues of S in [-1, 1], so that the formula converges for every λ < 1.

    Args:
        graphs: the session graphs.
        builder: what they share.
        inhibits: R- as edges between flat slots [2, E]; None for all pairs that no item holds together.
        factors: features [F, r] whose dot products are the weights of R+ and of R-, not below zero; None for unit
            weights.
        rows: int64 [B·M], the row of the features that each flat slot has; its own if None.
        catalogue: whether any item of the catalogue counts for an implied R-, or only the session's candidates.
    """

    def __init__(
        self,
        graphs: SessionGraphs,
        builder: SessionGraphBuilder,
        inhibits: Tensor | None = None,
        factors: tuple[Tensor | None, Tensor | None] = (None, None),
        rows: Tensor | None = None,
        catalogue: bool = False,
    ) -> None:
        self.graphs, self.factors, self.rows, self.inhibits = graphs, factors, rows, inhibits
        self.propagate = SignedLabelPropagation(cached=True)
        up = torch.stack([graphs.part, graphs.whole])
        self.improves = torch.cat([up, up.flip(0)], dim=1)
        self.skip: Tensor | None = None
        valid = graphs.valid.view(-1)
        if inhibits is None:
            queries = torch.nonzero((graphs.valid & ~graphs.is_item).view(-1)).flatten()
            pairs = builder.compatible(graphs, queries, catalogue)
            self.skip = pairs[:, pairs[0] < pairs[1]]  # once is enough, and items' pairs are R+
        ones = valid.to(torch.float64)
        plus = self._pass(ones, up[:, :0])
        degree = 2.0 * plus - self._pass(ones, inhibits)  # (R+) + (R-), as the pass gives (R+) - (R-)
        self.root = torch.where(valid & (degree > 0), degree.clamp(min=1e-300).rsqrt(), 0.0)  # D^-1/2

    def _pass(self, y: Tensor, inhibits: Tensor | None) -> Tensor:
        """A y, [B·M]."""
        result: Tensor = self.propagate(
            (y, torch.zeros_like(y)),
            self.improves,
            inhibits,
            skip_edge_index=self.skip if inhibits is None else None,
            factors=self.factors,
            factor_rows=self.rows,
            batch=self.graphs.session,
        )
        return result

    def __call__(self, y: Tensor) -> Tensor:
        """S y, float64 [B, M], for y [B, M] (0 in empty slots)."""
        flat = self.root * self._pass(self.root * y.reshape(-1), self.inhibits)
        return flat.view(y.shape)
