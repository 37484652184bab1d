"""How fast do the base recommenders train, and does a step's cost grow with the catalogue?

    python benchmarks/models.py                          # all models, many minutes
    python benchmarks/models.py --models fm pnn          # some
    python benchmarks/models.py --only growth            # or: training, losses
    python benchmarks/models.py --rows 5000              # a quick look
    python benchmarks/models.py --device auto            # ours on a GPU where there is one
    python benchmarks/models.py --log dataset=tabular dataset.path=FOLDER ... --models din gru rgat  # as for train.py
    python benchmarks/models.py ... --write              # into RESULTS.md

training: rows a second at batch 1000 and dim 64 on 100,000 random rows in the shape of MovieLens 100K (943 users with
three profile values, 1,682 items with up to three of 100 words), without dropout and sampled negatives, beside
DeepCTR-Torch 0.3.0 with the same fields, layers and embeddings. "fit" is an epoch of the training as users call it,
from the rows to the end of the epoch (the difference between three epochs and one, so that starting costs nothing);
"step" is forward, backward and optimiser on batches made beforehand. DeepCTR's "pnn-6" has six fields, each profile
value one of its own. Graph models take ten steps over the graph of all rows.
growth: a step with 10,000 items and with a million; 100,000 rows, each item with two of 50 words; graph models sample
neighbours. "rows" are the distinct rows of the embedding tables that a step uses: of a larger catalogue, histories and
sampled neighbours hold more distinct items.
losses: an epoch with the ranking loss over the default number of items, and without it.
log: a step of each model's default recipe on the rows of a data set, and what an epoch of them takes
(`train.epoch_steps` bounds it).
Times are CPU time, on a GPU wall time; memory is the peak beyond the inputs. Every case runs in a process of its own.
"""

import argparse
import contextlib
import io
import itertools
import shlex
from collections.abc import Iterator
from dataclasses import fields, replace
from typing import Any, cast

import pandas as pd
import torch
from _common import (
    RESULTS,
    Figures,
    device,
    machine,
    measure,
    parse_cases,
    peak_mb,
    put,
    row,
    run_in_process,
    seconds,
)
from _deepctr import RIVALS, WHY_NOT, available, batches, rival, take_step

from magus_pyg.experiment.preparing import prepare_model, prepare_training
from magus_pyg.graph import build_relational_graph, node_words
from magus_pyg.models import (
    MODELS,
    BaseRecommender,
    Batch,
    FeatureSpace,
    GraphModelOptions,
    Interactions,
    ModelOptions,
    TrainingData,
    build_model,
)
from magus_pyg.models.kernels.embedding_tables import TABLES, choose_sparse
from magus_pyg.ragged import Ragged
from magus_pyg.runs.overrides import compose_config
from magus_pyg.runs.schemas import typed
from magus_pyg.terminal import Terminal
from magus_pyg.training import TrainOptions, fit
from magus_pyg.training.epochs import training_loss
from magus_pyg.training.loader import Loaders
from magus_pyg.training.optimizer import RowAdam

BATCH, DIM, ROWS = 1000, 64, 100_000
USERS, ITEMS, WORDS, PROFILE_SIZES = 943, 1_682, 100, (7, 2, 21)
GROWTH_ITEMS, GROWTH_WORDS = (10_000, 1_000_000), 50
_SECTION, _HEAD = "Training (`benchmarks/models.py`)", 3  # of RESULTS.md; lines of a table before its rows
GRAPH_STEPS, STEPS, REPEATS = 10, 5, 3
# Options of DeepCTR's networks -> what ours are called; each network gets the value of ours, else the last one.
SIZES: dict[str, tuple[tuple[str, ...], Any]] = {
    "layers": (("layers", "hidden"), []),
    "attention": (("attention",), [36]),
    "history": (("history",), 30),
    "experts": (("experts",), 4),
    "tower": (("tower",), []),
}

Problem = tuple[FeatureSpace, Interactions, Any]


