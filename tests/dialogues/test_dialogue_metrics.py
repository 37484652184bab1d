"""SR@t, AT and hDCG of records written out by hand."""

import math

import numpy as np
import pandas as pd
import pytest

from magus_pyg.dialogues import dialogue_metrics, summarize_dialogues
from magus_pyg.errors import SessionError


def record(*rows: tuple[int, int, int, int], agent: str = "bayes", horizon: int = 4) -> pd.DataFrame:
    """Rows (dialogue, user, asked, position); the turns of a dialogue follow each other."""
    table = pd.DataFrame(rows, columns=["dialogue", "user", "asked", "position"])
    table["turn"] = table.groupby("dialogue").cumcount() + 1
    return table.assign(agent=agent, horizon=horizon, success=table["position"] > 0)


# Dialogue 5 asks twice and finds at position 3 in turn 3; 2 fails after 4 turns; 9 finds at once at position 1.
LOG = record(
    *((5, 1, 0, 0), (5, 1, 2, 0), (5, 1, -1, 3)),
    *((2, 1, 0, 0), (2, 1, -1, 0), (2, 1, 1, 0), (2, 1, -1, 0)),
    (9, 3, -1, 1),
)


def test_metrics_by_hand() -> None:
    table = dialogue_metrics(LOG, at=(1, 3, 4))
    assert table.index.tolist() == [2, 5, 9]
    assert table["user"].tolist() == [1, 1, 3]
    assert table[["SR@1", "SR@3", "SR@4"]].to_numpy().tolist() == [[0, 0, 0], [0, 1, 1], [1, 1, 1]]
    assert table["AT"].tolist() == [4, 3, 1]  # a failure counts all turns
    assert table["asks"].tolist() == [2, 2, 0]
    # Turn 3, position 3: 1/log2 5 + (1/log2 4 - 1/log2 5)/log2 4. Turn 1, position 1: 1/log2 2 = 1.
    third = 1 / math.log2(5) + (1 / 2 - 1 / math.log2(5)) / 2
    assert table["hDCG"].tolist() == pytest.approx([0, third, 1])


def test_summary_by_hand() -> None:
    row = summarize_dialogues(LOG, at=(4,)).iloc[0]
    assert (row["agent"], row["dialogues"], row["users"]) == ("bayes", 3, 2)
    assert row["SR@4"] == pytest.approx(2 / 3)
    assert row["AT"] == pytest.approx(8 / 3)
    # Resampling users: user 1 has one success in two dialogues, user 3 one in one.
    assert (row["SR@4_low"], row["SR@4_high"]) == (0.5, 1.0)
    assert (row["AT_low"], row["AT_high"]) == (1.0, 3.5)


def test_no_dialogues() -> None:
    row = summarize_dialogues(LOG.iloc[:0], at=(4,)).iloc[0]
    assert row["dialogues"] == 0
    assert np.isnan(row["SR@4"])


def test_records_that_cannot_be_judged() -> None:
    with pytest.raises(SessionError, match=r"t of SR@t must be in 1..4.*got 5"):
        dialogue_metrics(LOG, at=(5,))
    with pytest.raises(SessionError, match="several agents"):
        dialogue_metrics(pd.concat([LOG, LOG.assign(agent="items", dialogue=7)]), at=(4,))
    with pytest.raises(SessionError, match="dialogue 5 has a turn twice"):
        dialogue_metrics(pd.concat([LOG, LOG.iloc[:1]]), at=(4,))
