"""Seeds put together, sessions paired, and unlike plays refused."""

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from run_folders import records, write_run, write_simulation

from magus_pyg.errors import ConfigError, RunError, SessionError
from magus_pyg.report import compare_pools, paired_bootstrap, pool_plays, read_plays, select_plays
from magus_pyg.simulation import bootstrap_interval, session_metrics


def test_seeds_become_one_pool(tmp_path: Path) -> None:
    # RA@3 of seed 0: 1, 0, 1/3; of seed 1: 1/2, 1/2, 0. Users are the same three in both.
    write_run(tmp_path / "s1", {"items": [2, 2, 4]}, seed=1)
    write_run(tmp_path / "s0", {"items": [1, 0, 3]}, seed=0)
    (pool,) = pool_plays(read_plays(tmp_path))
    assert (pool.dataset, pool.model, pool.method, pool.seeds) == ("shop", "fm", "items", (0, 1))
    table = pool.sessions((3, 5))
    assert table.index.names == ["seed", "session"]
    assert table["RA@3"].tolist() == pytest.approx([1, 0, 1 / 3, 0.5, 0.5, 0])
    assert table["SA@5"].tolist() == [1, 0, 1, 1, 1, 1]
    means = pool.means((3, 5))
    assert means["RA@3"] == pytest.approx((4 / 3 + 1) / 6)
    assert (means["SA@3"], means["SA@5"], means["SAC"]) == pytest.approx((4 / 6, 5 / 6, 1 / 6))
    # The interval is that of `summarize`: users are drawn, each with the sessions of both seeds.
    low, high = bootstrap_interval(table[["SA@3"]].to_numpy(), table["user"].to_numpy())
    assert (means["SA@3_low"], means["SA@3_high"]) == pytest.approx((low[0], high[0]))
    assert (pool.mean("training_seconds"), pool.mean("play_seconds")) == (60.0, 0.5)


def test_methods_without_sac_have_none(tmp_path: Path) -> None:
    write_run(tmp_path / "run", {"magus": [1, 0, 3]})
    (pool,) = pool_plays(read_plays(tmp_path))
    assert math.isnan(pool.means((3,))["SAC"])
    with pytest.raises(SessionError, match=r"run, magus: the log has 5 rounds: @7"):
        pool.means((7,))


def test_order_and_names(tmp_path: Path) -> None:
    found = {name: [1, 0, 3] for name in ("bayes", "items", "magus", "mine", "crm", "static")}
    run = write_run(tmp_path / "fm", found, model={"name": "fm"})
    write_simulation(run, 1, {"magus": [1, 1, 1]}, model={"name": "fm"}, magus__negative="signed")
    counted = write_run(tmp_path / "mps", {"static": [1, 0, 3]}, model={"name": "mps", "rows": "count"})
    write_simulation(counted, 1, {"static": [1, 1, 1]}, model={"name": "mps", "rows": "score"})
    pools = pool_plays(read_plays(tmp_path))
    assert [f"{pool.model} {pool.name}" for pool in pools] == [
        "mps static", "mps static (rows=score)", "fm static", "fm CRM", "fm mine", "fm MAGUS",
        "fm MAGUS (negative=signed)", "fm bayes",
        "fm items",
    ]  # fmt: skip


def test_what_is_usual_is_taken_among_what_is_wanted(tmp_path: Path) -> None:
    run = write_run(tmp_path / "a", {"items": [1, 0, 2]})
    write_simulation(run, 1, {"items": [1, 0, 2]}, user={"name": "noisy", "p": 0.1}, simulation__rounds=10)
    chosen = select_plays(read_plays(run), {"user": "noisy"}, usual={"rounds": 5})
    assert [play.settings["simulation.rounds"] for play in chosen] == [10]


