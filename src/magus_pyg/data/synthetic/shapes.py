"""Synthetic catalogues of the size of Tmall and Alipay (App. C.1): categories, sellers and brands with real skew.

Every value is a function of the seed and of its own number (`magus_pyg.random`), so what is made does not depend on how
many rows are made at once. Popularity follows a power law: the rank `floor(n * u**3)` of a uniform u has a share that
falls with rank**(-2/3). Multiplications alone are rounded alike everywhere, so the content is the same on any machine.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch

from magus_pyg.options import at_least, between, check_options, one_of
from magus_pyg.random import hash_keys, uniform

__all__ = [
    "SHAPES",
    "ScaleOptions",
    "Shape",
    "SyntheticCatalogue",
    "catalogue_columns",
    "catalogue_frame",
    "make_catalogue",
]


@dataclass(frozen=True)
class Shape:
    """The size of a log and of its catalogue.

    Attributes:
        users, items, interactions: as App. C.1 counts them.
        categories, sellers, brands: how many different values the items have; no brands where 0.
        start, days: first day of the log and its length.
        actions: the kinds of action; the first is what happens else.
        shares: of each further action, for rows by chance, in a favourite category, and of a favourite maker there.
        positive: the action that counts as positive.
        least: rows that every user has.
    """

    users: int
    items: int
    interactions: int
    categories: int
    sellers: int
    brands: int
    start: str
    days: int
    actions: tuple[str, ...]
    shares: tuple[tuple[float, ...], ...]
    positive: str
    least: int

    @property
    def fields(self) -> tuple[str, ...]:
        """The word fields of the items."""
        return ("category", "seller", "brand") if self.brands else ("category", "seller")


SHAPES = {
    "tmall": Shape(
        *(424_170, 1_090_390, 54_925_331, 1_658, 4_995, 8_443, "2015-05-11", 186),
        actions=("click", "cart", "purchase", "favourite"),
        shares=((0.001, 0.01, 0.03), (0.002, 0.05, 0.06), (0.003, 0.22, 0.09)),
        positive="purchase",
        least=10,
    ),
    "alipay": Shape(
        *(498_308, 2_200_191, 35_179_371, 72, 9_999, 0, "2015-07-01", 153),
        actions=("click", "buy"),
        shares=((0.01,), (0.05,), (0.22,)),
        positive="buy",
        least=10,
    ),
}
"""Users, items and interactions as in App. C.1; the numbers of values are of the order of those of the real logs."""


@dataclass
class ScaleOptions:
    """What to make.

    Attributes:
        shape: "tmall" or "alipay".
        out: the folder to make; it must not exist yet.
        scale: users, items and interactions are multiplied by it, values of fields by its root; above 0, at most 10.
        seed: of all random numbers.
        chunk_rows: about how many rows are made and written at once: memory, not content, depends on it.
    """

    shape: str = ""
    out: str = ""
    scale: float = 1.0
    seed: int = 0
    chunk_rows: int = 500_000

    def sized(self) -> Shape:
        """The shape at this scale.

        Raises:
            ConfigError: an option without such a value.
        """
        check_options(self, "", shape=one_of(SHAPES), scale=between(0, 10, "(]"), chunk_rows=at_least(1))
        shape, root = SHAPES[self.shape], self.scale**0.5
        users = max(round(shape.users * self.scale), 1)
        return Shape(
            users=users,
            items=max(round(shape.items * self.scale), 1),
            interactions=max(round(shape.interactions * self.scale), users * shape.least),
            categories=max(round(shape.categories * root), 1),
            sellers=max(round(shape.sellers * root), 1),
            brands=max(round(shape.brands * root), 1) if shape.brands else 0,
            start=shape.start,
            days=shape.days,
            actions=shape.actions,
            shares=shape.shares,
            positive=shape.positive,
            least=shape.least,
        )


# What a random number is for: the second key, after the seed.
_CATEGORY, _SELLER, _SELLER_HOME, _BRAND, _BRAND_HOME, _OWN_BRAND, _ORDER = range(7)
_OWN_SELLERS = 0.8  # share of items whose seller is at home in the category
_NO_BRAND, _SELLER_BRANDS, _CATEGORY_BRANDS = 0.01, 0.61, 0.86  # bounds: no brand, one of the seller's, of the category
_BRANDS_OF_SELLER = 4


@dataclass(frozen=True)
class SyntheticCatalogue:
    """Items as numbers, and the items of each category and of each maker in it by popularity.

    Attributes:
        category, seller, brand: int32 [I]; brand is -1 where there is none, and None where the shape has no brands.
        by_category: int32 [I], items by category, the most popular first.
        category_start: int64 [categories + 1]; category c holds `by_category[category_start[c]:category_start[c + 1]]`.
        by_maker: int32 [I], items by category, then by maker (brand, else seller), the most popular first.
        maker_start, maker_size: int32 [I]: where in `by_maker` the items of an item's category and maker stand.
    """

    category: np.ndarray
    seller: np.ndarray
    brand: np.ndarray | None
    by_category: np.ndarray
    category_start: np.ndarray
    by_maker: np.ndarray
    maker_start: np.ndarray
    maker_size: np.ndarray


def draw(count: int, *keys: int) -> np.ndarray:
    """Uniform numbers, float64 [count], of the numbers 0..count-1 under some keys."""
    numbers: np.ndarray = uniform(*keys, torch.arange(count)).numpy()
    return numbers


def skewed(u: np.ndarray, n: np.ndarray | int) -> np.ndarray:
    """Ranks 0..n-1 from uniform numbers, int64; low ranks are frequent."""
    ranks: np.ndarray = (u * u * u * n).astype(np.int64)
    return ranks


def make_catalogue(shape: Shape, seed: int) -> SyntheticCatalogue:
    """Draw the items of a catalogue.

    A seller, and a brand, is at home in one category; most items of a category are of sellers at home in it, and a
    seller has few brands in a category. So seller and brand tell much about the category, as they do in a real shop.

    Args:
        shape: sizes.
        seed: of all numbers.
    """
    n = shape.items
    category = skewed(draw(n, seed, _CATEGORY), shape.categories)
    own, rank = draw(n, seed, _SELLER, 0) < _OWN_SELLERS, draw(n, seed, _SELLER, 1)
    pool = _Pools(skewed(draw(shape.sellers, seed, _SELLER_HOME), shape.categories), shape.categories)
    seller = np.where(own, pool.draw(category, rank), skewed(rank, shape.sellers))
    brand = _brands(shape, seed, category, seller) if shape.brands else None

    maker, makers = (seller, shape.sellers) if brand is None else (brand + 1, shape.brands + 1)
    popularity = hash_keys(seed, _ORDER, torch.arange(n)).numpy()
    by_category = np.lexsort((popularity, category)).astype(np.int32)
    group = category * makers + maker
    by_maker = np.lexsort((popularity, group)).astype(np.int32)
    first = np.flatnonzero(np.diff(group[by_maker], prepend=-1))
    size = np.diff(first, append=n)
    start_of, size_of = np.empty(n, np.int32), np.empty(n, np.int32)
    start_of[by_maker], size_of[by_maker] = np.repeat(first, size), np.repeat(size, size)
    return SyntheticCatalogue(
        category=category.astype(np.int32),
        seller=seller.astype(np.int32),
        brand=None if brand is None else brand.astype(np.int32),
        by_category=by_category,
        category_start=_ends(category, shape.categories),
        by_maker=by_maker,
        maker_start=start_of,
        maker_size=size_of,
    )


def _ends(group: np.ndarray, count: int) -> np.ndarray:
    return np.concatenate([[0], np.cumsum(np.bincount(group, minlength=count))]).astype(np.int64)


class _Pools:
    """The sellers, or brands, that are at home in each category."""

    def __init__(self, home: np.ndarray, categories: int) -> None:
        self.count = home.size
        self.order = np.argsort(home, kind="stable")
        self.start = _ends(home, categories)

    def draw(self, category: np.ndarray, u: np.ndarray) -> np.ndarray:
        """One of each category; of all where nobody is at home in it."""
        size = self.start[category + 1] - self.start[category]
        place = self.start[category] + skewed(u, np.maximum(size, 1))
        return np.where(size > 0, self.order[np.minimum(place, self.count - 1)], skewed(u, self.count))


def _brands(shape: Shape, seed: int, category: np.ndarray, seller: np.ndarray) -> np.ndarray:
    """int64 [I], -1 for none: a brand of the seller in this category, of the category, or of all."""
    n = shape.items
    pool = _Pools(skewed(draw(shape.brands, seed, _BRAND_HOME), shape.categories), shape.categories)
    kind, rank, slot = (draw(n, seed, _BRAND, number) for number in range(3))
    slot = (slot * slot * _BRANDS_OF_SELLER).astype(np.int64)
    owned = uniform(seed, _OWN_BRAND, *(torch.from_numpy(key) for key in (seller, category, slot))).numpy()
    brand = np.where(
        kind < _CATEGORY_BRANDS,
        pool.draw(category, np.where(kind < _SELLER_BRANDS, owned, rank)),
        skewed(rank, shape.brands),
    )
    brand[kind < _NO_BRAND] = -1
    return brand


def catalogue_columns(catalogue: SyntheticCatalogue) -> dict[str, tuple[np.ndarray, str]]:
    """The word fields: numbers, int32 [I] (-1 where missing), and what stands before a number in a word."""
    columns = {"category": (catalogue.category, "cat_"), "seller": (catalogue.seller, "seller_")}
    if catalogue.brand is not None:
        columns["brand"] = (catalogue.brand, "brand_")
    return columns


def catalogue_frame(catalogue: SyntheticCatalogue) -> pd.DataFrame:
    """The item table as the data sets give it: item_id and the word fields, texts, "" where a value is missing."""
    columns = {"item_id": np.arange(catalogue.category.size).astype(str).astype(object)}
    for name, (numbers, prefix) in catalogue_columns(catalogue).items():
        words = np.array([*(f"{prefix}{number}" for number in range(int(numbers.max()) + 1)), ""], dtype=object)
        columns[name] = words[numbers]  # -1 is the last: no word
    return pd.DataFrame(columns)
