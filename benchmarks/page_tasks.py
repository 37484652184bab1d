"""Twenty tasks of a new user on the page: how many lists they look at, beside a shop that lists items alone.

    python benchmarks/page_tasks.py synthetic=RUN ml-100k=RUN completejourney=RUN --out benchmarks/page_tasks.csv
    python benchmarks/page_tasks.py --out benchmarks/page_tasks.csv --write    # into docs/page.md

Who tries a task types its text on the start page. In each list they take an item that fits, else the first words that
more than half of all items that fit have (whoever wants pasta sauce says yes to groceries), else none of these. Items
alone are those of the same guest, in the order of their scores, as many in a list. Nothing is sampled, so the same runs
give the same rows.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import torch

from magus_pyg.graph import n_items, words_of
from magus_pyg.online import OnlineSession
from magus_pyg.runs import Run, load_run
from magus_pyg.serve.pages.page_sessions import NEW, PageSessions
from magus_pyg.serve.pages.page_views import item_key, words_key
from magus_pyg.serve.serve_options import ServeOptions
from magus_pyg.serve.service import Service
from magus_pyg.serve.shown_lists import Say
from magus_pyg.serve.stores import open_store

PAGE = Path(__file__).resolve().parents[1] / "docs" / "page.md"
MARKS = ("<!-- tasks -->", "<!-- end of tasks -->")
LENGTH, LISTS = 6, 10
LOW, HIGH = "price 0 to 1.4", "price 5.1 to 499.99"


@dataclass(frozen=True)
class Task:
    """What somebody writes, and which items would do."""

    text: str
    wanted: tuple[str, ...]
    unwanted: tuple[str, ...] = ()


TASKS = {
    "synthetic": (
        Task("black boots", ("boots", "black")),
        Task("a cheap scarf", ("scarf", "budget")),
        Task("dark chocolate, vegan", ("dark chocolate", "vegan")),
        Task("organic green tea, nothing expensive", ("green tea", "organic"), ("premium",)),
        Task("something handmade of oak", ("oak", "handmade")),
        Task("a red coat, not wool", ("coat", "red"), ("wool",)),
        Task("lactose-free cheddar", ("cheddar", "lactose-free")),
    ),
    "ml-100k": (
        Task("a comedy from the nineties, not romance", ("Comedy", "1990s"), ("Romance",)),
        Task("film noir of the 1940s", ("Film-Noir", "1940s")),
        Task("sci-fi and horror", ("Sci-Fi", "Horror")),
        Task("a western from the 1960s", ("Western", "1960s")),
        Task("animation for children, no musical", ("Animation", "Children's"), ("Musical",)),
        Task("war drama 1980s", ("War", "Drama", "1980s")),
        Task("crime thriller without action", ("Crime", "Thriller"), ("Action",)),
    ),
    "completejourney": (
        Task("cheap pasta sauce", ("PASTA SAUCE", LOW)),
        Task("chocolate milk", ("CHOCOLATE MILK",)),
        Task("cat food, not private", ("CAT FOOD",), ("Private",)),
        Task("string cheese", ("STRING CHEESE",)),
        Task("italian bread", ("BREAD:ITALIAN/FRENCH",)),
        Task("expensive coffee", ("COFFEE", HIGH)),
    ),
}


def fits(session_words: set[str], task: Task) -> bool:
    """Whether an item with these words would do."""
    return session_words.issuperset(task.wanted) and not session_words.intersection(task.unwanted)


def values(session: OnlineSession, node: int) -> set[str]:
    """The words of a node, without their fields."""
    return {word.value for word in words_of(session.graph, node)}


def with_the_page(sessions: PageSessions, task: Task, good: list[set[str]]) -> tuple[int | None, str]:
    """Lists that are looked at until one has an item that fits, the first one included; and what was not understood.
    `good` are the words of all items that fit."""
    said = sessions.write(NEW, 1, "visitor-of-tasks", "en", task.text, False)
    session_id, step, unread = said.session_id, said.step, said.unread
    for number in range(2, LISTS + 1):

        def answer(session: OnlineSession, step: int, say: Say) -> str | None:
            listed = session.recommend()
            for entry in listed:
                if entry.item_id is not None and fits(values(session, entry.node), task):
                    return item_key(entry.item_id)
            queries = {words_key(one.words): values(session, one.node) for one in listed if one.item_id is None}
            held = {key: sum(own <= words for words in good) for key, own in queries.items()}
            return next((key for key, count in held.items() if 2 * count > len(good)), None)

        click = sessions.past(session_id, step, answer, False)
        step = sessions.answer(session_id, step, "", "en", click or "", (), False).step
        if sessions.past(session_id, step, lambda session, step, say: session.found is not None, False):
            return number, unread
    return None, unread


def items_alone(run: Run, task: Task) -> tuple[int, list[set[str]]]:
    """Lists that are looked at where items are listed by their scores; and the words of all items that fit."""
    order = torch.argsort(run.scores(), descending=True, stable=True).tolist()
    told = [{word.value for word in words_of(run.graph, node)} for node in order]
    good = [place for place, words in enumerate(told) if fits(words, task)]
    return (good[0] // LENGTH + 1 if good else 0), [told[place] for place in good]


def rows(name: str, path: Path) -> Iterator[dict[str, object]]:
    """The rows of a data set; `lists` is above `LISTS` where none had an item that fits."""
    run = load_run(path)
    service = Service(run, ServeOptions(list_length=LENGTH, rounds=LISTS, variant="bayes"), open_store("memory:"))
    sessions = PageSessions(service)
    for task in TASKS[name]:
        alone, good = items_alone(run, task)
        taken, unread = with_the_page(sessions, task, good)
        row = {"data set": name, "text": task.text, "fitting": len(good), "items": n_items(run.graph)}
        yield {**row, "lists": LISTS + 1 if taken is None else taken, "items alone": alone, "not understood": unread}


def table(found: pd.DataFrame) -> str:
    """The rows as Markdown."""
    lines = [
        "| data set | what was written | items that fit | lists with the page | items alone | not understood |",
        "|---|---|---|---|---|---|",
    ]
    for row in found.fillna("").to_dict("records"):
        lists = f"more than {LISTS}" if row["lists"] > LISTS else row["lists"]
        fitting = f"{row['fitting']:,} of {row['items']:,}"
        cells = [row["data set"], row["text"], fitting, lists, f"{row['items alone']:,}", row["not understood"]]
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines)


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="*", metavar="DATA=RUN")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--write", action="store_true", help="write the table of the rows into docs/page.md")
    asked = parser.parse_args()
    named = [word.partition("=") for word in asked.runs]
    if any(name not in TASKS or not path for name, _, path in named):
        parser.error(f"runs are DATA=RUN, DATA one of {', '.join(TASKS)}")
    if named:
        pd.DataFrame([row for name, _, path in named for row in rows(name, Path(path))]).to_csv(asked.out, index=False)
    found = pd.read_csv(asked.out)
    print(table(found))
    if asked.write:
        before, rest = PAGE.read_text(encoding="utf-8").split(MARKS[0])
        after = rest.split(MARKS[1])[1]
        PAGE.write_text(f"{before}{MARKS[0]}\n{table(found)}\n{MARKS[1]}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
