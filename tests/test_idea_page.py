"""The page on the idea: its tables and figures are those that the package makes, and its sentences hold of them."""

import pytest
from repository import ROOT
from scripts import load_script

idea = load_script("write_idea")


@pytest.fixture(scope="module")
def shop() -> object:
    return idea.Shop()


def test_tables_and_figures_are_written_by_the_script(shop: object) -> None:
    page = (ROOT / "docs" / idea.PAGE).read_text(encoding="utf-8")
    assert page.count("<!-- written: ") == len(idea.BLOCKS)
    assert idea.written(page, shop) == page
    for name, draw in idea.FIGURES.items():
        assert (ROOT / "docs" / name).read_text(encoding="utf-8") == draw(shop), name


def test_the_first_guess_by_sums_over_edges_is_that_of_the_session(shop) -> None:
    guess = idea.first_guess(shop)
    scores = shop.play("base")[0].scores
    assert guess["scaled"].tolist() == pytest.approx([scores[node] for node in range(shop.n)], abs=1e-12)
    # 2S - T, and what the page says of it: more than half of the mass.
    mass = guess["unit"].sum()
    queries = guess.iloc[len(idea.SHOP) :]
    assert queries["guess"].tolist() == pytest.approx((2 * queries["held"] - mass).tolist(), abs=1e-12)
    assert queries.index[queries["held"] > mass / 2].tolist() == ["Oakfield", "milk"]


def test_every_pair_is_in_one_relation(shop) -> None:
    pairs = [
        tuple(sorted(edge)) for name in ("improves", "inhibits", "independent") for edge in shop.edges(name).T.tolist()
    ]
    assert len(pairs) == len(set(pairs)) == shop.n * (shop.n - 1) // 2


def test_what_the_page_says_of_the_sessions(shop) -> None:
    order = idea.SHOP.sort_values("score", ascending=False)["item_id"].tolist()
    assert order.index(idea.WANTED) == 6
    assert [shop.names[turn.clicked] if turn.clicked is not None else "" for turn in shop.play("base")] == [
        "milk",
        "",
        "almond drink",
    ]
    last = shop.play("base")[1].scores
    milks = [last[node] for node in range(5) if node]  # without the oat drink, which was shown before
    assert min(milks) > max(score for node, score in last.items() if node < 10 and node not in (1, 2, 3, 4))
    first, second = shop.play("bayes")
    assert [shop.names[node] for node in first.shown] == ["Oakfield", "Brook"]
    assert sum(score > 0.01 for node, score in second.scores.items() if node < len(idea.SHOP)) == 2
