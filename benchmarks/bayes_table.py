"""The Bayesian variants beside the rivals, for four users: what docs/bayes.md shows, from trained runs.

Fits and plays the agents of some run folders (`train.py model=fm magus=base agents=[items]`, a seed each) for truthful,
noisy, impatient and drifting users: fitted on validation sessions with that user, played on validation and test. One
process, one thread; what was played stays played, so that it can be stopped and called again.

    python benchmarks/bayes_table.py play RUN... [--out FOLDER] [--minutes 14] [--methods ...] [--users ...]
    python benchmarks/bayes_table.py write [--out FOLDER]    bayes_table.csv beside it, and docs/bayes.md

`knobs-off` is the variant as it was before it had the knobs: temperature, e and λ alone are fitted, lists stand by u.
"""

import argparse
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from _common import BAYES_PAGE, put_between
from _common import row as table_row

import magus_pyg as mp
from magus_pyg.agents.judging import RANKING
from magus_pyg.agents.methods import METHODS
from magus_pyg.experiment.agent_plays import PlaySetting, fit_agents
from magus_pyg.experiment.agents_by_name import agent_context, build_agent
from magus_pyg.experiment.environment import Stopwatch
from magus_pyg.runs.data_loading import load_data
from magus_pyg.runs.overrides import compose_config
from magus_pyg.runs.schemas import typed
from magus_pyg.simulation import bootstrap_interval, prepare_sessions, session_metrics, simulate
from magus_pyg.simulation.users_by_name import build_user
from magus_pyg.terminal import Terminal

USERS = ("truthful", "noisy", "impatient", "drifting")
ROUNDS = (3, 5)
METRICS = ("SA@3", "SA@5", "RA@3")
SHOWN = (*METRICS, "objective")
KNOBS = ("error_rate", "others", "discount", "forgetting")
#: Row -> the agent that plays it and what the configuration says of it.
ROWS: dict[str, tuple[str, tuple[str, ...]]] = {
    "items": ("items", ()),
    "ME": ("max_entropy", ()),
    "magus": ("magus", ("magus=base",)),
    "swapped": ("magus", ("magus=base", "magus.relations=swapped")),
    "magus+": ("magus+", ("magus=plus",)),
    "knobs-off": ("bayes", ("magus=bayes", "magus.discount=1", "magus.forgetting=0", "magus.targets=1")),
    "bayes": ("bayes", ("magus=bayes",)),
    "balanced": ("bayes-balanced", ("magus=bayes", "magus.objective=balanced")),
}
TABLE = Path(__file__).with_name("bayes_table.csv")


