"""Scores for people of whom nothing is known, or a few items that they like: a mixture of the users of the log."""

import torch
from torch import Tensor

from magus_pyg.models import BaseRecommender

__all__ = ["Guests"]

_USERS = 1000
"""Users that stand for the population, at most."""

_PAIRS = 2**24
"""Pairs of a user and an item that are kept, at most: 64 MB."""


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
            liked: int64, items that the guest likes; none for one of whom nothing is known.
        """
        if self.scale <= 0.0:  # calibration found that the model's scores say nothing: all users count alike
            return self.logits.mean(0, dtype=torch.float64)
        calibrated = self.logits * self.scale + self.shift
        fits = torch.nn.functional.logsigmoid(calibrated[:, liked].to(torch.float64)).sum(1)
        mean = torch.softmax(fits, 0) @ torch.sigmoid(calibrated).to(torch.float64)
        return (torch.logit(mean, eps=1e-12) - self.shift) / self.scale
