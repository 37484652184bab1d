"""Tables worked by hand, and their exact text in every form."""

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from run_folders import records, write_run

from magus_pyg.agents.methods import METHODS
from magus_pyg.errors import ConfigError, SessionError
from magus_pyg.report import FORMATS, ReportTable, build_table, mcnemar, pool_plays, read_plays
from magus_pyg.report.method_labels import row_label, variation_of
from magus_pyg.report.table_formats import duration, parts_within, to_csv, to_latex, to_markdown, to_text

N = 40


def table_of(folder: Path, **options: object) -> ReportTable:
    return build_table(pool_plays(read_plays(folder)), resamples=200, **options)  # type: ignore[arg-type]


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    """Every session of a method ends alike, so that all intervals are points."""
    found = {"items": [0] * N, "magus": [4] * N, "bayes": [2] * N}
    write_run(tmp_path / "a", found)
    write_run(tmp_path / "b", {"items": [5] * N, "static": [1] * N, "ear": [3] * N, "magus": [2] * N},
              dataset={"name": "other_shop", "word_fields": []}, model={"name": "rgat"})  # fmt: skip
    return tmp_path


def row(table: ReportTable, dataset: str, label: str, metric: str) -> pd.Series:
    frame = table.frame
    chosen = frame[(frame["dataset"] == dataset) & (frame["row"] == label) & (frame["metric"] == metric)]
    assert len(chosen) == 1
    return chosen.iloc[0]


