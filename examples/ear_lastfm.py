"""EAR's protocol on Last.fm: 15 turns that ask one tag or show 10 artists, on the whole catalogue.

    python examples/ear_lastfm.py [--dialogues 1000] [--noise 0 0.1] [--recipe default bpr] [--base train all]
                                  [--history train] [--data FOLDER]

Trains the factorization machine, fits the agents on validation dialogues, plays the test dialogues and prints a table
with 95 % intervals over users. `--recipe default` is that of `train.py dataset=lastfm-ear model=fm`, `bpr` the loss
that EAR trains with. `--base train` scores with the model of the training part, `--base all` (of bpr, whose epochs are
given) with one trained again on training and validation part, which is what a test dialogue's user is known by.
`--history train` keeps the validation part from the agents too, which otherwise draw on all that a user is known by.
What is chosen (belief, plan, MAGUS's R- weight) is chosen on validation dialogues, the last three of each user, since
the log drifts towards rarely played artists. Between the rows that the base "train" knows and a test dialogue lies the
validation part, so for that base choices are made with a model of the earlier rows of the training part: between what
it knows and a validation dialogue lie the later ones. For the base "all" the model of the training part has that place.

The data folder (FOLDER/lastfm-ear with interactions.csv.gz and items.csv.gz) is --data or the variable MAGUS_DATA.
"""

import argparse
import os
import sys
import time
from dataclasses import dataclass, field, replace
from itertools import product
from pathlib import Path

import pandas as pd
import torch
from torch import Tensor
from torch.nn import functional as F

from magus_pyg.data import ItemSets, RecDataset, TabularOptions, load_dataset
from magus_pyg.dialogues import (
    DialogueAgent,
    DialogueBayesAgent,
    DialogueItemsAgent,
    DialogueMagusAgent,
    DialogueMaxEntropyAgent,
    Dialogues,
    build_dialogues,
    choose_minus_scale,
    fit_dialogue_bayes,
    latest_dialogues,
    play_dialogues,
    summarize_dialogues,
)
from magus_pyg.graph import build_word_table
from magus_pyg.models import FM, FMOptions, TrainingData
from magus_pyg.models.adapters import feature_space
from magus_pyg.models.interactions import Interactions
from magus_pyg.ragged import Ragged
from magus_pyg.training import TrainOptions, fit
from magus_pyg.training.loader import whole_batch
from magus_pyg.training.training_rows import training_data

LASTFM = TabularOptions(
    name="lastfm-ear",
    path="lastfm-ear",
    word_fields=["tag"],
    rating="rating_or_action",
    positive="all",
    timestamp="",
    split="split",
)
COLUMNS = ("user", "item", "label")
EARLIER = 0.72  # of the rows of the training part, which is about the share of train beside validation
SHOWN = ["SR@5", "SR@10", "SR@15", "AT", "hDCG", "asks"]


