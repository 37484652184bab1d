"""The synthetic world: the same every time, learnable, and readable."""

import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from repository import ROOT
from scipy.stats import rankdata

from magus_pyg.agents import MagusAgent
from magus_pyg.data import RecDataset, SessionOptions, SyntheticOptions, build_sessions, load_dataset, searched_words
from magus_pyg.data.synthetic.shop import _prices
from magus_pyg.data.synthetic.shop_words import PRICE_BANDS, SERIES, SHELVES, UNKNOWN_WORDS, brand_names
from magus_pyg.errors import ConfigError
from magus_pyg.graph import build_relational_graph
from magus_pyg.simulation import simulate, summarize


@pytest.fixture(scope="module")
def default() -> RecDataset:
    return load_dataset(SyntheticOptions())


def auc(label: np.ndarray, score: np.ndarray) -> float:
    """Area under the ROC curve by ranks (Mann and Whitney)."""
    positive = label == 1
    n = positive.sum()
    return float((rankdata(score)[positive].sum() - n * (n + 1) / 2) / (n * (~positive).sum()))


def test_same_seed_same_data(default):
    assert load_dataset(SyntheticOptions()).fingerprint == default.fingerprint
    assert load_dataset(SyntheticOptions(seed=1)).fingerprint != default.fingerprint


def test_the_data_stay_what_they_are(default):
    assert default.fingerprint == "1961ad29a98424f15a08b87c5200b1f8db31e7340a5fa2583e288a15e8b6c521"


def test_titles_are_readable_and_a_function_of_seed_and_item(default):
    items = default.items
    assert default.title_field == "title"
    assert items["title"].iloc[5] == "Estasel Indigo handmade black suede boots, 124.99"
    assert items["title"].nunique() > 0.99 * len(items)
    for _, row in items.iterrows():
        named, price = row["title"].split(", ")
        assert price == row["price"]
        words = named.split()
        series = [word for word in words if word in SERIES]
        assert len(series) == 1
        words.remove(series[0])
        parts = [row["brand"], row["trait"], row["colour"], row["material"], row["kind"]]
        assert " ".join(words) == " ".join(filter(None, parts))
    others = [load_dataset(SyntheticOptions(items=50)), load_dataset(SyntheticOptions(seed=1))]
    series_of = [
        [next(word for word in title.split() if word in SERIES) for title in data.items["title"]]
        for data in (default, *others)
    ]
    assert series_of[1] == series_of[0][:50]
    assert series_of[2] != series_of[0]
    words = set().union(*(set(items[column]) for column in default.word_columns))
    assert not words & set(SERIES)


def test_the_page_shows_items_of_the_shop(default):
    shown = re.findall(r"^\| (.*, \d+\.\d\d) \| (.*) \|$", (ROOT / "docs" / "shop.md").read_text("utf-8"), re.M)
    assert len(shown) == 3
    items = default.items.set_index("title")[list(default.word_columns)]
    for title, words in shown:
        assert words == ", ".join(filter(None, items.loc[title]))


def test_prices_are_written_as_shops_do_and_follow_kind_and_band(default):
    value = np.array([0.97, 1.84, 19.97, 20.4, 49.6, 128.0])
    assert _prices(value).tolist() == ["0.99", "1.79", "19.99", "19.99", "49.99", "127.99"]
    usual = {kind: price for shelf in SHELVES for kind, price in shelf.kinds.items()}
    ratio = default.items["price"].astype(float) / default.items["kind"].map(usual)
    middle = ratio.groupby(default.items["price_band"]).median()
    assert {band: round(middle[band], 1) for band in PRICE_BANDS} == PRICE_BANDS


def test_sizes(default):
    assert (default.n_users, default.n_items) == (600, 1000)
    counts = np.diff(default.user_ptr)
    assert counts.min() >= 30
    assert 55 < counts.mean() < 65
    assert 0.55 < default.label.mean() < 0.61
    assert default.notes.keys() <= {"items without history"}
    pairs = default.user * default.n_items + default.item
    assert np.unique(pairs).size == pairs.size  # nobody meets an item twice
    assert len(build_sessions(default, "test", SessionOptions(), 0)) > 590