NOTES = (
    "Sessions of a seed: other_shop 40, shop 40 (30 candidates, lists of 3, 5 rounds, truthful user).",
    "Mean over the sessions of all seeds ± half its 95 % interval (bootstrap over users); best of a base recommender "
    "in bold. Wall time: training, fitting and play of a seed (CPU (x86_64), 2 cores).",
    "Rows of a base recommender alone: static.",
    "* p < 0.001 against the strongest other method of its base recommender, after Holm over the 9 tests of the table "
    "(McNemar's exact test or Wilcoxon's signed rank test of users' means; two-sided); † likewise, but below it.",
    "Strongest other method: items, but RGAT on other_shop (RA@3, SA@3, SA@5).",
)
TEXT = """\
Table 1

other_shop                SAC              RA@3              SA@3              SA@5  seeds  wall time
-----------  ----------------  ----------------  ----------------  ----------------  -----  ---------
RGAT          0.000 ± 0.000    [1.000 ± 0.000]   [1.000 ± 0.000]   [1.000 ± 0.000]       1       60 s
RGAT+EAR                  /     0.333 ± 0.000    [1.000 ± 0.000]   [1.000 ± 0.000]       1       60 s
RGAT+MAGUS                /     0.500 ± 0.000 †  [1.000 ± 0.000]   [1.000 ± 0.000]       1       61 s
RGAT, items   0.000 ± 0.000     0.000 ± 0.000     0.000 ± 0.000    [1.000 ± 0.000]       1       60 s

shop                    SAC              RA@3              SA@3              SA@5  seeds  wall time
---------  ----------------  ----------------  ----------------  ----------------  -----  ---------
FM+MAGUS                /     0.000 ± 0.000     0.000 ± 0.000    [1.000 ± 0.000]*      1       61 s
FM+bayes                /    [0.500 ± 0.000]*  [1.000 ± 0.000]*  [1.000 ± 0.000]*      1       68 s
FM, items   0.000 ± 0.000     0.000 ± 0.000     0.000 ± 0.000     0.000 ± 0.000        1       60 s

"""
MARKDOWN = r"""**Table 1**

| Method | other_shop RA@3 | other_shop SA@5 | other_shop seeds | other_shop wall time | shop RA@3 | shop SA@5 | shop seeds | shop wall time |
|---|---:|---:|---:|---:|---:|---:|---:|---:|
| FM+MAGUS |  |  |  |  | 0.000 ± 0.000 | **1.000 ± 0.000**\* | 1 | 61 s |
| FM+bayes |  |  |  |  | **0.500 ± 0.000**\* | **1.000 ± 0.000**\* | 1 | 68 s |
| FM, items |  |  |  |  | 0.000 ± 0.000 | 0.000 ± 0.000 | 1 | 60 s |
| RGAT | **1.000 ± 0.000** | **1.000 ± 0.000** | 1 | 60 s |  |  |  |  |
| RGAT+EAR | 0.333 ± 0.000 | **1.000 ± 0.000** | 1 | 60 s |  |  |  |  |
| RGAT+MAGUS | 0.500 ± 0.000† | **1.000 ± 0.000** | 1 | 61 s |  |  |  |  |
| RGAT, items | 0.000 ± 0.000 | **1.000 ± 0.000** | 1 | 60 s |  |  |  |  |
"""  # noqa: E501
LATEX = r"""\begin{tabular}{l|cccc|cccc}
\toprule
& \multicolumn{4}{c}{other\_shop} & \multicolumn{4}{c}{shop} \\
Method & RA@3 & SA@5 & seeds & time & RA@3 & SA@5 & seeds & time \\
\midrule
FM+MAGUS &  &  &  &  & 0.000 {\scriptsize$\pm$0.000} & \textbf{1.000}$^{*}$ {\scriptsize$\pm$0.000} & 1 & 61 s \\
FM+bayes &  &  &  &  & \textbf{0.500}$^{*}$ {\scriptsize$\pm$0.000} & \textbf{1.000}$^{*}$ {\scriptsize$\pm$0.000} & 1 & 68 s \\
FM, items &  &  &  &  & 0.000 {\scriptsize$\pm$0.000} & 0.000 {\scriptsize$\pm$0.000} & 1 & 60 s \\
\midrule
RGAT & \textbf{1.000} {\scriptsize$\pm$0.000} & \textbf{1.000} {\scriptsize$\pm$0.000} & 1 & 60 s &  &  &  &  \\
RGAT+EAR & 0.333 {\scriptsize$\pm$0.000} & \textbf{1.000} {\scriptsize$\pm$0.000} & 1 & 60 s &  &  &  &  \\
RGAT+MAGUS & 0.500$^{\dagger}$ {\scriptsize$\pm$0.000} & \textbf{1.000} {\scriptsize$\pm$0.000} & 1 & 61 s &  &  &  &  \\
RGAT, items & 0.000 {\scriptsize$\pm$0.000} & \textbf{1.000} {\scriptsize$\pm$0.000} & 1 & 60 s &  &  &  &  \\
\bottomrule
\end{tabular}
\end{table*}
"""  # noqa: E501


def test_text(plain: Path) -> None:
    table = table_of(plain, title="Table 1")
    assert table.notes == NOTES
    assert to_text(table) == TEXT + "\n".join(NOTES).replace("in bold", "in [ ]") + "\n"


def test_a_narrow_terminal_gets_whole_columns_below_each_other(plain: Path) -> None:
    table = table_of(plain, title="Table 1")
    whole, narrow = to_text(table), to_text(table, 80)
    shop = [line for line in narrow.splitlines() if line.startswith(("shop", "FM+MAGUS"))]
    assert max(len(line) for line in shop) <= 80
    assert [line.split() for line in shop] == [
        ["shop", "SAC", "RA@3", "SA@3"],
        ["FM+MAGUS", "/", "0.000", "±", "0.000", "0.000", "±", "0.000"],
        ["shop", "SA@5", "seeds", "wall", "time"],
        ["FM+MAGUS", "[1.000", "±", "0.000]*", "1", "61", "s"],
    ]
    assert to_text(table, 10_000) == whole
    parts = parts_within(["name", "a", "b"], [["x", "1", "2222"]], 1, 3)
    assert parts == [[["name", "a"], ["x", "1"]], [["name", "b"], ["x", "2222"]]]
    assert parts_within(["name", "a", "b"], [["x", "1", "2222"]], 1, 13) == [[["name", "a", "b"], ["x", "1", "2222"]]]
    assert len(parts_within(["name", "a", "b"], [["x", "1", "2222"]], 1, 12)) == 2


