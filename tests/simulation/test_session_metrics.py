"""RA@K, SA@K and SAC of records written out by hand, and their intervals."""

import math

import pandas as pd
import pytest
from hypothesis import given
from playing import Case, cases

from magus_pyg.agents import ItemsAgent, MagusAgent
from magus_pyg.errors import SessionError
from magus_pyg.simulation import session_metrics, simulate, summarize
from reference import items_only, play, ra_at, sa_at, sac

LOG_3 = 1 / math.log2(3)  # a click at position 2; at 1 it counts 1, at 3 it counts 1/2


def record(*rounds: tuple[int, int, int, bool], agent: str = "magus", horizon: int = 5) -> pd.DataFrame:
    """Rows (session, user, position, target clicked); the rounds of a session follow each other."""
    table = pd.DataFrame(rounds, columns=["session", "user", "position", "target_clicked"])
    table["round"] = table.groupby("session").cumcount() + 1
    return table.assign(agent=agent, horizon=horizon, queries_shown=(table["round"] + 1) % 2)


# Session 7 clicks a query at position 2, nothing, then its target at 1. Session 3 never clicks. Session 9 finds its
# target at once, at position 3. Session 4 finds it in round 5.
LOG = record(
    *((7, 1, 2, False), (7, 1, 0, False), (7, 1, 1, True)),
    *[(3, 2, 0, False)] * 5,
    (9, 1, 3, True),
    *((4, 5, 1, False), (4, 5, 1, False), (4, 5, 0, False), (4, 5, 0, False), (4, 5, 2, True)),
)
EXPECTED = {
    # session: RA@1, RA@3, RA@5, SA@1, SA@3, SA@5
    3: (0, 0, 0, 0, 0, 0),
    4: (1, 2 / 3, (2 + LOG_3) / 5, 0, 0, 1),
    7: (LOG_3, (LOG_3 + 1) / 3, (LOG_3 + 1) / 3, 0, 1, 1),
    9: (0.5, 0.5, 0.5, 1, 1, 1),
}


def test_every_session_by_hand() -> None:
    table = session_metrics(LOG, rounds=(1, 3, 5))
    assert table.index.tolist() == [3, 4, 7, 9]
    assert table["user"].tolist() == [2, 5, 1, 1]
    names = [f"{metric}@{k}" for metric in ("RA", "SA") for k in (1, 3, 5)]
    for session, values in EXPECTED.items():
        assert table.loc[session, names].tolist() == pytest.approx(values, abs=1e-15)
    assert table["SAC"].isna().all()


def test_summary_by_hand() -> None:
    row = summarize(LOG).iloc[0]
    assert (row["agent"], row["sessions"], row["users"]) == ("magus", 4, 3)
    assert row["RA@3"] == pytest.approx((0 + 2 / 3 + (LOG_3 + 1) / 3 + 0.5) / 4)
    assert row["SA@3"] == 0.5
    assert row["SA@5"] == 0.75
    assert math.isnan(row["SAC"])
    assert row["query_rounds"] == pytest.approx(5 / 14)  # the even rounds showed queries
    for metric in ("RA@3", "SA@3", "RA@5", "SA@5"):
        assert row[f"{metric}_low"] <= row[metric] <= row[f"{metric}_high"]
    assert len(summarize(LOG)) == 1


def test_sac_is_the_first_list_of_items() -> None:
    log = LOG.assign(agent="items")
    assert session_metrics(log)["SAC"].tolist() == [0, 0, 0, 1]
    assert summarize(log)["SAC"].item() == 0.25


def test_rows_may_come_in_any_order() -> None:
    shuffled = LOG.sample(frac=1, random_state=0)
    pd.testing.assert_frame_equal(session_metrics(shuffled), session_metrics(LOG))


def test_k_is_judged_in_a_run_of_k_rounds_where_there_is_one() -> None:
    short = record((1, 1, 1, True), horizon=3)
    long = record((1, 1, 0, False), (1, 1, 0, False), (1, 1, 0, False), (1, 1, 1, True), horizon=5)
    table = session_metrics(pd.concat([short, long], ignore_index=True), rounds=(1, 3, 4, 5))
    assert table[["SA@1", "SA@3", "SA@4", "SA@5"]].to_numpy().tolist() == [[1, 1, 1, 1]]
    assert table[["RA@1", "RA@3", "RA@4", "RA@5"]].to_numpy().tolist() == [[1, 1, 0.25, 0.25]]


@pytest.mark.parametrize(
    ("log", "rounds", "message"),
    [
        (pd.concat([LOG, LOG.assign(agent="items")]), (3,), r"several agents \(magus, items\)"),
        (pd.concat([LOG, LOG]), (3,), "has a round twice"),
        (LOG, (6,), "the log has 5 rounds: @6"),
        (LOG, (0,), "at least 1, got 0"),
    ],
)
def test_logs_that_cannot_be_judged(log: pd.DataFrame, rounds: tuple[int, ...], message: str) -> None:
    with pytest.raises(SessionError, match=message):
        session_metrics(log, rounds)
    with pytest.raises(SessionError, match=message):
        summarize(log, rounds)


@given(cases(max_sessions=4))
def test_metrics_equal_the_reference(case: Case) -> None:
    ks = tuple(range(1, case.rounds + 1))
    log = simulate(MagusAgent(case.graph, case.matrix), case.sessions, None, case.rounds, case.list_length)
    first = simulate(ItemsAgent(case.graph, case.matrix), case.sessions, None, case.rounds, case.list_length)
    table, floor = session_metrics(log, ks), session_metrics(first, ks)
    for session in range(len(case.sessions)):
        targets = case.targets(session)
        turns = case.reference(session, None)
        for k in ks:
            assert table.loc[session, f"RA@{k}"] == pytest.approx(ra_at(turns, k))
            assert table.loc[session, f"SA@{k}"] == sa_at(turns, targets, k)
        candidates = [item for item in case.sessions.candidates[session].tolist() if item >= 0]
        scores = case.matrix[session, candidates].tolist()
        turns = play(case.nodes, candidates, scores, targets, 1, case.list_length, order=items_only)
        assert floor.loc[session, "SAC"] == sac(turns, targets)
