"""Slow references for the models of the four fields, over the small features of the model contract."""

import torch

from magus_pyg.testing.small_log import TRAIN, USER_PROFILES, interactions


def filled(model, rows=None, seed=0):
    """The model with all weights drawn anew, linear terms and biases, too, and without what it has never seen."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator))
    model.observe(interactions(TRAIN) if rows is None else rows)
    return model.eval()


@torch.no_grad()
def literal_fields(fields, model, user, item, words):
    """The four vectors [dim + 1] with loops, the linear weight last."""
    width = fields.dim + 1
    profiles = USER_PROFILES[user]
    own = fields.user[user] * model.user_known[user]
    profile = sum((fields.profile[value] / len(profiles) for value in profiles), torch.zeros(width))
    thing = torch.zeros(width) if item is None else fields.item[item] * model.item_known[item]
    return [own, profile, thing, sum((fields.word[word] / len(words) for word in words), torch.zeros(width))]
