"""How fast the rivals learn and play: `python benchmarks/rivals.py [--data ml-100k] [--sessions 2000] [--device auto]`.

Trains a base recommender (fm) on ml-100k (or the synthetic data where that is absent), the fold models for out-of-fold
scores, and every rival with the default options; then plays sessions of 30 candidates. Prints a line a measurement, in
CPU seconds of one thread, which unlike wall time leave out the work of others on the machine.
"""

import argparse
import os
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from _common import accelerator, add_device, machine, peak_mb, seconds, use_device

import magus_pyg as mp
from magus_pyg.agents.context import AgentContext
from magus_pyg.agents.fitted_states import AgentState
from magus_pyg.agents.methods import METHODS
from magus_pyg.agents.rivals.rival_fitting import folded_sessions
from magus_pyg.data import MovieLens100kOptions, RecDataset, SessionOptions, Sessions, SyntheticOptions, load_dataset
from magus_pyg.experiment.agents_by_name import agent_context
from magus_pyg.models import FMOptions, build_model, profile_values
from magus_pyg.runs.config import Config
from magus_pyg.runs.run_inputs import build_graph, features_of, playable_sessions
from magus_pyg.training import TrainOptions, fit, training_data
from magus_pyg.training.folds import fold_data

RIVALS = ("max_entropy", "recurrent", "crm", "ear")
ROOT = Path(__file__).resolve().parents[1]


def main() -> None:
    """Run the benchmark and print one line a measurement."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessions", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--data", choices=("ml-100k", "synthetic"), default="ml-100k")
    parser.add_argument("--epochs", type=int, default=50, help="of the base recommenders, at most")
    add_device(parser)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    use_device(arguments.device)

    data = _dataset(arguments.data)
    context = _context(data, arguments.epochs)
    print(f"{data.name}; {machine()}, one thread")
    seconds, folded = _timed(lambda: folded_sessions(context))
    print(f"out-of-fold scores of {len(folded):,} sessions, {context.rivals.folds} models: {seconds:.1f} s")
    states: dict[str, AgentState] = {}
    for name in RIVALS:
        learn = METHODS[name].fit
        assert learn is not None, f"{name} learns"
        seconds, states[name] = _timed(partial(learn, context))
        print(f"{name}: learned in {seconds:.1f} s")
    sessions = _sessions(context, arguments.sessions)
    seconds, prepared = _timed(lambda: mp.prepare_sessions(context.graph, sessions, context.model))
    print(f"session graphs and scores of {len(sessions):,} sessions: {seconds:.2f} s")
    for name in ("items", "magus", *RIVALS):
        agent = METHODS[name].build(context, states.get(name, {}))
        mp.simulate(agent, prepared, rounds=1)  # warms up
        seconds, log = _timed(partial(mp.simulate, agent, prepared, rounds=arguments.rounds))
        found = log.groupby("session")["target_clicked"].any().mean()
        print(
            f"{name}: {len(sessions) / seconds:,.0f} sessions/s ({seconds:.2f} s, {len(log):,} rounds, "
            f"SA@{arguments.rounds} {found:.3f} on random sessions)"
        )
    print(f"peak memory {peak_mb():,.0f} MB")


def _dataset(name: str) -> RecDataset:
    folder = Path(os.environ.get("MAGUS_DATA", ROOT.parent / "shared" / "data"))
    if name == "ml-100k" and (folder / "ml-100k").is_dir():
        return load_dataset(MovieLens100kOptions(), folder)
    return load_dataset(SyntheticOptions())


def _context(data: RecDataset, epochs: int) -> AgentContext:
    """A trained base recommender and what the rivals learn from, as in a run."""
    config = Config(
        model=FMOptions(), train=TrainOptions(epochs=epochs, accelerator=accelerator()), sessions=SessionOptions()
    )
    config.dataset.name = data.name
    graph, rows = build_graph(data), training_data(data, config.train)
    values, profiles = profile_values(data)
    model = build_model(config.model, features_of(graph, profiles, len(values)), graph, rows.train, config.seed)
    fit(model, rows, config.train, config.seed, progress=False)

    def sessions(part: str, per_user: int | None = None) -> Sessions:
        options = replace(config.sessions, per_user=per_user or 1)
        return playable_sessions(data, graph, part, options, config.seed, 5)

    def fold_sessions(fold: int, folds: int, per_user: int) -> Sessions:
        options = replace(config.sessions, per_user=per_user)
        part = fold_data(data, fold, folds, config.seed)
        return playable_sessions(part, graph, "validation", options, config.seed, 5)

    return agent_context(config, graph, model, sessions=sessions, rows=lambda: rows, fold_sessions=fold_sessions)


def _sessions(context: AgentContext, count: int) -> Sessions:
    """Random candidates, two of them targets."""
    generator = torch.Generator().manual_seed(0)
    items, users = context.model.features.n_items, context.model.features.n_users
    candidates = torch.rand((count, items), generator=generator).topk(30, dim=1).indices
    targets = torch.zeros((count, 30), dtype=torch.bool)
    targets[:, :2] = True
    return Sessions(torch.randint(users, (count,), generator=generator), candidates, targets)


def _timed(run: Callable[[], Any]) -> tuple[float, Any]:
    start = seconds()
    result = run()
    return seconds() - start, result


if __name__ == "__main__":
    main()
