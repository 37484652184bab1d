"""A seeded shop: readable items with titles and prices, people with tastes, what they saw, liked and searched.

Everything but the titles' series is drawn from one numpy Generator, so the same options give the same data set on every
machine with the same numpy. Groceries, clothing and household goods stand on shelves; a brand fills a few shelves of
one department, and an item has attributes of its shelf (`shop_words`). A user's taste and a word are vectors; what a
user thinks of an item is the sum over the item's words of their products, those of departments weighing most, plus
favourites, a fitting price and the item's quality. A user sees items in proportion to popularity and taste, and the
answer is a coin with the logistic of that utility: so words are what people decide by, there is much to learn, and a
bound to how well.
"""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from scipy.special import expit

from magus_pyg.data.assemble import InteractionLog, SourceTables, assemble
from magus_pyg.data.dataset import RecDataset
from magus_pyg.data.dataset_options import DatasetOptions, check_dataset_options
from magus_pyg.data.synthetic import shop_words as vocabulary
from magus_pyg.errors import ConfigError
from magus_pyg.options import at_least, at_most, between, check_options
from magus_pyg.random import integers

__all__ = ["SyntheticOptions", "check_synthetic", "load_synthetic"]

_START = 1_672_531_200  # 1 January 2023, UTC
_YEAR = 365 * 24 * 3600
_PERSONAS = 8
_RANK = 6  # dimension of tastes
_CELLS = 4_000_000  # users x items that are held at once
_TITLES = 1  # a key of the numbers behind titles
# How much a word of each field moves what people think of an item: departments most, then what it is and is like.
_STRENGTH = {
    "brand": 0.6, "department": 1.5, "category": 1.0, "kind": 0.8, "trait": 1.0, "colour": 0.5, "material": 0.7,
    "price_band": 0.3,
}  # fmt: skip
_GIVEN = {"trait": 0.4, "colour": 0.4, "material": 0.5}  # share of items with a value, where the shelf has some


@dataclass
class SyntheticOptions(DatasetOptions):
    """Options of the synthetic data set.

    Attributes:
        seed: same seed and sizes, same data set.
        users: number of users, at least 1.
        items: number of items, at least 1.
        brands: number of brands, at least 1.
        min_interactions: fewest rows of a user, at least 1; at most one row an item.
        mean_interactions: mean rows of a user.
        mean_searches: mean searched queries of a user; 0 for none.
        zipf: exponent of the items' popularity; 0 for equal popularity.
        sharpness: how firmly answers follow taste; 0 makes them coin tosses.
        positive_share: share of positive rows to be expected, above 0 and below 1.
        taste_share: how strongly exposure follows taste beside popularity, at least 0.
        drift: how far tastes move in the year, 0 for not at all.
        unknown_words: share of the searched queries with a word that no item has, in [0, 1].
    """

    name: str = "synthetic"
    word_fields: list[str] = field(
        default_factory=lambda: ["brand", "category", "colour", "material", "trait", "price_band"]
    )
    merge_fields: dict[str, list[str]] = field(default_factory=lambda: {"category": ["department", "category", "kind"]})
    profile_fields: list[str] = field(default_factory=lambda: ["age", "region"])
    title_field: str = "title"
    seed: int = 0
    users: int = 600
    items: int = 1000
    brands: int = 60
    min_interactions: int = 30
    mean_interactions: float = 60.0
    mean_searches: float = 6.0
    zipf: float = 0.7
    sharpness: float = 2.0
    positive_share: float = 0.58
    taste_share: float = 0.5
    drift: float = 0.3
    unknown_words: float = 0.15


@dataclass(frozen=True)
class _Catalogue:
    """Items as codes: `codes` int64 [I, F] of word ids (-1: none), `words` [W] the values, `strength` float64 [W] how
    much each moves a utility, `band` the price band as a number, and the fields as texts."""

    frame: pd.DataFrame
    words: np.ndarray
    codes: np.ndarray
    strength: np.ndarray
    band: np.ndarray
    quality: np.ndarray
    popularity: np.ndarray


@dataclass(frozen=True)
class _People:
    """Tastes: `early` and `late` float64 [U, W] are the affinities to the words at the start and end of the year."""

    frame: pd.DataFrame
    early: np.ndarray
    late: np.ndarray
    wealth: np.ndarray