def test_words_are_readable_and_fit_together(default):
    columns = list(default.word_columns)
    assert columns == ["brand", "department", "category", "kind", "colour", "material", "trait", "price_band"]
    shelves = {shelf.category: shelf for shelf in SHELVES}
    for _, row in default.items.iterrows():
        shelf = shelves[row["category"]]
        assert row["department"] == shelf.department
        assert row["kind"] in shelf.kinds
        for name in ("trait", "colour", "material"):
            assert row[name] in ("", *shelf.attributes.get(name, ()))
    branded = default.items[default.items["brand"] != ""].groupby("brand")
    assert branded["department"].nunique().max() == 1
    assert branded["category"].nunique().max() == 3
    assert default.items["department"].value_counts(normalize=True).between(0.25, 0.4).all()
    number = (default.items[columns] != "").sum(axis=1)
    assert number.between(3, 8).all()
    assert 5.1 < number.mean() < 5.6
    assert default.users["age"].nunique() == 5
    values = [set(default.items[column]) - {""} for column in columns]
    assert len(set.union(*values)) == sum(len(value) for value in values)  # no word stands in two fields
    assert len(set(brand_names(900))) == 900


def test_shelves_are_alike_in_size_and_every_word_has_one_field():
    assert len({len(shelf.kinds) for shelf in SHELVES}) == 1
    departments = [shelf.department for shelf in SHELVES]
    assert departments == sorted(departments, key=departments.index)  # the shelves of a department stand together
    assert len({departments.count(name) for name in departments}) == 1
    field_of: dict[str, str] = {}
    for shelf in SHELVES:
        named = {"department": [shelf.department], "category": [shelf.category], "kind": shelf.kinds}
        for name, words in (named | shelf.attributes).items():
            for word in words:
                assert field_of.setdefault(word, name) == name


def rates_by_word(data: RecDataset) -> np.ndarray:
    """Scores [U, I]: the mean over an item's words of the share of positives among the user's training rows with the
    word, drawn by two more rows towards the user's share among all rows, less that share."""
    table = data.items[list(data.word_columns)].to_numpy()
    words, code = np.unique(table.astype(str), return_inverse=True)
    has = np.zeros((data.n_items, len(words)))
    has[np.arange(data.n_items).repeat(table.shape[1]), code.ravel()] = 1.0
    has = has[:, words != ""]
    train = data.rows("train")
    seen, liked = np.zeros((2, data.n_users, data.n_items))
    seen[data.user[train], data.item[train]] = 1.0
    liked[data.user[train], data.item[train]] = data.label[train]
    own = liked.sum(axis=1, keepdims=True) / seen.sum(axis=1, keepdims=True)
    rate = (liked @ has + 2 * own) / (seen @ has + 2) - own
    scores: np.ndarray = rate @ has.T / has.sum(axis=1)
    return scores


def test_words_are_what_people_decide_by(default):
    test = default.rows("test")
    user, item, label = default.user[test], default.item[test], default.label[test]
    assert auc(label, rates_by_word(default)[user, item]) > 0.72
    # The same items with each other's words: nothing is known from words any more.
    other = np.random.default_rng(0).permutation(default.n_items)
    columns = list(default.word_columns)
    shuffled = default.items.assign(**{name: default.items[name].to_numpy()[other] for name in columns})
    assert auc(label, rates_by_word(replace(default, items=shuffled))[user, item]) < 0.6


def test_magus_asks_in_sessions_of_the_shop(default):
    graph = build_relational_graph(
        default.items, default.word_fields, merge_fields=default.merge_fields, max_share=default.max_share
    )
    scores = torch.from_numpy(rates_by_word(default))
    sessions = build_sessions(default, "test", SessionOptions(), 0, torch.arange(200))
    log = simulate(MagusAgent(graph, scores), sessions, rounds=3, list_length=3)
    (row,) = summarize(log, rounds=(3,)).to_dict("records")
    assert row["query_rounds"] > 0.1


def test_popularity_is_unequal(default):
    counts = np.sort(np.bincount(default.item, minlength=1000))[::-1]
    assert counts[:100].sum() > 0.25 * counts.sum()