def main() -> None:
    """Run the study and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dialogues", type=int, default=0, help="test dialogues played, spread evenly; 0 for all")
    parser.add_argument("--fit-dialogues", type=int, default=1500, help="validation dialogues that choices are made on")
    parser.add_argument("--noise", type=float, nargs="+", default=[0.0, 0.1], help="share of flipped answers")
    parser.add_argument("--base", nargs="+", default=["train"], choices=["train", "all"])
    parser.add_argument("--recipe", nargs="+", default=["default"], choices=["default", "bpr"])
    parser.add_argument("--history", default="known", choices=["known", "train"], help="what agents draw on")
    parser.add_argument("--epochs", type=int, default=40, help="of bpr")
    parser.add_argument("--data", type=Path, default=os.environ.get("MAGUS_DATA"), help="folder that holds lastfm-ear")
    parser.add_argument("--out", type=Path, help="CSV file for the table")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    if arguments.data is None or not (Path(arguments.data) / LASTFM.path).is_dir():
        sys.exit(f"no folder {LASTFM.path} in {arguments.data}: give --data or set MAGUS_DATA")
    if "all" in arguments.base and "default" in arguments.recipe:
        sys.exit("--base all is for --recipe bpr: the default recipe ends a training by the validation part")

    log = load_log(Path(arguments.data), arguments.seed)
    test = spread(log.dialogues["test"], arguments.dialogues)
    if arguments.history == "train":
        test = replace(test, history=log.dialogues["validation"].known)
    print(f"{len(test)} test dialogues", flush=True)
    rows = []
    for recipe, base, noise, refusals in product(arguments.recipe, arguments.base, arguments.noise, (True, False)):
        chosen_on, plays = choices(log, base, arguments.history, arguments.fit_dialogues)
        scores = {name: log.scores(recipe, name, arguments.epochs, arguments.seed) for name in (plays, base)}
        for agent in fitted_agents(chosen_on, scores[plays], noise, refusals, arguments.seed):
            figures = measured(agent, test, scores[base], noise, arguments.seed)
            shown = {
                name: f"{figures[name]:.3f}" + (f" [{figures[low]:.3f}, {figures[high]:.3f}]" if low in figures else "")
                for name in SHOWN
                for low, high in [(f"{name}_low", f"{name}_high")]
            }
            cell = {"recipe": recipe, "base": base, "noise": noise, "refusals": refusals, "agent": agent.name}
            rows.append({**cell, **shown, "dialogues/s": round(figures["dialogues/s"])})
            print("  " + "  ".join(str(value) for value in rows[-1].values()), flush=True)
    table = pd.DataFrame(rows)
    with pd.option_context("display.width", 250, "display.max_columns", None, "display.max_rows", None):
        print(table.to_string(index=False))
    if arguments.out:
        table.to_csv(arguments.out, index=False)


@dataclass
class Log:
    """The log, its dialogues by part ("validation", "test"), and the scores of what was trained on it, by recipe, base.

    The bases are "earlier" (the first `EARLIER` of each user's rows of the part "train"), "train", and "all" (also the
    part "validation").
    """

    data: RecDataset
    words: Ragged
    n_words: int
    dialogues: dict[str, Dialogues]
    trained: dict[tuple[str, str], Tensor] = field(default_factory=dict)

    def scores(self, recipe: str, base: str, epochs: int, seed: int) -> Tensor:
        """Scores [U, I] of a machine, trained once."""
        if (recipe, base) not in self.trained:
            self.trained[recipe, base] = train(self, recipe, base, epochs, seed)
        return self.trained[recipe, base]


def load_log(folder: Path, seed: int) -> Log:
    """The log of `folder`, with dialogues of a seed."""
    data = load_dataset(LASTFM, folder)
    words = build_word_table(data.items, data.word_fields, data.merge_fields, data.max_share)
    dialogues = {
        part: build_dialogues(data, words.item_words, len(words.words), part, seed) for part in ("validation", "test")
    }
    return Log(data, words.item_words, len(words.words), dialogues)


def choices(log: Log, base: str, history: str, count: int) -> tuple[Dialogues, str]:
    """The validation dialogues that choices for a base are made on, and the base that plays them."""
    dialogues = spread(latest_dialogues(log.dialogues["validation"], 3), count)
    if base == "all":
        return dialogues, "train"
    if history == "train":
        rows = part_of(log, "earlier")
        dialogues = replace(
            dialogues, history=ItemSets.from_pairs(rows.user, rows.item, log.data.n_users, log.data.n_items)
        )
    return dialogues, "earlier"


def part_of(log: Log, name: str) -> Interactions:
    """The rows that a base is trained on; "later" are those of the part "train" that "earlier" lacks."""
    known = training_data(log.data)
    if name == "all":
        return Interactions(*(torch.cat([getattr(known.train, n), getattr(known.validation, n)]) for n in COLUMNS))
    if name == "train":
        return known.train
    order = torch.argsort(known.train.user, stable=True)
    user = known.train.user[order]
    size = torch.bincount(user, minlength=log.data.n_users)
    place = torch.arange(len(user)) - (torch.cumsum(size, 0) - size)[user]
    earlier = place < torch.ceil(EARLIER * size[user].to(torch.float64))
    chosen = order[earlier if name == "earlier" else ~earlier]
    return Interactions(*(getattr(known.train, n)[chosen] for n in COLUMNS))


def spread(dialogues: Dialogues, count: int) -> Dialogues:
    """`count` dialogues at equal distances; all for 0."""
    if count <= 0 or count >= len(dialogues):
        return dialogues
    return dialogues.take(torch.arange(count) * len(dialogues) // count)


def fitted_agents(chosen_on: Dialogues, scores: Tensor, noise: float, refusals: bool, seed: int) -> list[DialogueAgent]:
    """The agents, with what is chosen on validation dialogues for users of a noise."""
    state = fit_dialogue_bayes(chosen_on, scores, noise, refusals, seed=seed)
    scale = choose_minus_scale(chosen_on, scores, noise, refusals, seed=seed)
    print(f"noise {noise}, refusals {refusals}: {state}, minus_scale {scale}", flush=True)
    return [
        DialogueItemsAgent(),
        DialogueMaxEntropyAgent(refusals),
        DialogueMagusAgent(refusals, scale),
        DialogueBayesAgent(state, refusals),
    ]


def measured(agent: DialogueAgent, dialogues: Dialogues, scores: Tensor, noise: float, seed: int) -> dict[str, float]:
    """The means of an agent's dialogues with the ends of their 95 % intervals, and its speed."""
    start = time.perf_counter()
    log = play_dialogues(agent, dialogues, scores, noise=noise, seed=seed)
    seconds = time.perf_counter() - start
    result = summarize_dialogues(log).iloc[0]
    named = {name: float(result[name]) for shown in SHOWN for name in result.index if name.split("_")[0] == shown}
    return {**named, "dialogues/s": len(dialogues) / seconds}