def main() -> None:
    """Play runs, or write what was played."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("play", "write"))
    parser.add_argument("runs", nargs="*", type=Path)
    parser.add_argument("--out", type=Path, default=Path("bayes_table"), help="a session a row, by run, user and row")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="nothing new is begun after them")
    parser.add_argument("--methods", nargs="+", default=list(ROWS))
    parser.add_argument("--users", nargs="+", default=list(USERS))
    parser.add_argument("--parts", nargs="+", default=["validation", "test"])
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if arguments.what == "write":
        write(arguments.out)
        return
    ends = time.monotonic() + 60.0 * arguments.minutes
    for path in arguments.runs:
        run = mp.load_run(path)
        for user in arguments.users:
            for row in arguments.methods:
                where = f"{run.config.dataset.name}-{run.config.model.name}-{run.config.seed}-{user}"
                found = arguments.out / f"{where}-{row}.csv"
                if not found.exists() and time.monotonic() < ends:
                    play(run, user, row, found, arguments.parts)


def play(run: mp.Run, user: str, row: str, out: Path, parts: Sequence[str]) -> None:
    """Fit and play one row, and write the metrics of every session."""
    agent_name, words = ROWS[row]
    changed = typed(compose_config([f"user={user}", *words]))
    config = replace(run.config, user=changed.user, magus=changed.magus, agents=[agent_name])
    setting = PlaySetting(config, load_data(config), run.graph, run.model, Stopwatch(), Terminal(quiet=True))
    began = time.process_time()
    states, _ = fit_agents(setting)
    fitted = time.process_time() - began
    state = states.get(agent_name, {})
    numbers = {key: float(value) for key, value in state.items() if value.numel() == 1} if "bayes" in agent_name else {}
    context = agent_context(config, run.graph, run.model)
    agent = build_agent(agent_name, context, state, config)
    frames = []
    for part in parts:
        prepared = prepare_sessions(run.graph, setting.sessions(part), run.model)
        horizons = ROUNDS if METHODS[agent_name].plans else ROUNDS[-1:]
        logs = [simulate(agent, prepared, build_user(config.user), k, seed=config.seed) for k in horizons]
        frame = session_metrics(pd.concat(logs, ignore_index=True), ROUNDS)[["user", *METRICS]]
        frames.append(frame.assign(part=part))
    table = pd.concat(frames)
    config_of = run.config
    where: dict[str, Any] = {"dataset": config_of.dataset.name, "model": config_of.model.name}
    where |= {"seed": config_of.seed, "who": user}
    table = table.assign(**where, row=row, fit_seconds=round(fitted, 2), **numbers)
    out.parent.mkdir(parents=True, exist_ok=True)
    table.to_csv(out.with_suffix(".part"), index=False, float_format="%.6g")
    out.with_suffix(".part").rename(out)
    test = table[table["part"] == parts[-1]]
    print(out.stem, *(f"{test[metric].mean():.3f}" for metric in METRICS), f"fit {fitted:.1f} s",
          {key: round(value, 4) for key, value in numbers.items()}, flush=True)  # fmt: skip


# ---------------------------------------------------------------- the table and the page


def write(out: Path) -> None:
    """Sum up what was played, keep it, and write it into the page; users whose rows (but MAGUS+) lack one wait."""
    everything = pd.concat([pd.read_csv(path) for path in sorted(out.glob("*.csv"))], ignore_index=True)
    everything["objective"] = (everything["SA@3"] + everything["SA@5"]) / 2.0 + RANKING * everything["RA@3"]
    rows = []
    groups = everything.groupby(["dataset", "model", "who", "part"], sort=False)
    for (dataset, model, who, part), group in groups:
        rivals = dict(iter(group.groupby("row", sort=False)))
        if set(ROWS) - {"magus+"} - set(rivals):
            continue
        for row, one in rivals.items():
            entry = {"dataset": dataset, "model": model, "user": who, "part": part, "row": row}
            entry |= {"seeds": one["seed"].nunique(), "sessions": len(one), "fit_seconds": one["fit_seconds"].mean()}
            entry |= {metric: one[metric].mean() for metric in SHOWN}
            for own in ("bayes", "balanced"):
                if own in rivals and own != row:
                    low, high = paired(rivals[own], one)
                    for place, metric in enumerate(SHOWN):
                        entry |= {f"{metric} {own} low": low[place], f"{metric} {own} high": high[place]}
            for knob in KNOBS:
                if knob in one and one[knob].notna().any():
                    entry[knob] = "/".join(f"{value:g}" for value in one.groupby("seed")[knob].first())
            rows.append(entry)
    pd.DataFrame(rows).to_csv(TABLE, index=False, float_format="%.4f")
    write_page()


def write_page() -> None:
    """Write the rows of test sessions into docs/bayes.md, between its marks."""
    table = pd.read_csv(TABLE, dtype=dict.fromkeys(KNOBS, str))
    traded = _traded(table[table["part"] == "validation"])
    table = table[table["part"] == "test"]
    order = list(ROWS)
    head = ("set, base, user", "seeds x sessions", "row", *SHOWN, "e / λ / γ / δ, a seed each")
    lines = [*_ahead(table), "", traded, "", table_row(*head), table_row(*["---"] * len(head))]
    for (dataset, model, user), group in table.groupby(["dataset", "model", "user"], sort=False):
        told = ""
        for place, row in enumerate(sorted(group.to_dict("records"), key=lambda row: order.index(row["row"]))):
            name = f"{dataset}, {model}, {user}" if not place else ""
            count = f"{row['seeds']} x {round(row['sessions'] / row['seeds']):,}"
            count, told = "" if count == told else count, count
            cells = [_cell(row, metric) for metric in SHOWN]
            lines.append(table_row(name, count, row["row"], *cells, _knobs(row)))
    put_between(BAYES_PAGE, "objectives: written by benchmarks/bayes_table.py", lines)


def _ahead(table: pd.DataFrame) -> list[str]:
    """Who is significantly above `balanced`, a line a set, base and user, and with truthful users who is level."""

    def above(row: Mapping[Any, Any], metric: str) -> bool:
        return bool(row.get(f"{metric} balanced high", np.nan) < 0)

    def level(row: Mapping[Any, Any], metric: str) -> bool:
        return bool(row.get(f"{metric} balanced low", np.nan) <= 0 <= row[f"{metric} balanced high"])

    lines = ["With truthful users all others are significantly below `balanced`, except:", ""]
    others = ["", "With other users these are above it:", ""]
    for (dataset, model, user), group in table.groupby(["dataset", "model", "user"], sort=False):
        rows = group.to_dict("records")
        if user == "truthful":
            lines.append(f"* {dataset}, {model}: above it {_named(rows, above)}; level with it {_named(rows, level)}.")
        else:
            others.append(f"* {dataset}, {model}, {user}: {_named(rows, above)}.")
    return [*lines, *others]


def _traded(table: pd.DataFrame) -> str:
    """What `balanced` gains over `bayes` with truthful users, the least and the most over sets and bases."""
    rows = table[table["user"] == "truthful"].set_index(["dataset", "model"])
    ours, theirs = rows[rows["row"] == "balanced"], rows[rows["row"] == "bayes"]
    gains = [ours[metric] - theirs[metric] for metric in SHOWN]
    told = ", ".join(
        f"{gain.min():+.3f} to {gain.max():+.3f} in {name}" for name, gain in zip(SHOWN, gains, strict=True)
    )
    return f"`balanced` less `bayes` on the validation sessions of truthful users: {told}."


def _named(rows: Sequence[Mapping[Any, Any]], holds: Callable[[Mapping[Any, Any], str], bool]) -> str:
    """The rows for which something holds, each with its metrics."""
    found = {row["row"]: [metric for metric in SHOWN if holds(row, metric)] for row in rows}
    return ", ".join(f"{name} in {' and '.join(metrics)}" for name, metrics in found.items() if metrics) or "nobody"


def _knobs(row: Mapping[Any, Any]) -> str:
    """The knobs of a row, a training seed each; nothing where it has none."""
    seeds = [row[knob].split("/") for knob in KNOBS if isinstance(row.get(knob), str)]
    return " · ".join(" / ".join(seed) for seed in zip(*seeds, strict=True))


def _cell(row: Mapping[Any, Any], metric: str) -> str:
    """A metric, with + where it is significantly above `balanced` and - where it is below."""
    low, high = row.get(f"{metric} balanced low", np.nan), row.get(f"{metric} balanced high", np.nan)
    mark = " −" if low > 0 else " +" if high < 0 else ""
    return f"{row[metric]:.3f}{mark}"


def paired(own: pd.DataFrame, other: pd.DataFrame, resamples: int = 2000) -> tuple[np.ndarray, np.ndarray]:
    """The 95 % intervals of the mean differences of the same sessions, by resampling users with all their seeds.

    Returns:
        `(low, high)`, float [metrics] each.
    """
    keys = ["seed", "user"]
    both = own[[*keys, *SHOWN]].merge(other[[*keys, *SHOWN]], on=keys, suffixes=("", " other"))
    difference = both[list(SHOWN)].to_numpy() - both[[f"{metric} other" for metric in SHOWN]].to_numpy()
    return bootstrap_interval(difference, both["user"].to_numpy(), resamples=resamples)


if __name__ == "__main__":
    main()