@pytest.fixture
def _one_thread():
    # Tiny products: several threads only wait for each other.
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def factorisation(data: RecDataset) -> np.ndarray:
    """Scores of the test rows by a small factorisation machine of user, item and words."""
    torch.manual_seed(0)
    words = {}
    table = data.items[list(data.word_columns)].to_numpy()
    rows = [[words.setdefault(value, len(words)) for value in row if value] for row in table]
    mean = torch.zeros(data.n_items, len(words))
    for item, row in enumerate(rows):
        mean[item, row] = 1.0 / len(row)
    user, item, word = (torch.nn.Parameter(torch.randn(n, 17) * 0.05) for n in (data.n_users, data.n_items, len(words)))
    optimizer = torch.optim.Adam([user, item, word], lr=0.01)

    def logit(u: torch.Tensor, i: torch.Tensor) -> torch.Tensor:
        thing = (item + mean @ word)[i]
        return (user[u, :16] * thing[:, :16]).sum(1) + user[u, 16] + thing[:, 16]

    train, test = data.rows("train"), data.rows("test")
    u, i = torch.from_numpy(data.user), torch.from_numpy(data.item)
    y = torch.from_numpy(data.label).float()
    for _ in range(10):
        for batch in torch.from_numpy(train)[torch.randperm(train.size)].split(1000):
            loss = torch.nn.functional.binary_cross_entropy_with_logits(logit(u[batch], i[batch]), y[batch])
            loss = loss + 2e-3 * (user[u[batch]] ** 2).sum(1).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return logit(u[test], i[test]).detach().numpy()


@pytest.mark.usefixtures("_one_thread")
def test_a_factorisation_machine_learns_much_more_than_popularity(default):
    test = default.rows("test")
    train = default.rows("train")
    popularity = np.bincount(default.item[train], weights=default.label[train], minlength=default.n_items)
    assert auc(default.label[test], factorisation(default)) > 0.74
    assert auc(default.label[test], popularity[default.item[test]]) < 0.62


def test_searches(default):
    searched = default.searched
    words = set(default.items[list(default.word_columns)].to_numpy().ravel()) - {""}
    seen = [text.split("|") for text in searched["words"]]
    strange = np.array([any(word not in words for word in query) for query in seen])
    assert 0.1 < strange.mean() < 0.2
    assert {word for query in seen for word in query} - words == set(UNKNOWN_WORDS)
    assert {len(query) for query in seen} == {1, 2, 3, 4}
    assert 5 < len(searched) / default.n_users < 7
    rows, _ = searched_words(default, build_sessions(default, "test", SessionOptions(), 0), "test")
    assert (rows.lengths > 0).float().mean() > 0.9
    assert load_dataset(SyntheticOptions(users=20, items=50, mean_searches=0.0)).searched.empty


@pytest.mark.parametrize(("users", "items", "least"), [(1, 1, 1), (1, 40, 30), (3, 2, 5), (50, 1, 1)])
def test_small_worlds(users, items, least):
    options = SyntheticOptions(users=users, items=items, min_interactions=least, mean_interactions=least, brands=1)
    data = load_dataset(options)
    assert (data.n_users, data.n_items) == (users, items)
    assert np.diff(data.user_ptr).tolist() == [min(least, items)] * users
    assert load_dataset(options).fingerprint == data.fingerprint


def test_many_users_are_made_in_blocks(monkeypatch):
    options = SyntheticOptions(users=30, items=60, min_interactions=5, mean_interactions=10)
    monkeypatch.setattr("magus_pyg.data.synthetic.shop._CELLS", 60 * 7)
    data = load_dataset(options)
    assert np.diff(data.user_ptr).min() >= 5
    assert set(data.searched["user"]) <= set(range(30))
    words = set(data.items[list(data.word_columns)].to_numpy().ravel()) | set(UNKNOWN_WORDS)
    assert all(set(text.split("|")) <= words for text in data.searched["words"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"users": 0}, r"users must be at least 1 \(got 0\)"),
        ({"items": 0}, "items must be at least 1"),
        ({"brands": -1}, "brands must be at least 1"),
        ({"min_interactions": 0}, "min_interactions must be at least 1"),
        ({"mean_interactions": 10.0}, r"mean_interactions \(10.0\) must be at least min_interactions \(30\)"),
        ({"drift": -0.1}, "drift must be at least 0"),
        ({"positive_share": 1.0}, r"positive_share must be in \(0, 1\)"),
        ({"unknown_words": 1.5}, r"unknown_words must be in \[0, 1\]"),
        ({"max_words": 0}, "max_words must be at least 1"),
        ({"word_fields": ["brand", "size"]}, "no word field 'size'; there are brand, department"),
        ({"profile_fields": ["gender"]}, "no profile field 'gender'; there are age, region"),
    ],
)
def test_bad_options(change, message):
    with pytest.raises(ConfigError, match=message):
        load_dataset(replace(SyntheticOptions(users=2, items=5), **change))
