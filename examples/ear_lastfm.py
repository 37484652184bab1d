"""EAR's protocol on Last.fm: 15 turns that ask one tag or show 10 artists, on the whole catalogue.

    python examples/ear_lastfm.py [--dialogues 1000] [--noise 0 0.1] [--base train all] [--loss bce bpr] [--data FOLDER]

Trains the factorization machine, fits the agents on validation dialogues, plays the test dialogues and prints a table
with 95 % intervals over users. `--base train` scores with the model of the training part, `--base all` with one
trained again on training and validation part, which is what a test dialogue's user is known by. What is chosen (epochs,
belief, plan, MAGUS's R- weight) is chosen on validation dialogues with the model of the training part: the last three
of each user, since the log drifts towards rarely played artists.

The data folder (FOLDER/lastfm-ear with interactions.csv.gz and items.csv.gz) is --data or the variable MAGUS_DATA.
"""

import argparse
import os
import sys
import time
from pathlib import Path

import pandas as pd
import torch
from torch import Tensor
from torch.nn import functional as F

from magus_pyg.data import ItemSets, RecDataset, TabularOptions, items_of_users, load_dataset
from magus_pyg.dialogues import (
    DialogueAgent,
    DialogueBayesAgent,
    DialogueItemsAgent,
    DialogueMagusAgent,
    DialogueMaxEntropyAgent,
    Dialogues,
    build_dialogues,
    choose_minus_scale,
    dialogue_log_likelihood,
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
SHOWN = ["SR@5", "SR@10", "SR@15", "AT", "hDCG", "asks"]


def main() -> None:
    """Run the study and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dialogues", type=int, default=0, help="test dialogues played, spread evenly; 0 for all")
    parser.add_argument("--fit-dialogues", type=int, default=1500, help="validation dialogues that choices are made on")
    parser.add_argument("--noise", type=float, nargs="+", default=[0.0, 0.1], help="share of flipped answers")
    parser.add_argument("--base", nargs="+", default=["train", "all"], choices=["train", "all"])
    parser.add_argument("--loss", nargs="+", default=["bce"], choices=["bce", "bpr"])
    parser.add_argument("--negatives", type=int, default=1, help="sampled items a positive row, for bce")
    parser.add_argument("--epochs", type=int, default=40, help="at most, for bce; exactly, for bpr")
    parser.add_argument("--data", type=Path, default=os.environ.get("MAGUS_DATA"), help="folder that holds lastfm-ear")
    parser.add_argument("--out", type=Path, help="CSV file for the table")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    if arguments.data is None or not (Path(arguments.data) / LASTFM.path).is_dir():
        sys.exit(f"no folder {LASTFM.path} in {arguments.data}: give --data or set MAGUS_DATA")

    data = load_dataset(LASTFM, Path(arguments.data))
    words = build_word_table(data.items, data.word_fields, data.merge_fields, data.max_share)
    dialogues = {
        part: build_dialogues(data, words.item_words, len(words.words), part, arguments.seed)
        for part in ("validation", "test")
    }
    test = spread(dialogues["test"], arguments.dialogues)
    chosen_on = spread(latest_dialogues(dialogues["validation"], 3), arguments.fit_dialogues)
    print(f"{len(test)} test dialogues; choices are made on {len(chosen_on)} validation dialogues", flush=True)
    rows = []
    for loss in arguments.loss:
        scores = train(data, words.item_words, len(words.words), loss, arguments)
        rows += study(scores, chosen_on, test, loss, arguments)
    table = pd.DataFrame(rows)
    with pd.option_context("display.width", 250, "display.max_columns", None, "display.max_rows", None):
        print(table.to_string(index=False))
    if arguments.out:
        table.to_csv(arguments.out, index=False)


def spread(dialogues: Dialogues, count: int) -> Dialogues:
    """`count` dialogues at equal distances; all for 0."""
    if count <= 0 or count >= len(dialogues):
        return dialogues
    return dialogues.take(torch.arange(count) * len(dialogues) // count)


def study(
    scores: dict[str, Tensor], chosen_on: Dialogues, test: Dialogues, loss: str, arguments: argparse.Namespace
) -> list[dict[str, object]]:
    """A row a (base, noise, use of refusals, agent)."""
    rows = []
    for noise in arguments.noise:
        for refusals in (True, False):
            state = fit_dialogue_bayes(chosen_on, scores["train"], noise, refusals, seed=arguments.seed)
            scale = choose_minus_scale(chosen_on, scores["train"], noise, refusals, seed=arguments.seed)
            print(f"{loss}, noise {noise}, refusals {refusals}: {state}, minus_scale {scale}", flush=True)
            agents: list[DialogueAgent] = [
                DialogueItemsAgent(),
                DialogueMaxEntropyAgent(refusals),
                DialogueMagusAgent(refusals, scale),
                DialogueBayesAgent(state, refusals),
            ]
            for base in arguments.base:
                likelihood = dialogue_log_likelihood(test, scores[base], state)
                print(f"  mean log-likelihood of the test targets, base {base}: {likelihood:.3f}", flush=True)
                for agent in agents:
                    start = time.perf_counter()
                    log = play_dialogues(agent, test, scores[base], noise=noise, seed=arguments.seed)
                    seconds = time.perf_counter() - start
                    result = summarize_dialogues(log).iloc[0]
                    row: dict[str, object] = {"loss": loss, "base": base, "noise": noise, "refusals": refusals}
                    row["agent"] = agent.name
                    for name in SHOWN:
                        row[name] = f"{result[name]:.3f}"
                        if name != "asks":
                            row[name] = f"{row[name]} [{result[f'{name}_low']:.3f}, {result[f'{name}_high']:.3f}]"
                    row["dialogues/s"] = round(len(test) / seconds)
                    rows.append(row)
                    print("  " + "  ".join(str(value) for value in row.values()), flush=True)
    return rows


def train(
    data: RecDataset, item_words: Ragged, n_words: int, loss: str, arguments: argparse.Namespace
) -> dict[str, Tensor]:
    """Scores [U, I] of the machine trained on the training part, and of the one trained on all that is known."""
    features = feature_space(data, item_words, n_words)
    known = training_data(data)
    both = Interactions(*(torch.cat([getattr(known.train, n), getattr(known.validation, n)]) for n in COLUMNS))
    everything = TrainingData(both, known.validation, known.fingerprint)
    scores, epochs = {}, arguments.epochs
    for base, rows in (("train", known), ("all", everything)):
        if base == "all" and base not in arguments.base:
            continue
        model = FM(FMOptions(dropout=0.2 if loss == "bce" else 0.0), features, seed=arguments.seed)
        start = time.perf_counter()
        if loss == "bce":
            # A constant learning rate: on a log that drifts, the validation loss rises long before the ranking is
            # learned, and a rate that falls with it ends the training early.
            options = TrainOptions(
                epochs=epochs,
                negatives=arguments.negatives,
                lr_patience=epochs,
                patience=8 if base == "train" else epochs,
            )
            result = fit(model, rows, options, seed=arguments.seed, progress=False)
            epochs = result.best_epoch + 1 if base == "train" else epochs
        else:
            parts = ("train",) if base == "train" else ("train", "validation")
            fit_bpr(model, rows.train, items_of_users(data, parts), epochs, arguments.seed)
        print(f"{loss}, base {base}: {epochs} epochs, {time.perf_counter() - start:.0f} s", flush=True)
        scores[base] = model.score(torch.arange(data.n_users), torch.arange(data.n_items))
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