def test_markdown(plain: Path) -> None:
    table = table_of(plain, title="Table 1", metrics=["RA@3", "SA@5"])
    body, *notes = to_markdown(table).split("\n\nSessions")
    assert body + "\n" == MARKDOWN
    (told,) = notes
    assert told.endswith("\n")
    # A note that begins with a star must not become an item of a list.
    assert "\n\n\\* p < 0.001" in told


def test_latex(plain: Path) -> None:
    text = to_latex(table_of(plain, title="Table 1", metrics=["RA@3", "SA@5"]))
    head, body = text.split("\\begin{tabular}")
    assert ("\\begin{tabular}" + body).replace("{tabular}}", "{tabular}") == LATEX
    first, second, _, caption, smaller = head.splitlines()
    assert (first, second) == (r"% \usepackage{booktabs, graphicx}", r"\begin{table*}")
    assert smaller == r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%"  # only what is too wide
    assert caption.startswith(r"\caption{Table 1. Sessions of a seed: other\_shop 40, shop 40 (")
    assert r"$\pm$ half its 95 \% interval" in caption
    assert r"* p $<$ 0.001" in caption
    assert r"$^{\dagger}$ likewise" in caption


def test_latex_goes_on_in_further_tables(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        write_run(tmp_path / name, {"items": [1] * N, "magus": [1] * N}, dataset={"name": name})
    write_run(tmp_path / "more", {"items": [1] * N}, dataset={"name": "a"}, model={"name": "rgat"})
    text = to_latex(table_of(tmp_path, title="Table 1", metrics=["RA@3", "SA@5"]))
    floats = text.split(r"\begin{table*}")[1:]
    assert [part.count("multicolumn") for part in floats] == [2, 1]
    assert [part.count("RGAT") for part in floats] == [1, 0]  # rows without a figure are left out
    assert r"\caption{Table 1. Sessions" in floats[0]
    assert r"\caption{Table 1 (continued).}" in floats[1]
    assert text.count("{") == text.count("}")
    wide = to_latex(table_of(tmp_path, title="Table 1"))  # four metrics: one data set in each
    assert wide.count(r"\begin{table*}") == 3


def test_a_method_that_never_asked_is_named(tmp_path: Path) -> None:
    silent = records([1] * N, "magus").assign(queries_shown=0)
    run = write_run(tmp_path / "a", {"items": [1] * N, "magus": silent, "bayes": [2] * N})
    notes = table_of(run).notes
    told = [note for note in notes if "never showed a query" in note]
    assert [note.split(" never")[0] for note in told] == ["shop, FM, MAGUS"]
    assert "magus=bayes" in told[0]


def test_csv(plain: Path) -> None:
    lines = to_csv(table_of(plain)).splitlines()
    assert lines[0] == (
        "dataset,model,method,variation,row,metric,mean,low,high,half,seed_std,best,star,below,against,difference,"
        "difference_low,difference_high,test,p,p_holm,seeds,sessions,users,training_seconds,fit_seconds,play_seconds"
    )
    assert len(lines) == 1 + 4 * 7
    # p = 2 / 2^40, times 9 for the smallest of nine tests.
    assert lines[1 + 4 * 5 + 3] == (
        'shop,fm,bayes,,FM+bayes,SA@5,1,1,1,0,,True,True,False,"FM, items",1,1,1,mcnemar,1.81899e-12,1.63709e-11,1,40,'
        "40,60,6,2"
    )


def test_numbers_by_hand(tmp_path: Path) -> None:
    # Two seeds of 40 users: items finds 10 and 20 within three rounds, bayes 30 and 30.
    for seed, found in enumerate((10, 20)):
        write_run(
            tmp_path / str(seed), {"items": [1] * found + [0] * (N - found), "bayes": [3] * 30 + [0] * 10}, seed=seed
        )
    table = table_of(tmp_path)
    items, bayes = row(table, "shop", "FM, items", "SA@3"), row(table, "shop", "FM+bayes", "SA@3")
    assert (items["mean"], items["seeds"], items["sessions"], items["users"]) == (30 / 80, 2, 80, 40)
    assert items["seed_std"] == pytest.approx(math.sqrt(2 * 0.125**2))
    assert bayes["difference"] == pytest.approx(60 / 80 - 30 / 80)
    assert bayes["difference_low"] < bayes["difference"] < bayes["difference_high"]
    assert items["half"] == pytest.approx((items["high"] - items["low"]) / 2)
    # Users' means of the differences: 10 users 0, 10 users 1/2, 10 users 1, 10 users 0.
    assert bayes["test"] == "wilcoxon"
    assert row(table, "shop", "FM, items", "SAC")["mean"] == 30 / 80
    assert math.isnan(row(table, "shop", "FM+bayes", "SAC")["mean"])
    assert row(table, "shop", "FM+bayes", "RA@3")["mean"] == pytest.approx(60 / 80 / 3)


def test_holm_over_the_whole_table(tmp_path: Path) -> None:
    # One session a user: exact McNemar with 11 pairs against none, 2 / 2^11; more tests may cost the star.
    found = {"items": [1] * 20 + [0] * 20, "bayes": [1] * 31 + [0] * 9}
    write_run(tmp_path / "a", found)
    p = mcnemar(np.arange(N) < 31, np.arange(N) < 20, np.arange(N)).p
    assert p == 2 * 0.5**11
    alone = row(table_of(tmp_path, metrics=["SA@3"]), "shop", "FM+bayes", "SA@3")
    assert (alone["p"], alone["p_holm"], alone["star"]) == (p, p, True)
    two = row(table_of(tmp_path, metrics=["SA@3", "SA@5"]), "shop", "FM+bayes", "SA@3")
    assert (two["p"], two["p_holm"], two["star"]) == (p, 2 * p, False)
    assert table_of(tmp_path, metrics=["SA@3", "SA@5"], alpha=0.01).frame["star"].sum() == 2


def test_the_strongest_rival_or_the_floor(tmp_path: Path) -> None:
    found = {"items": [0] * N, "ear": [2] * N, "crm": [3] * N, "magus": [2] * N, "bayes": [1] * N, "mine": [0] * N}
    write_run(tmp_path / "a", found)
    bayes = row(table_of(tmp_path), "shop", "FM+bayes", "RA@3")
    assert (bayes["against"], bayes["difference"]) == ("FM+EAR", 0.5)
    magus = row(table_of(tmp_path), "shop", "FM+MAGUS", "RA@3")
    assert (magus["difference"], magus["star"], magus["p"]) == (0.0, False, 1.0)
    # CRM and EAR find as many: of equals the first.
    assert table_of(tmp_path).notes[-1] == "Strongest other method: CRM, but FM+EAR on shop (RA@3)."
    table = table_of(tmp_path, against="floor")
    assert set(table.frame.loc[table.frame["difference"].notna(), "against"]) == {"FM, items"}
    assert "against the floor, items, after Holm" in table.notes[-1]


def test_few_users_get_no_stars_and_a_note(tmp_path: Path) -> None:
    write_run(tmp_path / "a", {"items": [0] * 29, "bayes": [1] * 29})
    table = table_of(tmp_path)
    assert not table.frame["star"].any()
    assert table.frame["p"].isna().all()
    assert table.notes[-1] == "No stars for shop: fewer than 30 users."
    assert row(table, "shop", "FM+bayes", "SA@3")["difference"] == 1.0


def test_nothing_to_compare_and_unequal_seeds(tmp_path: Path) -> None:
    write_run(tmp_path / "a", {"items": [0] * N})
    assert table_of(tmp_path).notes[-1] == "No stars: these runs have no methods to compare."
    write_run(tmp_path / "b", {"items": [0] * N, "bayes": [1] * N}, seed=1)
    table = table_of(tmp_path)
    assert "Not all rows have the same seeds (shop, FM): tests are on those that both have." in table.notes
    assert row(table, "shop", "FM, items", "SA@3")["seeds"] == 2


def test_what_is_refused(plain: Path) -> None:
    pools = pool_plays(read_plays(plain))
    for options, message in [
        ({"metrics": ["SA@4"]}, "no metric 'SA@4'; there are SAC, RA@3, SA@3, RA@5, SA@5"),
        ({"metrics": []}, "no metric ''"),
        ({"against": "best"}, "against must be one of rival, floor"),
        ({"alpha": 1.0}, "alpha must be in .0, 1"),
        ({"test": "t"}, "there is no test 't'"),
    ]:
        with pytest.raises(ConfigError, match=message):
            build_table(pools, **options)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="nothing to tabulate"):
        build_table([])
    with pytest.raises(SessionError, match="@7 cannot be computed"):
        build_table(pools, rounds=(7,), metrics=["SA@7"])


