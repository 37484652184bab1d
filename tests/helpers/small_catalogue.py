"""Six items with up to three attributes, and one dialogue on them."""

import torch

from magus_pyg.data import ItemSets
from magus_pyg.dialogues import Dialogues

# Item: attributes. 0: 0 1 | 1: 0 2 | 2: 0 | 3: 1 | 4: 0 1 2 | 5: 0
HAS = torch.tensor([[1, 1, 0], [1, 0, 1], [1, 0, 0], [0, 1, 0], [1, 1, 1], [1, 0, 0]], dtype=torch.bool)


def dialogues(target: int, given: int = 0, user: int = 0, known: int | None = 2) -> Dialogues:
    """One dialogue of user 0, who knows item 2; the candidates with attribute 0 are then 0, 1, 4, 5."""
    pairs = torch.tensor([] if known is None else [known], dtype=torch.int64)
    sets = ItemSets.from_pairs(torch.zeros_like(pairs), pairs, 1, 6)
    return Dialogues(torch.tensor([user]), torch.tensor([target]), torch.tensor([given]), HAS, sets)
