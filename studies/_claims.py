"""What of the paper holds, who is ahead of the methods that are said to be first, and what each set can show."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from _plan import Claim, Plan
from _results import Results
from scipy import stats

from magus_pyg.report import holm

LEVEL = 0.95
"""Of the intervals; a test counts where p, after Holm over the tests of its table, is below 1 - LEVEL."""

CLOSE = 0.05
"""Methods that differ by less are close: there the question is whether they differ."""
VERDICTS = ("holds", "holds in part", "level", "mixed", "level or the other way round", "the other way round")
LESS_IS_BETTER = ("AT",)
"""Metrics in which the smaller one is ahead: turns of a dialogue."""


@dataclass(frozen=True)
class Finding:
    """How a claim fares in one reading on one data set and metric.

    Attributes:
        reading, dataset, metric: where.
        cells: comparisons: base recommenders, times the methods that `first` is compared with.
        ahead, behind: of them, those in which it is significantly ahead, or behind; None without tests.
        difference: mean, over the comparisons.
        low, high: the smallest and the largest.
        seeds: the fewest of a comparison.
    """

    reading: str
    dataset: str
    metric: str
    cells: int
    ahead: int | None
    behind: int | None
    difference: float
    low: float
    high: float

    def verdict(self, below: bool = False) -> str:
        """In a word or two: holds, holds in part, level, mixed, or the other way round.

        Args:
            below: whether the claim is that the first is below the second.
        """
        if self.ahead is None or self.behind is None:  # means alone
            if abs(self.difference) < 0.005:
                return "level"
            return "holds" if (self.difference < 0) == below else "the other way round"
        good, bad = (self.behind, self.ahead) if below else (self.ahead, self.behind)
        if good and bad:
            return "mixed"
        if bad:
            return "the other way round" if 2 * bad >= self.cells else "level or the other way round"
        return ("holds" if 2 * good >= self.cells else "holds in part") if good else "level"


def tested(tests: pd.DataFrame) -> pd.DataFrame:
    """Tests with `p_holm`: p after Holm over all tests of a part, which are a table of the pages."""
    adjusted = tests.assign(p_holm=np.nan)
    for _, rows in tests.groupby("part", sort=False):
        adjusted.loc[rows.index, "p_holm"] = holm(rows["p"].to_numpy(dtype=float))
    return adjusted


def find(plan: Plan, results: Results, claim: Claim) -> list[Finding]:
    """How a claim fares in each reading, on each set and metric for which there are figures."""
    readings = plan.readings if "{reading}" in claim.first else {"": ""}
    found = []
    for name, suffix in readings.items():
        first, *second = (text.replace("{reading}", suffix) for text in [claim.first, *claim.second])
        look = _by_means if claim.than else _by_tests
        found += list(look(results, claim, name, first, second))
    return found


def _by_tests(results: Results, claim: Claim, reading: str, first: str, second: Sequence[str]) -> Iterator[Finding]:
    tests = tested(results.tests)
    tests = tests[(tests["part"] == claim.part) & (tests["first"] == first) & tests["second"].isin(second)]
    tests = tests[tests["scene"] == claim.scene]
    if claim.bases is not None:
        tests = tests[tests["base"].isin(claim.bases)]
    for metric in claim.metrics:
        for dataset, rows in tests[tests["metric"] == metric].groupby("dataset", sort=False):
            sure = rows["p_holm"] < 1 - LEVEL
            yield Finding(
                reading, str(dataset), metric, len(rows), int((sure & (rows["difference"] > 0)).sum()),
                int((sure & (rows["difference"] < 0)).sum()), *_spread(rows["difference"]),
            )  # fmt: skip


def _by_means(results: Results, claim: Claim, reading: str, first: str, second: Sequence[str]) -> Iterator[Finding]:
    """Means of figures, where what is compared are no two methods on the same sessions."""
    than, figures = claim.than, results.figures
    for metric in claim.metrics:
        ours = _figures(figures, claim.part, claim.scene, [first], metric, claim.bases)
        other = _figures(
            figures, than.get("part", claim.part), than.get("scene", claim.scene if "part" not in than else ""), second,
            than.get("metric", metric), than.get("bases", claim.bases),
        )  # fmt: skip
        for dataset in dict.fromkeys(ours["dataset"]):
            a, b = (table[table["dataset"] == dataset].set_index("base")["mean"] for table in (ours, other))
            if "bases" in than:
                a, b = pd.Series([a.mean()]), pd.Series([b.mean()])
            difference = (a - b).dropna()
            if len(difference):
                yield Finding(reading, dataset, metric, len(difference), None, None, *_spread(difference))


def _figures(
    figures: pd.DataFrame, part: str, scene: str, ids: Sequence[str], metric: str, bases: Sequence[str] | None
) -> pd.DataFrame:
    kept = (figures["part"] == part) & (figures["scene"] == scene) & figures["id"].isin(ids)
    kept &= (figures["metric"] == metric) & figures["mean"].notna()
    return figures[kept & (figures["base"].isin(bases) if bases is not None else True)]


def _spread(values: "pd.Series[float]") -> tuple[float, float, float]:
    return float(values.mean()), float(values.min()), float(values.max())


def said_first(plan: Plan, tests: pd.DataFrame) -> pd.DataFrame:
    """The tests on test sessions of the methods that are said to be first, in the metrics they are said to be it in."""
    family = tests["metric"].str.partition("@")[0]
    wanted = [name in plan.ahead.get(first, ()) for first, name in zip(tests["first"], family, strict=True)]
    return tests[pd.Series(wanted, index=tests.index, dtype=bool) & ~tests["part"].isin(plan.choosing)]


def who_is_ahead(plan: Plan, results: Results) -> pd.DataFrame:
    """The comparisons on test sessions in which, by its interval, another method is ahead of one said to be first.

    Returns:
        part, scene, dataset, base, first, metric, second, by (how far), low, high, p_holm; those with the smallest
        p_holm first.
    """
    tests = said_first(plan, tested(results.tests))
    columns = ["part", "scene", "dataset", "base", "first", "metric", "second", "by", "low", "high", "p_holm"]
    less = tests["metric"].isin(LESS_IS_BETTER)
    turned = tests.assign(
        by=tests["difference"].where(less, -tests["difference"]),
        low=tests["low"].where(less, -tests["high"]),
        high=tests["high"].where(less, -tests["low"]),
    )
    turned = turned[turned["low"] > 0]
    return turned[columns].sort_values(["p_holm", "by"], ascending=[True, False], ignore_index=True)


def power(results: Results, alpha: float = 0.05, chance: float = 0.8) -> pd.DataFrame:
    """The difference that a paired comparison of two methods that are close on a set is likely to show.

    The standard error of a difference is that of its interval (resampled users); a true difference of
    (z(1 - alpha / 2) + z(chance)) of them is found significant with that chance.

    Args:
        results: with tests.
        alpha: of a two-sided test, not adjusted.
        chance: to find it.

    Returns:
        part, dataset, metric, tests, users, pairs (medians), sd (of a user's mean difference) and shown (the
        difference), medians over the tests.
    """
    tests = results.tests[results.tests["p"].notna() & (results.tests["high"] > results.tests["low"])]
    tests = tests[tests["difference"].abs() < CLOSE]
    error = (tests["high"] - tests["low"]) / (2 * float(stats.norm.ppf(0.5 + LEVEL / 2)))
    factor = float(stats.norm.ppf(1 - alpha / 2) + stats.norm.ppf(chance))
    rows = tests.assign(sd=error * np.sqrt(tests["users"].astype(float)), shown=error * factor)
    grouped = rows.groupby(["part", "dataset", "metric"], sort=False)
    found = grouped[["users", "pairs", "sd", "shown"]].median().assign(tests=grouped.size())
    return found.reset_index()