def make_problem(n_items: int, n_words: int, most_words: int, n_rows: int, with_graph: bool) -> Problem:
    """Features, rows of a log, and the relational graph if wanted."""
    generator = torch.Generator().manual_seed(0)

    def draw(high: int, *shape: int) -> torch.Tensor:
        return torch.randint(0, high, shape, generator=generator)

    words = draw(n_words, n_items, most_words)
    item = torch.arange(n_items).repeat_interleave(most_words)
    pairs = torch.unique(torch.stack([item, words.flatten()]), dim=1)
    item_words, graph = Ragged.from_pairs(pairs[0], pairs[1], n_items), None
    if with_graph:
        names = [f"w{word}" for word in range(n_words)]
        joined = ["|".join(names[word] for word in set(row)) for row in words.tolist()]
        table = pd.DataFrame({"item_id": [f"i{number}" for number in range(n_items)], "word": joined})
        graph = build_relational_graph(table, ["word"])
        item_words = node_words(graph).select(torch.arange(n_items))
        n_words = int(item_words.index.max()) + 1
    starts = itertools.accumulate((0, *PROFILE_SIZES[:-1]))
    profile = torch.stack([draw(size, USERS) + start for size, start in zip(PROFILE_SIZES, starts, strict=True)], 1)
    user_profiles = Ragged(torch.arange(USERS + 1) * len(PROFILE_SIZES), profile.flatten())
    features = FeatureSpace(USERS, n_items, n_words, sum(PROFILE_SIZES), item_words, user_profiles)
    # Some users are far busier than others.
    user = (torch.rand(n_rows, generator=generator).square() * USERS).long()
    return features, Interactions(user, draw(n_items, n_rows), draw(2, n_rows)), graph


def options_of(name: str) -> ModelOptions:
    """The defaults of a model with dim 64, and without dropout, which DeepCTR-Torch has not by default."""
    known = {field.name for field in fields(MODELS[name].options)}
    chosen = {"name": name, "dim": DIM, "dropout": 0.0, "hidden_dropout": 0.0}
    return MODELS[name].options(**{key: value for key, value in chosen.items() if key in known})  # type: ignore[arg-type]


def make_model(options: ModelOptions, problem: Problem) -> BaseRecommender:
    features, rows, graph = problem
    model = build_model(options, features, graph, rows)
    if not any(parameter.requires_grad for parameter in model.parameters()):
        raise SystemExit(f"{options.name} has nothing to train by gradients")
    return model


def train_options(epochs: int) -> TrainOptions:
    accelerator = "gpu" if device().type == "cuda" else device().type
    return TrainOptions(epochs=epochs, batch_size=BATCH, negatives=0, patience=99, accelerator=accelerator)


def epoch_of(run: Any) -> Figures:
    """The cost of an epoch of `run(epochs)`: two out of three, each the best of some runs."""
    before, best = peak_mb(), {1: float("inf"), 3: float("inf")}
    run(1)
    for epochs in (1, 3) * REPEATS:
        start = seconds()
        run(epochs)
        best[epochs] = min(best[epochs], seconds() - start)
    if best[3] <= best[1]:
        raise SystemExit("an epoch takes too little time to be measured: give more --rows")
    return Figures(seconds=(best[3] - best[1]) / 2, peak_mb=peak_mb() - before)


def our_fit(name: str, problem: Problem, softmax: float = 0.0) -> Figures:
    rows = problem[1]
    timed = rows.take(torch.arange(min(len(rows), GRAPH_STEPS * BATCH))) if problem[2] is not None else rows
    validation = Interactions(rows.user[:2], rows.item[:2], torch.tensor([0.0, 1.0]))
    data = TrainingData(timed, validation)

    def run(epochs: int) -> None:
        options = replace(train_options(epochs), softmax=softmax)
        fit(make_model(options_of(name), problem), data, options, progress=False)

    figures = epoch_of(run)
    return Figures(seconds=figures["seconds"] * BATCH / len(timed), peak_mb=figures["peak_mb"])


class StepFigures(Figures):
    """Also the distinct rows of the embedding tables that the last step used."""

    rows: int


def our_step(options: ModelOptions, problem: Problem) -> StepFigures:
    """A step of the training, without what is around it."""
    rows = problem[1]
    validation = Interactions(rows.user[:2], rows.item[:2], torch.tensor([0.0, 1.0]))
    return steps_of(make_model(options, problem), TrainingData(rows, validation), train_options(1))


def steps_of(model: BaseRecommender, data: TrainingData, settings: TrainOptions) -> StepFigures:
    """A step of some rows and options."""
    model.train().observe(data.train)
    model.to(device())
    choose_sparse(model, settings.sparse_over)
    optimizer = RowAdam(model.parameters(), lr=settings.lr, fused=True)
    loaders = Loaders(data, model, settings, 0)
    ready = [moved(batch) for batch in itertools.islice(loaders.train(), STEPS)]

    def steps() -> None:
        for batch in ready:
            loss, _ = training_loss(model.training_terms(batch), batch.label, settings.weight_decay)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()

    figures = measure(steps, repeats=REPEATS)
    rows_used = sum(used_rows(table.grad) for table in tables_of(model))
    return StepFigures(seconds=figures["seconds"] / len(ready), peak_mb=figures["peak_mb"], rows=rows_used)


class LogFigures(StepFigures):
    """Also the rows of the log in a step, and the steps of an epoch."""

    batch: int
    steps: int