def test_pairs_are_those_of_the_shared_seeds(tmp_path: Path) -> None:
    write_run(tmp_path / "s0", {"items": [1, 0, 3, 0], "bayes": [1, 2, 2, 0]}, seed=0)
    write_run(tmp_path / "s1", {"items": [0, 0, 5, 5], "bayes": [1, 0, 3, 2]}, seed=1)
    write_run(tmp_path / "s2", {"items": [1, 1, 1, 1]}, seed=2)
    bayes, items = pool_plays(read_plays(tmp_path))
    found = compare_pools(bayes, items, "SA@3", (3, 5))
    first, second = [1, 1, 1, 0, 1, 0, 1, 1], [1, 0, 1, 0, 0, 0, 0, 0]
    expected = paired_bootstrap(np.array(first), np.array(second), np.tile(np.arange(4), 2))
    assert (found.value, found.low, found.high) == (expected.value, expected.low, expected.high)
    assert found.value == 4 / 8
    assert (found.pairs, found.users) == (8, 4)
    assert math.isnan(found.p)  # four users
    (other,) = pool_plays(select_plays(read_plays(tmp_path / "s2"), {}))
    with pytest.raises(SessionError, match="have no seed in common"):
        compare_pools(bayes, other, "SA@3", (3,))


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (records([1, 0], "bayes"), "of different sessions: 3 and 2, session 2 is in one of them only"),
        (records([1, 0, 1], "bayes", users=[0, 7, 2]), "session 1 has user 1 in one and 7 in the other"),
        (records([1, 0, 1], "bayes", candidates=20), "session 0 has n_candidates 30 in one and 20 in the other"),
        (records([1, 0, 1], "bayes").assign(n_targets=2), "session 0 has n_targets 1 in one and 2 in the other"),
    ],
)
def test_records_of_different_sessions_are_refused(tmp_path: Path, other: pd.DataFrame, message: str) -> None:
    write_run(tmp_path / "a", {"items": [1, 0, 3]})
    write_run(tmp_path / "b", {"bayes": other})
    with pytest.raises(SessionError, match=message):
        pool_plays(read_plays(tmp_path))


def test_the_same_play_twice(tmp_path: Path) -> None:
    run = write_run(tmp_path / "a", {"items": [1, 0, 3]})
    write_simulation(run, 1, {"items": [1, 0, 3]}, simulation__batch_size=7)  # nothing that changes what is played
    assert len(pool_plays(read_plays(tmp_path))) == 1
    write_simulation(run, 2, {"items": [1, 0, 2]})
    with pytest.raises(RunError, match=r"a and .*simulations/2 both hold items on shop with fm and seed 0, and differ"):
        pool_plays(read_plays(tmp_path))


def test_a_simulation_can_add_horizons(tmp_path: Path) -> None:
    """bayes plays a run of its own for every K: one judged at 3 and 5 is part of one judged at 2, 3 and 5."""

    def played(*horizons: int, last: int = 3) -> pd.DataFrame:
        return pd.concat([records([1, 0, last], "bayes", k) for k in horizons], ignore_index=True)

    run = write_run(tmp_path / "a", {"bayes": played(3, 5)})
    write_simulation(run, 1, {"bayes": played(2, 3, 5, last=2)})
    with pytest.raises(RunError, match="and differ: name one of these folders"):
        pool_plays(read_plays(run))
    more = write_simulation(run, 1, {"bayes": pd.concat([played(2, last=2), played(3, 5)], ignore_index=True)})
    (pool,) = pool_plays(read_plays(run))
    assert pool.plays[0].folder == more
    write_simulation(run, 2, {"bayes": played(4, 5)})
    with pytest.raises(RunError, match="and differ"):
        pool_plays(read_plays(run))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"simulation__rounds": 4}, r"shop: simulation.rounds is 5 in .*a and 4 in .*b; .*choose with rounds=..."),
        ({"user": {"name": "not_care"}}, r"user.name is truthful in .*a and not_care .*choose with user=..."),
        ({"sessions__candidates": 100}, r"choose with candidates=..."),
        ({"dataset__word_fields": ["brand", "price"]}, r"\['brand'\] in .*name runs of one kind"),
        ({"model__dim": 16}, r"shop, fm: model.dim is 8 in .*a and 16 in .*b"),
        ({"train__epochs": 9}, r"shop, fm: train.epochs is 2 in"),
        ({"fingerprint": "beef"}, r"a and .*b were trained on different data"),
    ],
)
def test_only_like_is_put_together(tmp_path: Path, changes: dict[str, object], message: str) -> None:
    write_run(tmp_path / "a", {"items": [1, 0, 3]})
    write_run(tmp_path / "b", {"items": [1, 0, 3]}, seed=1, **changes)
    with pytest.raises(RunError, match=message):
        pool_plays(read_plays(tmp_path))


