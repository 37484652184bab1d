"""New items, cleaned as the items of a data set were."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from magus_pyg.data import SyntheticOptions, TabularOptions, load_dataset
from magus_pyg.data.field_values import band_labels, labels_of_bands
from magus_pyg.data.sets.new_items import clean_new_items
from magus_pyg.errors import DataError

RULES = {
    "word_fields": ["brand", "kinds", "price"],
    "merge_fields": {"kinds": ["kind", "sort"]},
    "bands": {"price": 3},
    "empty_values": {"*": ["n/a"], "brand": ["unknown"]},
    "separator": ",",
    "item_key": "sku",
    "title_field": "title",
    "max_length": 20,
    "positive": "all",
    "rating": "",
    "timestamp": "",
}
WORDS = {
    "brand": ["Alpro", "H&M"],
    "kinds": ["Milk", "Oat Milk"],
    "price": ["price 1 to 9", "price 10 to 25.5", "price 40", "no band"],
}


def cleaned(**columns: list[object]) -> dict[str, list[object]]:
    rows = len(next(iter(columns.values())))
    table = pd.DataFrame({"sku": [f"n{row}" for row in range(rows)], **columns})
    found, notes = clean_new_items(table, TabularOptions(**RULES), WORDS)  # type: ignore[arg-type]
    return {"item_id": found["item_id"].tolist(), **{name: found[name].tolist() for name in columns}, "notes": [notes]}


def test_values_are_cleaned() -> None:
    found = cleaned(
        brand=[" alpro ", "H&amp;amp;M", "UNKNOWN", "N/A", "Oatly,ALPRO", "x" * 21],
        kind=["milk", "oat  MILK", "", None, ["MILK", None, "Soy,Rice"], "OAT MILK,milk"],
        sort=["Milk"] * 6,
        title=["A &amp; B", None, "c", "", "e", "f"],
    )
    assert found["item_id"] == [f"n{row}" for row in range(6)]
    assert found["brand"] == ["Alpro", "H&M", "", "", "Oatly|Alpro", ""]
    assert found["kind"] == ["Milk", "Oat Milk", "", "", "Milk|Soy,Rice", "Oat Milk|Milk"]
    assert found["title"][:1] == ["A & B"]
    assert found["notes"] == [
        {
            "values of brand that mean no value": 2,
            "values of brand longer than 20 characters, left out": 1,
            "spellings of brand written as another": 2,
            "spellings of kind written as another": 4,
        }
    ]


def test_numbers_get_the_bands_that_are_there() -> None:
    numbers = [1, "9", 9.5, 10, 25.5, 26, 40, 0.99, 40.5, None, ""]
    found = cleaned(price=numbers)
    first, second, third = WORDS["price"][:3]
    assert found["price"] == [first, first, second, second, second, third, third, "", "", "", ""]
    assert found["notes"] == [{"values of price outside of all bands, such as 0.99": 2}]


def test_what_is_no_number_is_an_error() -> None:
    with pytest.raises(DataError, match=r"the new items, row 2, column 'price': 'cheap' is no number"):
        cleaned(price=["3", "cheap"])
    with pytest.raises(DataError, match=r"row 1, column 'brand': 'a\|b' holds '\|'"):
        cleaned(brand=["a|b"])


def test_bands_of_numbers_that_were_cut_are_their_bands() -> None:
    random = np.random.default_rng(0)
    for values in (random.integers(-50, 50, 200).astype(float), random.normal(size=300) * 1e-3):
        labels = band_labels(values, 5, "price in EUR")
        again, outside = labels_of_bands(values, "price in EUR", [*set(labels), "price in EUR unknown", "other 3"])
        assert again.tolist() == labels.tolist()
        assert not outside.any()
    nothing, outside = labels_of_bands(np.array([1.0, np.nan]), "price", ["cheap"])
    assert (nothing.tolist(), outside.tolist()) == (["", ""], [True, False])


@pytest.mark.parametrize(("spelling", "expected"), [("keep", "ALPRO"), ("lower", "alpro"), ("fold", "Alpro")])
def test_spelling_follows_the_options(spelling: str, expected: str) -> None:
    table = pd.DataFrame({"item_id": ["n"], "brand": ["ALPRO"]})
    options = TabularOptions(word_fields=["brand"], spelling=spelling)
    assert clean_new_items(table, options, WORDS)[0]["brand"].tolist() == [expected]


def test_a_column_that_is_missing_is_left_to_the_graph() -> None:
    table = pd.DataFrame({"item_id": ["n"], "brand": ["alpro"]})
    found, _ = clean_new_items(table, TabularOptions(**RULES), WORDS)  # type: ignore[arg-type]
    assert list(found.columns) == ["item_id", "brand"]
    untouched, notes = clean_new_items(table, SyntheticOptions(), WORDS)
    assert (untouched["brand"].tolist(), notes) == (["alpro"], {})


def test_new_rows_are_as_if_they_had_been_there(tmp_path: Path) -> None:
    """The second half of a table, cleaned as new, is what it was in the whole; both halves hold all words."""
    rows = [("Alpro", "milk", 1.0), ("alpro", "Milk, oat", 3.0), ("N/A", "cheese", 7.5), ("Oatly", "OAT", 9.0)]
    table = pd.DataFrame([*rows, *rows[::-1]], columns=["brand", "kind", "price"])
    table.insert(0, "sku", [f"i{row}" for row in range(8)])
    table.to_csv(tmp_path / "items.csv", index=False)
    log = pd.DataFrame({"user_id": ["u"] * 8, "item_id": table["sku"]})
    log.to_csv(tmp_path / "interactions.csv", index=False)
    rules = {**RULES, "word_fields": ["brand", "kind", "price"], "merge_fields": {}, "title_field": ""}
    options = TabularOptions(path=str(tmp_path), **rules)  # type: ignore[arg-type]
    whole = load_dataset(options).items
    words = {name: {word for cell in whole[name] for word in cell.split("|")} for name in rules["word_fields"]}
    new, notes = clean_new_items(table[4:].astype({"price": object}), options, words)
    columns = ["item_id", "brand", "kind", "price"]
    assert new[columns].to_dict("list") == whole[4:][columns].to_dict("list")
    assert whole["price (exact)"].tolist() == ["1.0", "3.0", "7.5", "9.0", "9.0", "7.5", "3.0", "1.0"]
    assert "outside" not in str(notes)
