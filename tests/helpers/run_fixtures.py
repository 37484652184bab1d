"""A tiny run, made once through the command's own function, for all tests of run folders and commands."""

import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from magus_pyg.commands.train import main_train

TINY = ["dataset.users=60", "dataset.items=160", "dataset.brands=8", "train.epochs=1", "simulation.resamples=50"]


def train(runs: Path, *words: str) -> Path:
    """Train a tiny model and return the new run folder."""
    before = set(runs.glob("*"))
    main_train([*TINY, f"paths.runs={runs}", *words])
    (path,) = set(runs.glob("*")) - before
    return path


@pytest.fixture(scope="session")
def trainer() -> Callable[..., Path]:
    """`train(runs, *words)`."""
    return train


@pytest.fixture(scope="session")
def tiny_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder; tests that change it copy it first."""
    return train(tmp_path_factory.mktemp("runs"))


SHOP_ITEMS = """item_id,title,brand,category,price,image
m1,Alpro milk,Alpro,milk,1.99,m1.jpg
m2,Oatly milk,Oatly,milk,2.49,m2.jpg
m3,Oatly barista,Oatly,milk|barista,3.49,m3.jpg
c1,Alpro cheese,Alpro,cheese,4.99,c1.jpg
c2,Kerry cheese,Kerry,cheese,2.99,c2.jpg
j1,Kerry juice,Kerry,juice,1.49,j1.jpg
"""
SHOP_WORDS = [
    "dataset=tabular", "dataset.name=shop", "dataset.word_fields=[brand,category,price]", "dataset.title_field=title",
    "+dataset.bands={price: 2}", "sessions.min_interactions=1", "sessions.candidates=4", "model=fm", "magus=base",
    "train.epochs=1", "simulation.resamples=50", "simulation.rounds=2",
]  # fmt: skip


@pytest.fixture(scope="session")
def shop_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on two CSV files: six items with titles, bands of prices, and a column that is no word."""
    folder = tmp_path_factory.mktemp("shop")
    (folder / "items.csv").write_text(SHOP_ITEMS, encoding="utf-8")
    items = [line.split(",")[0] for line in SHOP_ITEMS.splitlines()[1:]]
    rows = [
        f"u{user},{items[(user + step) % 6]},{5 if (user + step) % 3 else 1},{10 * user + step}"
        for user in range(12)
        for step in range(5)
    ]
    (folder / "interactions.csv").write_text("\n".join(["user_id,item_id,rating,timestamp", *rows]) + "\n")
    runs = folder / "runs"
    main_train([*SHOP_WORDS, f"dataset.path={folder}", f"paths.runs={runs}"])
    (path,) = runs.glob("*")
    return path


@pytest.fixture(scope="session")
def free_port() -> Callable[[], int]:
    """Gives a port that nothing listens on."""

    def find() -> int:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            return int(free.getsockname()[1])

    return find