def load_synthetic(options: SyntheticOptions, data_root: Path | None = None) -> RecDataset:
    """Make the synthetic data set. Time and work grow with users times items.

    Args:
        options: sizes and habits.
        data_root: not used; there for the common signature of loaders.

    Raises:
        ConfigError: at a size or share out of its range.
    """
    check_synthetic(options)
    generator = np.random.default_rng(options.seed)
    catalogue = _catalogue(options, generator)
    people = _people(options, catalogue, generator)
    user, item, early, late = _exposure(options, catalogue, people, generator)
    # Each user is active over a stretch of the year, in bursts.
    start = generator.uniform(0.0, 0.4, options.users)
    moment = start[user] + generator.uniform(0.0, 1.0, user.size) * (0.95 - start[user])
    utility = (1.0 - moment) * early + moment * late
    chance = _chances(options.sharpness * utility, options.positive_share)
    label = generator.uniform(size=user.size) < chance
    time = _START + (moment * _YEAR).astype(np.int64)
    order = np.lexsort((time, user))
    value = label[order].astype(np.int64)
    log = InteractionLog(user[order], item[order], label[order].astype(np.int8), time[order], value=value)
    searched = _searches(options, catalogue, people, start, generator)
    return assemble(options, SourceTables(catalogue.frame, people.frame, searched), log)


def check_synthetic(options: SyntheticOptions) -> None:
    """Raise ConfigError at a size or share out of its range."""
    check_dataset_options(options)
    check_options(
        options,
        "dataset",
        **dict.fromkeys(("users", "items", "brands", "min_interactions"), at_least(1)),
        **dict.fromkeys(("mean_searches", "zipf", "sharpness", "taste_share", "drift"), at_least(0)),
        positive_share=between(0, 1, "()"),
        unknown_words=between(0, 1),
        seed=at_least(0),
    )
    sizes = {"users": 10_000_000, "items": 10_000_000, "brands": 100_000, "mean_interactions": 100_000}
    check_options(
        options, "dataset", **{name: at_most(high) for name, high in sizes.items()}, mean_searches=at_most(1000)
    )
    if options.mean_interactions < options.min_interactions:
        raise ConfigError(
            f"dataset.mean_interactions ({options.mean_interactions}) must be at least min_interactions "
            f"({options.min_interactions})"
        )


def _catalogue(options: SyntheticOptions, generator: np.random.Generator) -> _Catalogue:
    n, shelves = options.items, vocabulary.SHELVES
    departments = len({shelf.department for shelf in shelves})
    per_department = len(shelves) // departments
    # A brand fills up to three shelves of one department, in one price band or the next.
    own = generator.integers(0, per_department, (options.brands, 3))
    own += (np.arange(options.brands) % departments * per_department)[:, None]
    level = generator.integers(0, len(vocabulary.PRICE_BANDS), options.brands)
    brand = generator.choice(options.brands, n, p=_zipf(options.brands, 0.6))
    shelf = own[brand, generator.integers(0, own.shape[1], n)]
    kind = generator.integers(0, len(shelves[0].kinds), n)
    band = np.clip(level[brand] + generator.integers(-1, 2, n), 0, len(vocabulary.PRICE_BANDS) - 1)
    # As in real catalogues, not every item has every field; this also keeps the queries of an item few.
    branded, banded = (generator.uniform(size=n) < share for share in (0.8, 0.6))
    attributes = _attributes(shelf, generator)
    kinds = np.array([list(each.kinds) for each in shelves], dtype=object)[shelf, kind]
    usual = np.array([list(each.kinds.values()) for each in shelves])[shelf, kind]
    factor = np.array(list(vocabulary.PRICE_BANDS.values()))[band]
    price = _prices(usual * factor * np.exp(0.08 * generator.standard_normal(n)))
    columns: dict[str, np.ndarray] = {
        "brand": np.where(branded, np.array(vocabulary.brand_names(options.brands), dtype=object)[brand], ""),
        "department": np.array([each.department for each in shelves], dtype=object)[shelf],
        "category": np.array([each.category for each in shelves], dtype=object)[shelf],
        "kind": kinds,
        **attributes,
        "price_band": np.where(banded, np.array(list(vocabulary.PRICE_BANDS), dtype=object)[band], ""),
    }
    table = np.stack(list(columns.values()), axis=1)
    words, codes = np.unique(table.ravel().astype(str), return_inverse=True)
    codes = codes.reshape(table.shape).astype(np.int64)
    strength = np.zeros(len(words))
    strength[codes] = np.array([_STRENGTH[name] for name in columns])  # a word stands in one field alone
    codes[table == ""] = -1
    ids = np.array([f"i{number:05d}" for number in range(n)], dtype=object)
    frame = pd.DataFrame({"item_id": ids, **columns, "price": price, "title": _titles(options.seed, columns, price)})
    return _Catalogue(
        frame=frame,
        words=words.astype(object),
        codes=codes,
        strength=strength,
        band=band.astype(np.float64),
        quality=0.5 * generator.standard_normal(n),
        popularity=generator.permutation(_zipf(n, options.zipf)),
    )


