"""A whole shop in about two minutes: from two CSV files to a service that people buy through, and what was learned.

    python examples/shop.py [FOLDER]

It writes an item table and a log of purchases, trains on them, serves the run, lets customers find what they have in
mind (they click what they want, a query that describes it, or nothing), adds items and sells those, trains again on the
first log and on what was served, lets the service take up the new run while a session is open, and reports on what was
served.
"""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd

from magus_pyg.commands.report import main_report
from magus_pyg.commands.serve import main_serve
from magus_pyg.commands.train import main_train
from magus_pyg.serve.client import ListEntry, MagusClient, OpenList

BRANDS = ["Alpro", "Hestinell", "Kerry", "Oatly", "Verdant", "Wildwood"]
KINDS = ["cheese", "cream", "dessert", "drink", "yoghurt"]
FLAVOURS = ["almond", "cocoa", "coconut", "oat", "plain", "vanilla"]
SERVE = "from magus_pyg.commands.starting import serve; serve()"


def item_table(random: np.random.Generator, count: int, first: int = 0) -> pd.DataFrame:
    """So many items; their words say what they are, their title is what people read."""
    brand, kind, flavour = (random.choice(names, count) for names in (BRANDS, KINDS, FLAVOURS))
    return pd.DataFrame(
        {
            "item_id": [f"i{number:03}" for number in range(first, first + count)],
            "title": [f"{one} {two} {three}" for one, two, three in zip(brand, flavour, kind, strict=True)],
            "brand": brand,
            "kind": kind,
            "flavour": flavour,
            "price": np.round(random.uniform(1, 6, count), 2),
        }
    )


def purchases(random: np.random.Generator, items: pd.DataFrame, people: int, each: int) -> pd.DataFrame:
    """A log: each person likes a brand, a kind and a flavour, and buys what has most of them."""
    rows = []
    for person in range(people):
        taste = {"brand": random.choice(BRANDS), "kind": random.choice(KINDS), "flavour": random.choice(FLAVOURS)}
        liking = sum((items[field] == value).astype(float) for field, value in taste.items())
        chosen = np.argsort(-(liking + random.gumbel(0, 0.5, len(items))))[:each]
        rows += [(f"u{person:02}", items["item_id"][item], 5, 1_700_000_000 + 86_400 * step + person)
                 for step, item in enumerate(random.permutation(chosen))]  # fmt: skip
    return pd.DataFrame(rows, columns=["user_id", "item_id", "rating", "timestamp"])


def train(folder: Path, *words: str) -> Path:
    """Train; the new run folder."""
    runs = folder / "runs"
    before = set(runs.glob("*"))
    main_train([*words, "magus=bayes", "model=fm", "train.epochs=5", f"paths.runs={runs}", "simulation.resamples=50"])
    (made,) = set(runs.glob("*")) - before
    return made


@contextmanager
def service(run: Path) -> Iterator[str]:
    """The service in a process of its own: its address."""
    words = [f"run={run}", "serve.port=0", "serve.log_level=warning"]
    process = subprocess.Popen([sys.executable, "-c", SERVE, *words], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    address = next((line for line in process.stdout if line.startswith("ready: ")), "").removeprefix("ready: ").strip()
    try:
        yield address
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


def choice(shown: OpenList, wanted: pd.Series) -> ListEntry | None:
    """What a customer clicks who has an item in mind: it, else a query that describes it."""
    words = {(field, str(wanted[field])) for field in ("brand", "kind", "flavour")}
    for entry in shown.entries:
        if entry.item_id == wanted["item_id"]:
            return entry
    described = [
        entry for entry in shown.entries if entry.kind == "query" and {(w.field, w.value) for w in entry.words} <= words
    ]
    return max(described, key=lambda entry: len(entry.words), default=None)


def sell(magus: MagusClient, people: Sequence[str], wanted: pd.DataFrame, first_order: int) -> list[int]:
    """Let customers find their items and buy them; in how many lists each was found."""
    lists = []
    for number, (user, (_, item)) in enumerate(zip(people, wanted.iterrows(), strict=True)):
        shown = magus.begin(user_id=user, exclude=[], list_length=4, rounds=8)
        while not shown.done:
            last = shown
            shown = magus.answer(shown, choice(shown, item))
        if shown.found is not None:
            lists.append(shown.round)
            order = {"event_id": f"order-{first_order + number}", "kind": "purchase", "item_id": shown.found}
            of = {"user_id": user, "session_id": shown.session_id, "recommendation_id": last.recommendation_id}
            magus.send_events([{**order, **of}])
    return lists


def told(lists: Sequence[int], count: int) -> str:
    """How a sale went."""
    mean = f", after {np.mean(lists):.1f} lists" if lists else ""
    return f"{len(lists)} of {count} customers found what they had in mind{mean}"


def main(folder: Path) -> None:
    """Play the shop."""
    random = np.random.default_rng(0)
    items = item_table(random, 120)
    log = purchases(random, items, people=40, each=12)
    items.to_csv(folder / "items.csv", index=False)
    log.to_csv(folder / "interactions.csv", index=False)
    people = sorted(set(log["user_id"]))
    played = ["sessions.candidates=30", "sessions.min_interactions=5"]
    shop = ["dataset=tabular", "dataset.name=shop", f"dataset.path={folder}", "dataset.title_field=title"]
    run = train(folder, *shop, "dataset.word_fields=[brand,kind,flavour]", *played)

    with service(run) as address, MagusClient(address) as magus:
        print(f"the shop is open at {address}")
        wanted = items.sample(40, random_state=1)
        print(told(sell(magus, random.choice(people, 40), wanted, 0), 40))

        fresh = item_table(random, 10, first=len(items))
        magus.wait_for(magus.add_items(fresh.to_dict("records")))
        print("new items:", told(sell(magus, random.choice(people, 10), fresh, 100), 10))
        magus.wait_for(magus.remove_items([items["item_id"][0]]))

        pd.concat([items, fresh]).to_csv(folder / "items.csv", index=False)
        main_serve([f"run={run}", "export=true"])
        newer = train(folder, "dataset=served", f"dataset.path={run / 'serve' / 'log'}", *played)
        waiting = magus.begin(user_id=people[0], list_length=4)
        magus.wait_for(magus.reload(str(newer)))
        print("a session that was open goes on:", magus.answer(waiting, None).round == waiting.round + 1)
        print("with the new run:", told(sell(magus, random.choice(people, 40), wanted, 200), 40))
        main_serve([f"run={run}", "export=true"])
    main_report([f"runs={run / 'serve' / 'log'}", f"out={folder / 'reports'}"])


if __name__ == "__main__":
    if len(sys.argv) > 1:
        os.makedirs(sys.argv[1], exist_ok=True)
        main(Path(sys.argv[1]).resolve())
    else:
        with tempfile.TemporaryDirectory() as place:
            main(Path(place))