def test_rivals_must_have_learned_alike(tmp_path: Path) -> None:
    write_run(tmp_path / "a", {"items": [1, 0, 3], "crm": [1, 0, 3]}, rivals={"crm": {"lr": 0.1}, "ear": {"lr": 0.1}})
    write_run(tmp_path / "b", {"items": [1, 0, 3], "crm": [1, 0, 3]}, seed=1, rivals={"crm": {"lr": 0.1}, "ear": {}})
    assert len(pool_plays(read_plays(tmp_path))) == 2
    write_run(tmp_path / "c", {"crm": [1, 0, 3]}, seed=2, rivals={"crm": {"lr": 0.2}})
    with pytest.raises(RunError, match=r"shop, fm, crm: rivals.crm.lr is 0.1 in .*a and 0.2 in .*c"):
        pool_plays(read_plays(tmp_path))


def test_other_models_may_be_trained_otherwise(tmp_path: Path) -> None:
    write_run(tmp_path / "a", {"items": [1, 0, 3]}, train__accelerator="cpu")
    write_run(tmp_path / "b", {"items": [1, 0, 3]}, seed=1, train__accelerator="gpu")
    write_run(tmp_path / "c", {"items": [1, 0, 3]}, model={"name": "rgat", "heads": 2}, train__epochs=9)
    assert [pool.seeds for pool in pool_plays(read_plays(tmp_path))] == [(0, 1), (0,)]


def test_what_a_report_is_over_may_differ(tmp_path: Path) -> None:
    run = write_run(tmp_path / "a", {"items": [1, 0, 3], "magus": [1, 0, 3]})
    write_simulation(run, 1, {"items": [1, 0, 2]}, simulation__list_length=2)
    pools = pool_plays(read_plays(tmp_path), by=["simulation.list_length"])
    assert [(pool.method, pool.setting) for pool in pools] == [("magus", (3,)), ("items", (2,)), ("items", (3,))]


def test_selecting_plays(tmp_path: Path) -> None:
    run = write_run(tmp_path / "a", {"items": [1, 0, 3], "magus": [1, 0, 3]})
    write_simulation(run, 1, {"items": [1, 0, 2]}, user={"name": "noisy", "p": 0.1})
    plays = read_plays(tmp_path)
    assert [play.method for play in select_plays(plays, {"user": "truthful", "rounds": None})] == ["items", "magus"]
    assert [play.folder.name for play in select_plays(plays, {"user": "noisy"}, ["items"])] == ["1"]
    assert len(select_plays(plays, {}, datasets=["shop"], models=["fm"])) == 3
    for wanted, names, message in [
        ({"user": "not_care"}, {}, "no play has user=not_care; there are noisy, truthful"),
        ({"candidates": 100}, {}, "no play has candidates=100; there are 30"),
        ({}, {"methods": ["bayes"]}, "methods: no play has 'bayes'; there are items, magus"),
        ({}, {"models": ["rgat"]}, "models: no play has 'rgat'; there are fm"),
        ({}, {"datasets": ["ml"]}, "datasets: no play has 'ml'; there are shop"),
    ]:
        with pytest.raises(ConfigError, match=message):
            select_plays(plays, wanted, **names)


def test_planners_are_judged_in_runs_of_that_length(tmp_path: Path) -> None:
    log = pd.concat([records([3, 0], "bayes", rounds=3), records([4, 2], "bayes", rounds=5)], ignore_index=True)
    write_run(tmp_path / "a", {"bayes": log})
    (pool,) = pool_plays(read_plays(tmp_path))
    table = pool.sessions((3, 5))
    assert table["SA@3"].tolist() == [1, 0]
    assert table["SA@5"].tolist() == [1, 1]
    pd.testing.assert_frame_equal(table.loc[0], session_metrics(log, (3, 5)))