def _attributes(shelf: np.ndarray, generator: np.random.Generator) -> dict[str, np.ndarray]:
    """For each attribute a value of the item's shelf, or "" where the item, or its shelf, has none: object [I] each."""
    columns = {}
    for name in vocabulary.ATTRIBUTE_FIELDS:
        values = [each.attributes.get(name, ()) for each in vocabulary.SHELVES]
        count = np.array([len(each) for each in values])
        table = np.full((len(values), int(count.max())), "", dtype=object)
        for row, each in enumerate(values):
            table[row, : len(each)] = each
        place = (generator.uniform(size=shelf.size) * count[shelf]).astype(np.int64)
        given = generator.uniform(size=shelf.size) < _GIVEN[name]
        columns[name] = np.where(given, table[shelf, place], "")
    return columns


def _prices(value: np.ndarray) -> np.ndarray:
    """Prices as shops write them, texts, object [I]: 2.39, from 20 on 24.99."""
    price = np.where(value < 20.0, np.rint(value * 10.0) / 10.0, np.rint(value)) - 0.01
    return np.char.mod("%.2f", price).astype(object)


def _titles(seed: int, columns: dict[str, np.ndarray], price: np.ndarray) -> np.ndarray:
    """Readable titles such as "Alvoren Aurora navy wool cardigan, 58.99", object [I]; the series is a function of seed
    and item alone, so nothing else is drawn otherwise because of it."""
    series = integers(len(vocabulary.SERIES), seed, _TITLES, torch.arange(price.size))
    title = columns["brand"] + np.where(columns["brand"] == "", "", " ").astype(object)
    title = title + np.array(vocabulary.SERIES, dtype=object)[series.numpy()]
    for name in (*vocabulary.ATTRIBUTE_FIELDS, "kind"):
        title = title + np.where(columns[name] == "", "", " ").astype(object) + columns[name]
    return np.asarray(title + ", " + price, dtype=object)


def _zipf(count: int, exponent: float) -> np.ndarray:
    weight = np.arange(1, count + 1, dtype=np.float64) ** -exponent
    return np.asarray(weight / weight.sum())


