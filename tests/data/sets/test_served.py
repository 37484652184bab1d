"""A first data set with what was served since: values by hand."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from served_logs import SERVED, answer, write_served
from small_data import LOG, tabular

from magus_pyg.data import RecDataset, ServedOptions, first_dataset, load_dataset
from magus_pyg.errors import ConfigError, DataError
from magus_pyg.serve.privacy import People
from magus_pyg.serve.stores import Event, LogRow

Load = Callable[..., RecDataset]


@pytest.fixture
def load(write: Callable[..., Path], tmp_path: Path) -> Load:
    """Loads the small log together with served rows."""

    def load_with(
        rows: Sequence[LogRow] = (),
        events: Sequence[Event] = (),
        files: dict[str, str] | None = None,
        first: dict[str, Any] | None = None,
        **options: Any,
    ) -> RecDataset:
        before = tabular(write(files), **(first or {}))
        folder = write_served(tmp_path / "serve", before, rows, events)
        return load_dataset(ServedOptions(path=str(folder), **options))

    return load_with


def rows_of(data: RecDataset) -> list[tuple[str, str, int, int]]:
    """(user, item, label, time) of each row."""
    users, items = data.user_ids[data.user], data.item_ids[data.item]
    return list(zip(users.tolist(), items.tolist(), data.label.tolist(), data.time.tolist(), strict=True))


FIRST = [("01", "8", 0, 20), ("01", "007", 1, 30), ("01", "7", 1, 40), ("1", "7", 0, 10)]


def test_without_an_answer_it_is_the_first_data_set(load: Load, write: Callable[..., Path]) -> None:
    data, first = load(), load_dataset(tabular(write()))
    assert (data.fingerprint, data.notes, data.name) == (first.fingerprint, first.notes, "served")
    assert replace(data, name=first.name).word_fields == first.word_fields


def test_values_by_hand(load: Load, tmp_path: Path) -> None:
    anna = People(tmp_path / "serve").name("01")
    new = People(tmp_path / "serve").name("new")
    rows = [
        answer("s", ["7", "brand:Acme", "007"], 1, time=SERVED, user_hash=anna),
        answer("s", ["8", "tag:blue", "007"], 2, time=SERVED + 60.5, user_hash=anna),
        answer("t", ["7", "8"], None, time=SERVED + 10, user_hash=new),
        answer("g", ["brand:Bolt", "8"], 1, time=SERVED + 5),
    ]
    data = load(rows)
    moment = int(SERVED)
    assert data.user_ids.tolist() == ["01", "1", new, "guest-g"]
    assert rows_of(data) == [
        *FIRST[:3],
        ("01", "7", 0, moment),
        ("01", "007", 0, moment),
        ("01", "8", 0, moment + 60),
        ("01", "007", 1, moment + 60),
        FIRST[3],
        (new, "7", 0, moment + 10),
        (new, "8", 0, moment + 10),
        ("guest-g", "8", 1, moment + 5),
    ]
    # Seven rows of "01": train ends at 47 // 10 = 4, validation at 61 // 10 = 6, each in a list, which stays whole.
    assert data.part[:7].tolist() == [0, 0, 0, 0, 0, 1, 1]
    assert data.searched.to_dict("list") == {"user": [0], "time": [moment], "words": ["Acme"]}


def test_what_was_taken_back_does_not_count(load: Load) -> None:
    def undo(session: str) -> LogRow:
        return LogRow("undo", session, SERVED)

    rows = [
        answer("a", ["7"], 0),
        undo("a"),
        answer("b", ["8"], 0),  # another session, between
        answer("a", ["007"], None),
        LogRow("words", "a", SERVED, words=[["tag", "red"]], liked=True),
        undo("a"),
        undo("a"),
        answer("a", ["8"], 0),
        LogRow("start", "a", SERVED),
        LogRow("words", "a", SERVED, words=[["tag", "blue"], ["brand", "Acme"]], liked=True),
        LogRow("words", "a", SERVED, words=[["tag", "red"]], liked=False),
    ]
    data = load(rows)
    assert rows_of(data)[4:] == [("guest-b", "8", 1, int(SERVED)), ("guest-a", "8", 1, int(SERVED))]
    assert data.searched["words"].tolist() == ["blue|Acme"]


def test_words_that_were_taken_back_are_gone(load: Load) -> None:
    def told(words: list[list[str]], liked: bool | None) -> LogRow:
        return LogRow("words", "a", SERVED, words=words, liked=liked)

    rows = [
        answer("a", ["7", "brand:Acme"], 1),
        told([["tag", "red"], ["brand", "Bolt"]], True),
        told([["tag", "red"]], None),  # of what was told the word alone goes
        told([["brand", "Acme"]], None),  # and a click on its query
        told([["tag", "blue"]], True),
        told([["tag", "blue"]], None),  # all that was told then: the undo takes back what came before it
        LogRow("undo", "a", SERVED),
        answer("a", ["8", "tag:blue"], 1),
        answer("b", ["8", "brand:Acme"], 1),
    ]
    data = load(rows)
    assert data.searched["words"].tolist() == ["blue", "Acme"]
    assert [row[1:3] for row in rows_of(data)[4:]] == [("7", 0), ("8", 0), ("8", 0)]


def test_events(load: Load, tmp_path: Path) -> None:
    anna = People(tmp_path / "serve").name("01")
    events = [
        Event("1", "purchase", "8", SERVED, user_hash=anna),
        Event("2", "view", "7", SERVED, user_hash=anna),
        Event("3", "purchase", "7", SERVED + 0.25, session_id="g"),
        Event("4", "purchase", "gone", SERVED),
    ]
    data = load((), events)
    assert rows_of(data)[3] == ("01", "8", 1, int(SERVED))
    assert rows_of(data)[5:] == [("guest-g", "7", 1, int(SERVED))]
    assert data.notes == {
        "events of other kinds than dataset.positive_events, left out": 1,
        "served rows of items that the item table lacks, dropped": 1,
    }
    assert len(load((), events, positive_events=["view"]).user) == 5


def test_guests_and_searches_may_be_left_out(load: Load) -> None:
    rows = [answer("g", ["brand:Bolt", "8"], 0), answer("h", ["8"], 0, user_hash="h" * 32)]
    data = load(rows, [Event("1", "purchase", "7", SERVED)], guests=False)
    assert data.user_ids.tolist() == ["01", "1", "h" * 32]
    assert (len(data.user), len(data.searched)) == (5, 0)
    assert len(load(rows).searched) == 1
    assert len(load(rows, searched=False).searched) == 0


def test_a_log_without_negative_rows_gets_none(load: Load) -> None:
    data = load([answer("g", ["7", "8"], 1)], first={"positive": "all"})
    assert not data.has_negatives
    assert rows_of(data)[4:] == [("guest-g", "8", 1, int(SERVED))]


def test_actions_are_named_or_the_usual_ones(load: Load) -> None:
    log = "user_id,item_id,rating,timestamp\n01,007,buy,1\n01,7,click,2\n01,8,click,3\n"
    log += "1,7,view,4\n1,8,view,5\n1,007,skip,6\n"
    first = {"positive": "action", "positive_actions": ["buy", "click"]}
    events = [Event("1", "buy", "7", SERVED), Event("2", "purchase", "8", SERVED + 1)]
    data = load(
        [answer("g", ["7", "8"], 1)], events, {"interactions.csv": log}, first, positive_events=["buy", "purchase"]
    )
    assert data.actions == ("buy", "click", "skip", "view")
    served = data.user >= 2
    named = [data.actions[code] for code in data.action[served]]  # type: ignore[index]
    assert list(zip(data.label[served].tolist(), named, strict=True)) == [
        (0, "view"), (1, "click"), (1, "buy"), (1, "click"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("times", "expected"), [("number", int(SERVED)), ("milli", 1_800_000_000_001), ("", int(SERVED))]
)
def test_served_rows_come_last_in_every_unit(load: Load, times: str, expected: int) -> None:
    first = {"timestamp": ""} if not times else {}
    milli = LOG.replace(",10\n", ",1600000000000\n").replace(",40\n", ",1800000000000\n")
    files = {"interactions.csv": milli} if times == "milli" else None
    data = load([answer("g", ["7"], 0), answer("g", ["8"], 0, time=SERVED + 9)], (), files, first)
    assert data.time[data.user == 2].tolist() == [expected, expected + (1 if times == "milli" else 9)]


def test_own_parts_stay(load: Load, tmp_path: Path) -> None:
    log = "user_id,item_id,rating,timestamp,part\n01,007,5,1,test\n01,7,4,2,train\n1,8,2,3,valid\n"
    anna = People(tmp_path / "serve").name("01")
    data = load([answer("s", ["8"], 0, user_hash=anna)], (), {"interactions.csv": log}, {"split": "part"})
    assert data.part.tolist() == [2, 0, 0, 1]


def test_an_unordered_log(load: Load) -> None:
    data = load([answer("g", ["8"], 0)], (), None, {"timestamp": "", "ordered": False})
    assert not data.ordered
    assert len(data.user) == 5


def test_the_rules_of_the_first_data_set_hold(load: Load, tmp_path: Path) -> None:
    anna = People(tmp_path / "serve").name("01")
    rows = [answer("g", ["8"], 0), answer("s", ["8"], 0, user_hash=anna)]
    data = load(rows, (), None, {"min_user_rows": 2})
    assert data.user_ids.tolist() == ["01"]
    assert len(data.user) == 4


def test_profiles_of_new_users_are_empty(load: Load) -> None:
    files = {"users.csv": "user_id,age\n01,old\n1,young\n"}
    data = load([answer("g", ["8"], 0)], (), files, {"profile_fields": ["age"]})
    assert data.users["age"].tolist() == ["old", "young", ""]


def test_a_log_of_a_run_that_was_trained_on_a_log_goes_on_from_the_first_data_set(load: Load, tmp_path: Path) -> None:
    rows = [answer("g", ["8"], 0)]
    data = load(rows)
    second = ServedOptions(path=str(tmp_path / "serve" / "log"))
    folder = write_served(tmp_path / "serve 2", second, rows)
    assert load_dataset(ServedOptions(path=str(folder))).fingerprint == data.fingerprint


def test_the_options_of_the_first_data_set_are_known(load: Load, tmp_path: Path) -> None:
    load(first={"empty_values": {"*": ["none"]}})
    first = first_dataset(ServedOptions(path=str(tmp_path / "serve" / "log")))
    assert first == tabular(tmp_path, empty_values={"*": ["none"]})
    assert first_dataset(first) is first


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        ("source.json", "is no log of what was served"),
        ("../people.key", "cannot be read"),
        ("answers/000000000001.parquet", "cannot be read"),
    ],
)
def test_a_log_that_is_damaged(load: Load, tmp_path: Path, spoil: str, message: str) -> None:
    load([answer("g", ["8"], 0)])
    folder = tmp_path / "serve" / "log"
    if spoil.endswith("parquet"):
        (folder / spoil).write_bytes(b"PAR1 and nothing")
    else:
        (folder / spoil).unlink()
    with pytest.raises(DataError, match=message):
        load_dataset(ServedOptions(path=str(folder)))


def test_a_log_of_another_release_or_data_set(load: Load, tmp_path: Path) -> None:
    load()
    path = tmp_path / "serve" / "log" / "source.json"
    text = path.read_text()
    for old, new, message in (
        ('"format": 1', '"format": 2', "another release"),
        ("TabularOptions", "OtherOptions", "not known here"),
        ('"word_fields"', '"words_fields"', "not known here"),
        ("{", "", "damaged"),
    ):
        path.write_text(text.replace(old, new, 1))
        with pytest.raises(DataError, match=message):
            load_dataset(ServedOptions(path=str(path.parent)))


def test_options_out_of_range() -> None:
    with pytest.raises(ConfigError, match=r"add dataset\.path"):
        load_dataset(ServedOptions())
    with pytest.raises(ConfigError, match=r"dataset\.max_words is that of the data set .* \(got 2\)"):
        load_dataset(ServedOptions(path="x", max_words=2))
    with pytest.raises(DataError, match="is no log"):
        load_dataset(ServedOptions(path="x"))


def test_erased_people_are_gone(load: Load, tmp_path: Path, write: Callable[..., Path]) -> None:
    from served_logs import export, keep

    from magus_pyg.serve.stores.memory_store import MemoryStore

    first, store = tabular(write()), MemoryStore()
    keep(store, [answer("s", ["8", "brand:Acme"], 1, user_hash="a" * 32), answer("g", ["8"], 0)])
    options = ServedOptions(path=str(tmp_path / "serve" / "log"))
    export(store, tmp_path / "serve", first)
    assert "a" * 32 in load_dataset(options).user_ids
    store.erase_user("a" * 32)
    export(store, tmp_path / "serve", first)
    data = load_dataset(options)
    assert data.user_ids.tolist() == ["01", "1", "guest-g"]
    assert not len(data.searched)
    assert not any(b"a" * 32 in path.read_bytes() for path in (tmp_path / "serve").rglob("*.parquet"))


def test_many_sessions_with_random_undos_count_as_a_stack_says() -> None:
    import pyarrow as pa

    from magus_pyg.data.served_answers import counting

    rng = np.random.default_rng(0)
    kinds = np.array(["answer", "words", "undo", "start"], dtype=object)[rng.choice(4, 4000, p=[0.4, 0.2, 0.35, 0.05])]
    sessions = np.array([f"s{number}" for number in rng.integers(60, size=4000)], dtype=object)
    stacks: dict[str, list[int]] = {}
    for at, (kind, session) in enumerate(zip(kinds, sessions, strict=True)):
        stack = stacks.setdefault(session, [])
        if kind in ("answer", "words"):
            stack.append(at)
        elif kind == "undo" and stack:
            stack.pop()
        elif kind == "undo":
            kinds[at] = "start"  # the service takes nothing back where there is nothing
    columns = {"kind": pa.array(kinds), "session_id": pa.array(sessions), "number": np.arange(4000)}
    table = pa.table({**columns, "liked": pa.array([True] * 4000)})
    expected = sorted(at for stack in stacks.values() for at in stack)
    assert counting(table)["number"].to_pylist() == expected
    assert counting(table.slice(0, 0)).num_rows == 0


TEXT = [("words", 1.0, "a", True), ("words", 1.0, "bc", False)]  # one text: what is wanted, and what is not


@pytest.mark.parametrize(
    ("rows", "left"),
    [
        ([*TEXT, ("words", 3.0, "ab", None)], ["c"]),
        ([*TEXT, ("words", 3.0, "abc", None)], []),
        ([*TEXT, ("words", 2.0, "d", True), ("words", 3.0, "ad", None)], ["a", "bc", "d"]),  # not told together
        ([("words", 0.0, "d", True), *TEXT, ("words", 3.0, "ab", None), ("undo", 4.0, "", None)], ["d"]),
    ],
)
def test_words_of_one_text_are_taken_back_together(
    rows: list[tuple[str, float, str, bool | None]], left: list[str]
) -> None:
    import pyarrow as pa

    from magus_pyg.data.served_answers import counting

    words = [[{"field": "f", "value": word} for word in told] for _, _, told, _ in rows]
    table = pa.table(
        {
            "session_id": ["s"] * len(rows),
            "kind": [kind for kind, _, _, _ in rows],
            "time": [time for _, time, _, _ in rows],
            "words": words,
            "liked": pa.array([liked for _, _, _, liked in rows], pa.bool_()),
            "clicked": pa.array([None] * len(rows), pa.int64()),
            "shown": [[{"words": words[0]}]] * len(rows),
        }
    )
    assert ["".join(word["value"] for word in row) for row in counting(table)["words"].to_pylist()] == left
