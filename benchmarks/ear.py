"""Dialogues a second of each agent of EAR's protocol, and how that grows with the catalogue.

Random catalogues of Last.fm's shape (33 attributes, the most common on half of the items, 2 to 26 an item) and random
scores lifted on the targets; the literal one-dialogue player of the tests beside it.

    python benchmarks/ear.py [--items 1000 7432 20000] [--dialogues 1000] [--threads 1] [--literal 10]
"""

import argparse
import importlib
import sys
import time
from pathlib import Path

import torch
from _common import machine

from magus_pyg.data import ItemSets
from magus_pyg.dialogues import (
    DialogueAgent,
    DialogueBayesAgent,
    DialogueBayesState,
    DialogueItemsAgent,
    DialogueMagusAgent,
    DialogueMaxEntropyAgent,
    Dialogues,
    play_dialogues,
)

ROOT = Path(__file__).resolve().parents[1]
N_USERS, N_WORDS, KNOWN = 1800, 33, 38


def main() -> None:
    """Run the benchmark and print one line a measurement."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, nargs="+", default=[1000, 7432, 20000])
    parser.add_argument("--dialogues", type=int, default=1000)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--literal", type=int, default=10, help="dialogues that the literal player plays")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    print(f"{machine()}, {arguments.threads} thread(s), {arguments.dialogues} dialogues, 15 turns, lists of 10")
    for n_items in arguments.items:
        dialogues, scores = catalogue(n_items, arguments.dialogues)
        agents: list[tuple[str, DialogueAgent, float]] = [
            ("items", DialogueItemsAgent(), 0.0),
            ("max_entropy", DialogueMaxEntropyAgent(), 0.0),
            ("magus", DialogueMagusAgent(minus_scale=0.3), 0.0),
            ("bayes", DialogueBayesAgent(), 0.0),
            ("bayes, noise 0.1", DialogueBayesAgent(DialogueBayesState(error_rate=0.1)), 0.1),
        ]
        for name, agent, noise in agents:
            began, cpu = time.perf_counter(), time.process_time()
            log = play_dialogues(agent, dialogues, scores, noise=noise)
            wall, cpu = time.perf_counter() - began, time.process_time() - cpu
            print(
                f"{n_items:6d} items, {name}: {len(dialogues) / wall:,.0f} dialogues/s "
                f"({len(dialogues) / cpu:,.0f} a CPU second), {1000 * cpu / len(log):.2f} CPU ms a turn",
                flush=True,
            )
        if arguments.literal:
            speed = literal(dialogues, scores, arguments.literal)
            print(f"{n_items:6d} items, bayes by the literal player: {speed:.2f} dialogues/s", flush=True)


def catalogue(n_items: int, count: int) -> tuple[Dialogues, torch.Tensor]:
    """A random catalogue, known items, dialogues and scores."""
    generator = torch.Generator().manual_seed(0)
    share = 0.5 / torch.arange(1, N_WORDS + 1) ** 0.8
    has = torch.rand((n_items, N_WORDS), generator=generator) < share
    has[torch.arange(n_items), torch.randint(N_WORDS, (n_items,), generator=generator)] = True
    user = torch.randint(N_USERS, (count,), generator=generator)
    target = torch.randint(n_items, (count,), generator=generator)
    known_user = torch.arange(N_USERS).repeat_interleave(KNOWN)
    known_item = torch.randint(n_items, (len(known_user),), generator=generator)
    free = ~torch.isin(known_user * n_items + known_item, user * n_items + target)
    known = ItemSets.from_pairs(known_user[free], known_item[free], N_USERS, n_items)
    given = torch.multinomial(has[target].to(torch.float32), 1, generator=generator).squeeze(1)
    scores = torch.randn((N_USERS, n_items), generator=generator)
    scores[user, target] += 1.0
    return Dialogues(user, target, given, has, known), scores


def literal(dialogues: Dialogues, scores: torch.Tensor, count: int) -> float:
    """Dialogues a second of the tests' literal player."""
    sys.path[:0] = [str(ROOT / "tests" / "helpers")]
    literal_dialogues = importlib.import_module("literal_dialogues")
    policy = literal_dialogues.bayes_policy(DialogueBayesState())
    has = [frozenset(torch.nonzero(row).flatten().tolist()) for row in dialogues.has]
    popularity = torch.bincount(dialogues.known.item, minlength=len(has)).tolist()
    start = time.perf_counter()
    for place in range(count):
        user = int(dialogues.user[place])
        first, last = dialogues.known.ptr[user : user + 2].tolist()
        known = frozenset(dialogues.known.item[first:last].tolist())
        target, given = int(dialogues.target[place]), int(dialogues.given[place])
        dialogue = literal_dialogues.Dialogue(
            has, scores[user].tolist(), known, target, given, place, N_WORDS, popularity, 15, 10, 0.0, True, 0, known
        )
        literal_dialogues.play(dialogue, policy)
    return count / (time.perf_counter() - start)


if __name__ == "__main__":
    main()