def test_every_form_ends_with_one_line_break(plain: Path) -> None:
    table = table_of(plain)
    for _, write in FORMATS.values():
        assert write(table).endswith("\n")
        assert not write(table).endswith("\n\n")


def test_variations() -> None:
    plain = {"magus.name": "base", "magus.negative": "zero", "magus.hops": 1}
    for method in METHODS:
        assert variation_of(method, plain) == ""
        assert variation_of(method, plain | {"magus.learn": "per_session"}) == "learn=per_session"
    signed = plain | {"magus.negative": "signed", "magus.hops": 2}
    assert variation_of("magus", signed) == "hops=2, negative=signed"
    assert variation_of("static", signed) == "hops=2"
    assert variation_of("items", signed) == ""
    # A weight of clicks counts for the objective that is set beside it alone.
    for objective, weighted in (("success", "bayes"), ("balanced", "bayes-balanced")):
        clicks = plain | {"magus.objective": objective, "magus.click_weight": 0.4}
        for method in ("bayes", "bayes-balanced"):
            assert variation_of(method, clicks) == ("click_weight=0.4" if method == weighted else "")
    # The MPS and Hybrid rows: by count, unless asked for; runs of earlier releases ranked by score.
    counted = signed | {"model.name": "hybrid", "model.rows": "count"}
    assert variation_of("static", counted) == ""
    assert variation_of("static", counted | {"model.rows": "score"}) == "rows=score, hops=2"
    assert variation_of("static", plain | {"model.name": "mps"}) == "rows=score"
    assert variation_of("magus", counted) == "hops=2, negative=signed"
    assert variation_of("magus+", signed | {"magus.weights": "raw"}) == "hops=2, negative=signed, weights=raw"
    fitted = {"magus.name": "bayes", "magus.error_rate": None, "magus.depth": 2, "magus.exact": True}
    assert variation_of("bayes", fitted) == "depth=2"
    assert variation_of("bayes", signed) == ""


def test_labels() -> None:
    assert row_label("fm", "recurrent", "", {"recurrent", "items"}) == "FM"
    assert row_label("fm", "static", "", {"static", "recurrent"}) == "FM, static"
    assert row_label("mps", "static", "", {"static"}) == "MPS"
    assert row_label("own", "max_entropy", "", set()) == "own+ME, calibrated belief"
    assert row_label("fm", "max_entropy_literal", "", set()) == "FM+ME, literal"
    assert row_label("rgcn", "magus", "hops=2", set()) == "RGCN+MAGUS (hops=2)"
    assert row_label("gipa", "mine", "", set()) == "GIPA+mine"


def test_durations() -> None:
    seconds = (0, 9.96, 52, 99.4, 288, 5999, 6000, 8280)
    assert [duration(value) for value in seconds] == [
        "0.0 s", "10.0 s", "52 s", "99 s", "4.8 min", "100 min", "1.7 h", "2.3 h",
    ]  # fmt: skip
