"""Items side by side."""

from markupsafe import Markup

from magus_pyg.graph import Word
from magus_pyg.serve.pages.comparing import Row, comparison
from magus_pyg.serve.pages.page_views import Card


def card(**details: str) -> Card:
    return Card("k", "t", "", (), tuple(details.items()), "", Markup())


def test_rows_and_what_differs() -> None:
    one = [Word("brand", "Oatly"), Word("kind", "milk"), Word("kind", "oat")]
    other = [Word("kind", "oat"), Word("kind", "milk"), Word("price_band", "low")]
    assert comparison([card(size="1 l"), card(size="1 l", weight="1 kg")], [one, other]) == [
        Row("brand", ("Oatly", ""), True),
        Row("kind", ("milk, oat", "oat, milk"), False),
        Row("price band", ("", "low"), True),
        Row("size", ("1 l", "1 l"), False),
        Row("weight", ("", "1 kg"), True),
    ]


def test_of_a_number_whose_band_is_a_word_the_number_is_told() -> None:
    one, other = [Word("price", "price 0 to 1.4"), Word("kind", "milk")], [Word("price", "price 1.5 to 2")]
    assert comparison([card(price="1.25"), card(size="1 l")], [one, other]) == [
        Row("price", ("1.25", "price 1.5 to 2"), True),
        Row("kind", ("milk", ""), True),
        Row("size", ("", "1 l"), True),
    ]


def test_nothing_to_compare() -> None:
    assert comparison([], []) == []
    assert comparison([card()], [[]]) == []