def _people(options: SyntheticOptions, catalogue: _Catalogue, generator: np.random.Generator) -> _People:
    users, words = options.users, len(catalogue.words)
    centre = generator.standard_normal((_PERSONAS, _RANK))
    persona = generator.integers(0, _PERSONAS, users)
    taste = 0.75 * centre[persona] + 0.65 * generator.standard_normal((users, _RANK))
    shift = options.drift * generator.standard_normal((users, _RANK))
    direction = catalogue.strength * generator.standard_normal((_RANK, words)) / np.sqrt(_RANK)
    # A few words that a person likes or dislikes for no reason that others share.
    own = np.where(generator.uniform(size=(users, words)) < 0.05, generator.standard_normal((users, words)), 0.0)
    # Profiles say a little about the persona, and so about the taste.
    age = _correlated(persona, len(vocabulary.SHOP_AGES), 0.5, generator)
    region = _correlated(persona // 2, len(vocabulary.REGIONS), 0.25, generator)
    frame = pd.DataFrame(
        {
            "user_id": np.array([f"u{number:05d}" for number in range(users)], dtype=object),
            "age": np.array(vocabulary.SHOP_AGES, dtype=object)[age],
            "region": np.array(vocabulary.REGIONS, dtype=object)[region],
        }
    )
    wealth = generator.uniform(0.0, len(vocabulary.PRICE_BANDS) - 1.0, users)
    return _People(frame, taste @ direction + own, (taste + shift) @ direction + own, wealth)


def _correlated(group: np.ndarray, count: int, share: float, generator: np.random.Generator) -> np.ndarray:
    """The group's own value for a share of the people, any value for the others."""
    anything = generator.integers(0, count, group.size)
    return np.where(generator.uniform(size=group.size) < share, group % count, anything)


def _utilities(catalogue: _Catalogue, people: _People, users: slice) -> tuple[np.ndarray, np.ndarray]:
    """What users think of every item at the start and at the end of the year, two float64 [users, I]."""
    present = np.zeros((len(catalogue.words), catalogue.codes.shape[0]))
    item, column = (catalogue.codes >= 0).nonzero()
    present[catalogue.codes[item, column], item] = 1.0
    common = catalogue.quality - 0.7 * (np.abs(catalogue.band - people.wealth[users, None]) - 1.0)
    return people.early[users] @ present + common, people.late[users] @ present + common


def _chances(logit: np.ndarray, share: float) -> np.ndarray:
    """Logistic of the logits, moved by the one constant that brings its mean to `share` (found by bisection)."""
    low, high = -float(np.abs(logit).max()) - 40.0, float(np.abs(logit).max()) + 40.0
    for _ in range(80):
        middle = (low + high) / 2.0
        if expit(logit + middle).mean() < share:
            low = middle
        else:
            high = middle
    return np.asarray(expit(logit + low))


def _chunks(options: SyntheticOptions) -> list[slice]:
    step = max(1, _CELLS // options.items)
    return [slice(start, min(start + step, options.users)) for start in range(0, options.users, step)]


def _exposure(
    options: SyntheticOptions, catalogue: _Catalogue, people: _People, generator: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Which items each user sees, and the two utilities of each: user, item, early, late, each [n]."""
    spread = options.mean_interactions - options.min_interactions
    extra = generator.gamma(1.5, spread / 1.5, options.users) if spread > 0 else np.zeros(options.users)
    counts = np.minimum(options.min_interactions + np.rint(extra).astype(np.int64), options.items)
    columns: list[tuple[np.ndarray, ...]] = []
    for users in _chunks(options):
        early, late = _utilities(catalogue, people, users)
        # Adding Gumbel noise to log weights and keeping the best k draws k without replacement.
        key = np.log(catalogue.popularity) + options.taste_share * (early + late) / 2.0
        key += generator.gumbel(size=key.shape)
        count = counts[users]
        width = int(count.max())
        best = (
            np.argpartition(-key, width - 1, axis=1)[:, :width]
            if width < options.items
            else (np.tile(np.arange(options.items), (count.size, 1)))
        )
        best = np.take_along_axis(best, np.argsort(-np.take_along_axis(key, best, 1), axis=1, kind="stable"), 1)
        kept = np.arange(width) < count[:, None]
        row = kept.nonzero()[0]
        item = best[kept]
        columns.append((row + users.start, item, early[row, item], late[row, item]))
    user, item, early, late = (np.concatenate(parts) for parts in zip(*columns, strict=True))
    return user.astype(np.int64), item.astype(np.int64), early, late


def _searches(
    options: SyntheticOptions, catalogue: _Catalogue, people: _People, start: np.ndarray, generator: np.random.Generator
) -> pd.DataFrame:
    """Searched queries: one to three words of an item after the user's taste, some with a word that no item has."""
    counts = generator.poisson(options.mean_searches, options.users)
    user = np.repeat(np.arange(options.users), counts)
    wanted = np.empty(user.size, dtype=np.int64)
    done = 0
    for users in _chunks(options):
        early, late = _utilities(catalogue, people, users)
        weight = (early + late) / 2.0
        weight = np.cumsum(np.exp(weight - weight.max(axis=1, keepdims=True)), axis=1)
        rows = user[done : done + int(counts[users].sum())] - users.start
        # Inverse of the cumulated weights, all rows at once: the rows are laid end to end by adding their number.
        ladder = (weight / weight[:, -1:] + np.arange(weight.shape[0])[:, None]).ravel()
        found = np.searchsorted(ladder, rows + generator.uniform(size=rows.size), side="right")
        wanted[done : done + rows.size] = np.minimum(found - rows * options.items, options.items - 1)
        done += rows.size
    codes = catalogue.codes[wanted]
    key = np.where(codes >= 0, generator.uniform(size=codes.shape), 2.0)
    size = generator.integers(1, 4, user.size)
    chosen = np.argsort(key, axis=1, kind="stable")[:, :3]
    picked = np.take_along_axis(codes, chosen, 1)
    texts = np.where(picked >= 0, catalogue.words[picked], "")
    texts = np.where(np.arange(3) < size[:, None], texts, "")
    strange = generator.uniform(size=user.size) < options.unknown_words
    unknown = np.array(vocabulary.UNKNOWN_WORDS, dtype=object)[
        generator.integers(0, len(vocabulary.UNKNOWN_WORDS), user.size)
    ]
    words = pd.Series(texts[:, 0], dtype=object)
    for column in (texts[:, 1], texts[:, 2], np.where(strange, unknown, "")):
        words = words + np.where(column == "", "", "|") + column
    moment = start[user] + generator.uniform(size=user.size) * (0.95 - start[user])
    time = _START + (moment * _YEAR).astype(np.int64)
    frame = pd.DataFrame({"user": user.astype(np.int64), "time": time, "words": words.to_numpy(dtype=object)})
    return frame.sort_values(["user", "time"], kind="stable", ignore_index=True)
