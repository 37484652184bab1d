"""The record table: a row a round that was played, and nothing that was not."""

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from magus_pyg.data import Sessions
from magus_pyg.simulation.prepare import session_ids

__all__ = ["ANSWER_COLUMNS", "RECORD_COLUMNS", "join_records", "records_of"]

RECORD_COLUMNS = (
    "session", "user", "agent", "horizon", "round", "shown", "kinds", "clicked", "position", "n_candidates",
    "n_targets", "queries_shown", "target_clicked", "done",
)  # fmt: skip

ANSWER_COLUMNS = ("session", "user", "round", "shown", "kinds", "clicked", "position")
"""What of a record table is answers: all that an agent may learn from."""


def join_records(tables: list[pd.DataFrame]) -> pd.DataFrame:
    """Record tables one below the other. An empty one, whose columns know no types, leaves those of others alone."""
    filled = [table for table in tables if len(table)]
    # A copy, also of a single one: what a worker of Ray gives lies in memory that cannot be written to.
    return pd.concat(filled, ignore_index=True).copy() if filled else _empty_table()


def records_of(
    name: str,
    sessions: Sessions,
    played: list[dict[str, Tensor]],
    rounds: int,
) -> pd.DataFrame:
    """The rows of all rounds, sorted by session, then round.

    Args:
        name: the agent's.
        sessions: B sessions.
        played: for each round `active`, `clicked`, `hit` and `n_targets` [B], `nodes`, `is_item` and `present` [B, N].
        rounds: the most rounds of a session.
    """
    if not played or not len(sessions):
        return _empty_table()
    stacked = {key: torch.stack([entry[key] for entry in played], 1).cpu() for key in played[0]}  # [B, R, ...]
    session, turn = torch.nonzero(stacked["active"], as_tuple=True)
    nodes = stacked["nodes"][session, turn]
    present = stacked["present"][session, turn]
    is_item = stacked["is_item"][session, turn]
    clicked = stacked["clicked"][session, turn]
    hit = stacked["hit"][session, turn]
    last = torch.zeros_like(hit)
    last[torch.cumsum(stacked["active"].sum(1), 0) - 1] = True  # every session plays at least one round
    clicked_node = torch.where(clicked >= 0, nodes.gather(1, clicked.clamp(min=0).unsqueeze(1)).squeeze(1), -1)
    lengths = present.sum(1).numpy()
    kinds = np.array(["query", "item"], dtype=object)[is_item.numpy().astype(np.int64)]  # two texts, however many rows
    n_candidates = (sessions.candidates >= 0).sum(1).cpu()
    return pd.DataFrame(
        {
            "session": session_ids(sessions).cpu()[session].numpy(),
            "user": sessions.user.cpu()[session].numpy(),
            "agent": name,
            "horizon": rounds,
            "round": turn.numpy() + 1,
            "shown": _lists(nodes.numpy(), lengths),
            "kinds": _lists(kinds, lengths),
            "clicked": clicked_node.numpy(),
            "position": clicked.numpy() + 1,
            "n_candidates": n_candidates[session].numpy(),
            "n_targets": stacked["n_targets"][session, turn].numpy(),
            "queries_shown": (present & ~is_item).sum(1).numpy(),
            "target_clicked": hit.numpy(),
            "done": last.numpy(),
        },
        columns=list(RECORD_COLUMNS),
    )


def _lists(table: np.ndarray, lengths: np.ndarray) -> list[list[object]]:
    """Rows as lists, cut to their lengths; present entries come first in a row."""
    rows: list[list[object]] = table.tolist()
    if bool((lengths == table.shape[1]).all()):
        return rows
    return [row[:length] for row, length in zip(rows, lengths.tolist(), strict=True)]


def _empty_table() -> pd.DataFrame:
    kinds = {"agent": object, "shown": object, "kinds": object, "target_clicked": bool, "done": bool}
    return pd.DataFrame({column: pd.Series(dtype=kinds.get(column, "int64")) for column in RECORD_COLUMNS})
