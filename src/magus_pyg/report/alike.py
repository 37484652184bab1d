"""Only like is compared with like: which plays can stand in one report, and what keeps others out of it."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

import pandas as pd

from magus_pyg.errors import RunError
from magus_pyg.report.left_out import LeftOut
from magus_pyg.report.plays import MethodPlay

__all__ = ["SELECTORS", "check_alike", "keep_alike", "other_sessions"]

#: What the plays of a report are chosen by: option -> key of the configuration.
SELECTORS = {
    "user": "user.name",
    "rounds": "simulation.rounds",
    "list_length": "simulation.list_length",
    "candidates": "sessions.candidates",
    "min_targets": "sessions.min_targets",
    "part": "simulation.part",
}

# Which keys must be alike: of all plays of a data set, of those of a base recommender, of those of a rival there.
_ALIKE = (("dataset.", "sessions.", "user.", "simulation."), ("model.", "train."), ("rivals.{method}.",))

# What does not change what is played, or is told apart in another way.
_FREE = ("dataset.download", "dataset.verify", "dataset.path", "simulation.batch_size", "simulation.resamples",
         "simulation.at", "train.accelerator", "train.devices", "train.strategy",
         "train.logger", "model.rows")  # fmt: skip


@dataclass(frozen=True)
class _Unlike:
    """How two plays differ: as an error that names both, and as why the second is left out beside the first."""

    error: str
    reason: str


def check_alike(plays: Sequence[MethodPlay], by: Sequence[str]) -> None:
    """Raise RunError where plays differ in what no column tells apart; `by` as of `pools.pool_plays`."""
    for depth in range(len(_ALIKE)):
        for group in _grouped(plays, depth).values():
            for play in group[1:]:
                found = _unlike(group[0], play, depth, by)
                if found is not None:
                    raise RunError(found.error)


def keep_alike(plays: Iterable[MethodPlay], by: Sequence[str], left_out: LeftOut) -> list[MethodPlay]:
    """The plays that can stand in one report: the most of a data set, and of a base recommender, that are alike.

    Args:
        plays: the plays of a report.
        by: as of `pools.pool_plays`.
        left_out: notes the others, each with what it has unlike those that are kept. Of two plays of one seed that are
            not the same the later one is kept.
    """
    kept = list(plays)
    for depth in range(len(_ALIKE)):
        kept = [
            play
            for group in _grouped(kept, depth).values()
            for play in _largest(group, partial(_unlike, depth=depth, by=by), left_out)
        ]
    seeds: dict[tuple[Any, ...], list[MethodPlay]] = {}
    for play in kept:
        at = (play.settings.get(key) for key in by)
        seeds.setdefault((play.dataset, play.model, play.seed, *at), []).append(play)
    kept = [play for group in seeds.values() for play in _largest(group, _other_sessions, left_out)]
    return _without_doubles(kept, by, left_out)


def _grouped(plays: Iterable[MethodPlay], depth: int) -> dict[tuple[str, ...], list[MethodPlay]]:
    groups: dict[tuple[str, ...], list[MethodPlay]] = {}
    for play in plays:
        groups.setdefault((play.dataset, play.model, play.method)[: depth + 1], []).append(play)
    return groups


def _largest(
    group: Sequence[MethodPlay], unlike: Callable[[MethodPlay, MethodPlay], _Unlike | None], left_out: LeftOut
) -> list[MethodPlay]:
    """The most plays of a group that are like the first of them; of equals those that come first."""
    kinds: list[list[MethodPlay]] = []
    for play in group:
        kind = next((kind for kind in kinds if unlike(kind[0], play) is None), None)
        if kind is None:
            kinds.append([play])
        else:
            kind.append(play)
    kept = max(kinds, key=len)
    for kind in kinds:
        for play in kind if kind is not kept else ():
            found = unlike(kept[0], play) or unlike(kept[0], kind[0])
            left_out.note(play.folder, found.reason if found is not None else f"unlike {kept[0].folder}")
    return kept


def _without_doubles(plays: Iterable[MethodPlay], by: Sequence[str], left_out: LeftOut) -> list[MethodPlay]:
    kept: dict[tuple[Any, ...], MethodPlay] = {}
    for play in plays:
        at = tuple(play.settings.get(key) for key in by)
        key = (play.dataset, play.model, play.method, play.variation, play.seed, *at)
        before = kept.get(key)
        if before is not None and before.log.equals(play.log):
            continue
        if before is not None and set(before.log["horizon"]) == set(play.log["horizon"]):
            left_out.note(before.folder, f"{play.folder} holds a later play of {play.method} and seed {play.seed}")
        elif before is not None:
            key = (*key, play.folder)  # a simulation can add horizons
        kept[key] = play
    return list(kept.values())


def _unlike(first: MethodPlay, second: MethodPlay, depth: int, by: Sequence[str]) -> _Unlike | None:
    """What two plays have unlike each other that makes them no rows of one table."""
    names = (second.dataset, second.model, second.method)[: depth + 1]
    if first.data["fingerprint"] != second.data["fingerprint"]:
        return _Unlike(
            f"{names[0]}: {first.run} and {second.run} were trained on different data: name runs of the same data",
            f"{names[0]} is other data there than in {first.run}",
        )
    heads = tuple(head.format(method=names[-1]) for head in _ALIKE[depth])
    for key, value in first.settings.items():
        # A key that only one of them has came with another version of the package.
        counts = key.startswith(heads) and key not in by and key not in _FREE and key in second.settings
        if counts and second.settings[key] != value:
            option = next((name for name, selected in SELECTORS.items() if selected == key), None)
            advice = f"choose with {option}=..." if option else "name runs of one kind in runs=..."
            where, other = ", ".join(names), second.settings[key]
            return _Unlike(
                f"{where}: {key} is {value} in {first.folder} and {other} in {second.folder}; only like is compared "
                f"with like: {advice}",
                f"{where}: {key} is {other}, not {value} as in {first.folder} ({advice})",
            )
    return None


def other_sessions(first: MethodPlay, second: MethodPlay) -> str:
    """In what the sessions of two plays of one seed differ; "" if they are the same."""
    a, b = _sessions_of(first), _sessions_of(second)
    names = f"{first.folder} ({first.method}) and {second.folder} ({second.method})"
    if not a.index.equals(b.index):
        odd = a.index.symmetric_difference(b.index)
        return (
            f"the records of {names} are of different sessions: {len(a)} and {len(b)}, session {odd[0]} is in one "
            "of them only; name runs of the same sessions"
        )
    for column in a.columns:
        unlike = a[column] != b[column]
        if unlike.any():
            at = int(a.index[int(unlike.to_numpy().argmax())])
            return (
                f"the records of {names} are of different sessions: session {at} has {column} {a[column][at]} in one "
                f"and {b[column][at]} in the other; name runs of the same sessions"
            )
    return ""


def _other_sessions(first: MethodPlay, second: MethodPlay) -> _Unlike | None:
    error = other_sessions(first, second)
    return _Unlike(error, f"its sessions are others than those of {first.folder}") if error else None


@lru_cache(maxsize=512)
def _sessions_of(play: MethodPlay) -> pd.DataFrame:
    """What tells the sessions of a play: user, numbers of candidates and of targets; indexed by session."""
    columns = ["user", "n_candidates", "n_targets"]
    return play.log[play.log["round"] == 1].groupby("session", sort=True)[columns].first()