def train(log: Log, recipe: str, base: str, epochs: int, seed: int) -> Tensor:
    """Scores [U, I] of the machine of a recipe, trained on the rows of a base."""
    model = FM(FMOptions(), feature_space(log.data, log.words, log.n_words), seed=seed)
    rows = part_of(log, base)
    start = time.perf_counter()
    if recipe == "default":
        judged_by = part_of(log, "later") if base == "earlier" else training_data(log.data).validation
        parts = TrainingData(rows, judged_by, f"{log.data.fingerprint}, {base}")
        epochs = fit(model, parts, TrainOptions(), seed=seed, progress=False).best_epoch + 1
    else:
        known = ItemSets.from_pairs(rows.user, rows.item, log.data.n_users, log.data.n_items)
        fit_bpr(model, rows, known, epochs, seed)
    print(f"{recipe}, base {base}: {epochs} epochs, {time.perf_counter() - start:.0f} s", flush=True)
    scores: Tensor = model.score(torch.arange(log.data.n_users), torch.arange(log.data.n_items))
    return scores


def fit_bpr(model: FM, rows: Interactions, known: ItemSets, epochs: int, seed: int) -> None:
    """Bayesian personalised ranking (Rendle et al. 2009): each row against one sampled item, which EAR trains with."""
    model.observe(rows)
    generator = torch.Generator().manual_seed(seed)
    torch.manual_seed(seed)  # the model's dropout
    optimiser = torch.optim.Adam(model.parameters(), lr=3e-3)
    model.train()
    for _ in range(epochs):
        for batch in torch.split(torch.randperm(len(rows.user), generator=generator), 1024):
            user, item = rows.user[batch], rows.item[batch]
            rank = (torch.rand(len(user), generator=generator) * known.n_outside[user]).long()
            seen, sampled = (
                model.training_terms(whole_batch(Interactions(user, items, torch.ones(len(user)))))
                for items in (item, known.outside(user, rank))
            )
            loss = F.softplus(sampled.logits - seen.logits).mean() + 1e-3 * (seen.penalty + sampled.penalty)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    model.eval()


if __name__ == "__main__":
    main()
