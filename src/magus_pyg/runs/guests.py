"""Scores for people of whom nothing is known, or a few items that they like: a mixture of the users of the log."""

import torch
from torch import Tensor

from magus_pyg.models import BaseRecommender

__all__ = ["Guests"]

_USERS = 1000
"""Users that stand for the population, at most."""

_PAIRS = 2**24
"""Pairs of a user and an item that are kept, at most: 64 MB."""

_POOL, _VARIED = 50, 12
"""Among so many of the best items, so many are chosen to differ: a screen or two."""


class Guests:
    r"""What a recommender knows of guests.

    A guest is one of the users of the log, it is not known which. Each is as likely at first; a liked item makes those
    likelier who like it, by Bayes' rule with the calibrated probabilities p_ui of the model:

    .. math::
        w_u \propto \prod_{i \text{ liked}} p_{ui}, \qquad p_v = \sum_u w_u p_{uv}

    Scores are the logits of p_v on the scale of the model's own, so that what was fitted to scores of users (a
    temperature) fits those of guests. A model whose scores are the same for all users is not moved by liked items.

    Args:
        model: a trained base recommender.
        n_items: I.
    """

    def __init__(self, model: BaseRecommender, n_items: int) -> None:
        known = torch.nonzero(model.user_known > 0).flatten().cpu()
        known = known if known.numel() else torch.arange(model.features.n_users)
        size = max(1, min(known.numel(), _USERS, _PAIRS // max(n_items, 1)))
        users = known[torch.arange(size) * known.numel() // size]  # at equal distances
        self.scale, self.shift = (float(value) for value in model.calibration)
        self.logits = model.score(users, torch.arange(n_items))  # [users, I]

    def scores(self, liked: Tensor) -> Tensor:
        """float64 [I]: scores of a guest.

        Args:
            liked: int64, items that the guest likes, each counts once; none for one of whom nothing is known.
        """
        if self.scale <= 0.0:  # calibration found that the model's scores say nothing: all users count alike
            return self.logits.mean(0, dtype=torch.float64)
        mean = self._weights(liked) @ self._probabilities().to(torch.float64)
        return (torch.logit(mean, eps=1e-12) - self.shift) / self.scale

    def varied_scores(self, liked: Tensor) -> Tensor:
        """The scores of a guest, with the best items in an order that reaches more of the users.

        The best items of a mixture are liked by the same users. So of the `_POOL` best, `_VARIED` are chosen one after
        the other, each the likeliest if those before it are refused: a refusal makes the users likelier who do not like
        that item. They get the highest scores in that order, the other items the lower ones in theirs, so that all
        scores are still there.

        Args:
            liked: as of `scores`.
        """
        scores = self.scores(liked)
        best = torch.argsort(scores, descending=True, stable=True)
        if self.scale <= 0.0:
            return scores
        pool = best[:_POOL]
        p, weight = self._probabilities(pool).to(torch.float64), self._weights(liked)
        chosen: list[int] = []
        for _ in range(min(_VARIED, pool.numel())):
            fit = weight @ p
            fit[chosen] = -1.0
            chosen.append(int(fit.argmax()))
            weight = weight * (1.0 - p[:, chosen[-1]])
            weight = weight / weight.sum().clamp(min=torch.finfo(weight.dtype).tiny)
        others = torch.ones_like(best, dtype=torch.bool)
        others[chosen] = False
        varied = torch.empty_like(scores)
        varied[torch.cat([pool[chosen], best[others]])] = scores[best]
        return varied

    def _probabilities(self, items: Tensor | None = None) -> Tensor:
        """The calibrated probabilities p_ui, float32 [users, items]."""
        logits = self.logits if items is None else self.logits[:, items]
        return torch.sigmoid(logits * self.scale + self.shift)

    def _weights(self, liked: Tensor) -> Tensor:
        """The probability w_u of each user to be the guest, float64 [users]."""
        calibrated = self.logits[:, torch.unique(liked)].to(torch.float64) * self.scale + self.shift
        return torch.softmax(torch.nn.functional.logsigmoid(calibrated).sum(1), 0)