def log_step(name: str, words: list[str]) -> LogFigures:
    """A step on the rows of a data set, with the default recipe of a model but the ranking loss."""
    config = typed(compose_config([*words, f"model={name}"]))
    inputs = prepare_training(config, Terminal(quiet=True))
    figures = steps_of(prepare_model(inputs, config), inputs.rows, config.train)
    size = config.train.batch_size
    return LogFigures(**figures, batch=size, steps=-(-len(inputs.rows.train) // size))


def moved(batch: Batch) -> Batch:
    """The batch on the device that is measured."""
    return Batch(*(column.to(device()) for column in batch))


def tables_of(model: BaseRecommender) -> list[torch.nn.Parameter]:
    """The embedding tables."""
    return [parameter for name, parameter in model.named_parameters() if name.rpartition(".")[2] in TABLES]


def used_rows(gradient: torch.Tensor | None) -> int:
    """Rows of a table that have a gradient."""
    if gradient is None:
        return 0
    return gradient._indices().shape[1] if gradient.is_sparse else int((gradient != 0).any(1).sum())


def their_model(name: str, problem: Problem) -> Any:
    """A model of DeepCTR-Torch with the layers of ours where there is one."""
    known = vars(options_of(RIVALS[name]))
    sizes = {key: next((known[our] for our in names if our in known), last) for key, (names, last) in SIZES.items()}
    with contextlib.redirect_stdout(io.StringIO()):
        return rival(name, problem[0], problem[1], DIM, **sizes)


def their_fit(name: str, problem: Problem) -> Figures:
    model, inputs, label = their_model(name, problem)

    def run(epochs: int) -> None:
        with contextlib.redirect_stdout(io.StringIO()):
            model.fit(dict(inputs), label, batch_size=BATCH, epochs=epochs, verbose=0)

    figures = epoch_of(run)
    return Figures(seconds=figures["seconds"] * BATCH / len(label), peak_mb=figures["peak_mb"])


def their_step(name: str, problem: Problem) -> Figures:
    model, inputs, label = their_model(name, problem)
    ready = batches(model.train(), inputs, label, BATCH)[:STEPS]

    def steps() -> None:
        for x, y in ready:
            take_step(model, x, y)

    figures = measure(steps, repeats=REPEATS)
    return Figures(seconds=figures["seconds"] / len(ready), peak_mb=figures["peak_mb"])


def run_case(case: str) -> Figures:
    """Seconds of a step of `BATCH` rows."""
    if case.startswith("log,"):
        _, name, words = case.split(",", 2)
        return log_step(name, shlex.split(words))
    kind, whose, name, size = case.split(",")
    with_graph = whose == "ours" and MODELS[name].needs_graph
    if kind == "growth":
        options = options_of(name)
        if isinstance(options, GraphModelOptions):
            options = replace(options, sampling="neighbours")
        return our_step(options, make_problem(int(size), GROWTH_WORDS, 2, ROWS, with_graph))
    problem = make_problem(ITEMS, WORDS, 3, int(size), with_graph)
    if kind == "losses":
        return our_fit(name, problem, float(whose))
    if whose == "theirs":
        return their_fit(name, problem) if kind == "fit" else their_step(name, problem)
    return our_fit(name, problem) if kind == "fit" else our_step(options_of(name), problem)


def training_table(names: list[str], rows: int, threads: int) -> Iterator[str]:
    if not available():
        print(WHY_NOT + "\n")
    yield f"training, {rows:,} rows, batch {BATCH:,}, dim {DIM}:\n"
    ours_and_theirs = ("fit rows/s", "step rows/s", "MB", "DeepCTR", "fit rows/s", "step rows/s", "MB")
    yield row("model", *ours_and_theirs, "fit, times faster", "step, times faster")
    yield row(*["---"] * 10)
    for name in names:
        ours, cells = speeds("ours", name, rows, threads)
        beside = available() and device().type == "cpu"
        rivals = [other for other, own in RIVALS.items() if own == name and beside]
        for other in [*rivals] or [""]:
            theirs, their_cells = speeds("theirs", other, rows, threads) if other else ((None, None), ["-"] * 3)
            pairs = zip(theirs, ours, strict=True)
            ratios = [f"{their / our:,.1f}" if their and our else "-" for their, our in pairs]
            yield row(name, *cells, other or "-", *their_cells, *ratios)


def speeds(whose: str, name: str, rows: int, threads: int) -> tuple[tuple[float | None, float | None], list[str]]:
    """Seconds of a step within `fit` and alone, and the cells: rows a second of both, and the memory of `fit`."""
    whole, alone = (run_in_process(__file__, f"{kind},{whose},{name},{rows}", threads) for kind in ("fit", "step"))
    cells = [f"{BATCH / figures['seconds']:,.0f}" if figures else "-" for figures in (whole, alone)]
    seconds = whole["seconds"] if whole else None, alone["seconds"] if alone else None
    return seconds, [*cells, f"{whole['peak_mb']:,.0f}" if whole else "-"]


def growth_table(names: list[str], threads: int) -> Iterator[str]:
    small, large = (f"{items:,} items" for items in GROWTH_ITEMS)
    yield "a step by the number of items:\n"
    yield row("model", f"{small} ms", "rows", "MB", f"{large} ms", "rows", "MB", "times slower", "times, a row")
    yield row(*["---"] * 9)
    for name in names:
        cases = (f"growth,ours,{name},{items}" for items in GROWTH_ITEMS)
        found = [cast(StepFigures | None, run_in_process(__file__, case, threads)) for case in cases]
        cells: list[object] = []
        for figures in found:
            cells += (
                [f"{figures['seconds'] * 1000:,.1f}", f"{figures['rows']:,}", f"{figures['peak_mb']:,.0f}"]
                if figures
                else ["-"] * 3
            )
        ratios = ["-", "-"]
        if found[0] and found[1]:
            slower, more = found[1]["seconds"] / found[0]["seconds"], found[1]["rows"] / found[0]["rows"]
            ratios = [f"{slower:,.1f}", f"{slower / more:,.2f}"]
        yield row(name, *cells, *ratios)


def losses_table(names: list[str], rows: int, threads: int) -> Iterator[str]:
    yield f"rows a second of `fit`, {rows:,} rows, batch {BATCH:,}, ranking among {TrainOptions.softmax_items} items:\n"
    yield row("model", "cross-entropy", "with the ranking loss", "part of the speed")
    yield row(*["---"] * 4)
    for name in names:
        with_graph = MODELS[name].needs_graph
        if make_model(options_of(name), make_problem(100, 10, 2, 100, with_graph)).ranks_beside:
            found = [run_in_process(__file__, f"losses,{softmax},{name},{rows}", threads) for softmax in (0, 1)]
            speed = [BATCH / figures["seconds"] if figures else float("nan") for figures in found]
            yield row(name, *(f"{one:,.0f}" for one in speed), f"{speed[1] / speed[0]:.2f}")


def log_table(names: list[str], words: list[str], threads: int) -> Iterator[str]:
    yield "a step on the rows of a log, without the ranking loss:\n"
    yield row("model", "rows a step", "ms", "MB", "embedding rows", "steps an epoch", "minutes an epoch")
    yield row(*["---"] * 7)
    for name in names:
        figures = cast(LogFigures | None, run_in_process(__file__, f"log,{name},{shlex.join(words)}", threads))
        if figures:
            cells = [f"{figures[key]:,}" for key in ("rows", "steps")]
            minutes = figures["seconds"] * figures["steps"] / 60
            whole = f"{figures['batch']:,}", f"{figures['seconds'] * 1000:,.0f}", f"{figures['peak_mb']:,.0f}"
            yield row(name, *whole, *cells, f"{minutes:,.0f}")


def rows_of_others(part: str, names: list[str]) -> list[str]:
    """The rows that a table of RESULTS.md holds of models that are not measured now."""
    section = RESULTS.read_text(encoding="utf-8").partition(f"## {_SECTION}\n")[2].partition("\n## ")[0]
    table = section.partition(f"<!-- {part} -->\n")[2].partition(f"<!-- end of {part} -->")[0].splitlines()
    return [line for line in table if line.split(" ")[0] == "|" and line.split(" ")[1] in set(MODELS) - set(names)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=["training", "growth", "losses"], help="print one table")
    parser.add_argument("--models", nargs="+", default=list(MODELS), choices=list(MODELS), help="the models to time")
    parser.add_argument("--rows", type=int, default=ROWS, help="rows of the log in the tables of training and losses")
    parser.add_argument(
        "--log", nargs="+", metavar="KEY=VALUE", help="a data set, as train.py takes it: its table alone"
    )
    parser.add_argument("--write", action="store_true", help="write the tables into RESULTS.md, too")
    options = parse_cases(parser, run_case)
    if options is None:
        return
    names, threads = options.models, options.threads
    tables = {
        "training": training_table(names, options.rows, threads),
        "growth": growth_table(names, threads),
        "losses": losses_table(names, options.rows, threads),
    }
    if options.log:
        tables = {"log": log_table(names, options.log, threads)}
    elif options.only:
        tables = {options.only: tables[options.only]}
    measured_on = f"{machine()}, {threads} thread(s)"
    print(measured_on)
    for part, table in tables.items():
        lines, others = [], rows_of_others(part, names)
        for line in table:
            print(line, flush=True)
            lines.append(line)
            if options.write and len(lines) > _HEAD:  # row by row, so that what is cut short is not lost
                put(_SECTION, part, [f"{measured_on}; {lines[0]}", *lines[1:], *others])


if __name__ == "__main__":
    main()
