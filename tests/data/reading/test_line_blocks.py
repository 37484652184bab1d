"""Large files in blocks of lines, logs of numbers in blocks, and the bar over them."""

import gzip

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from magus_pyg.data import Findings, TabularOptions, collecting, load_dataset
from magus_pyg.data.reading.findings import current_findings, listed
from magus_pyg.data.reading.integer_logs import ColumnRule, LogLayout, read_integers
from magus_pyg.data.reading.line_blocks import line_blocks
from magus_pyg.data.reading.reading_progress import reading
from magus_pyg.errors import DataError

LINES = st.lists(st.text(alphabet="ab ,é\r", max_size=5), min_size=1, max_size=30)


@given(LINES, st.integers(1, 40), st.booleans(), st.booleans(), st.booleans())
def test_blocks_hold_every_line_once(tmp_path_factory, lines, size, packed, bom, end):
    content = ("\n".join(lines) + "\n" * end).encode()
    path = tmp_path_factory.mktemp("lines") / ("file.gz" if packed else "file")
    data = b"\xef\xbb\xbf" * bom + content
    path.write_bytes(gzip.compress(data) if packed else data)
    if not content.strip():
        with pytest.raises(DataError, match="is empty"):
            list(line_blocks(path, Findings(), size))
        return
    blocks = list(line_blocks(path, Findings(), max(size, 4)))
    assert b"".join(block.data for block in blocks) == content
    numbered = [pair for block in blocks for pair in block.lines()]
    expected = [(number, line.strip()) for number, line in enumerate(content.split(b"\n"), 1) if line.strip()]
    assert numbered == expected


LAYOUT = LogLayout(("a", "b"), optional=("b",), rules=(ColumnRule("a", lambda a: a < 0, "is below 0"),))


@given(st.lists(st.tuples(st.integers(0, 2**40), st.none() | st.integers(-5, 9)), min_size=1), st.integers(1, 60))
def test_numbers_are_read_whatever_the_blocks(tmp_path_factory, rows, size):
    path = tmp_path_factory.mktemp("numbers") / "log.csv"
    path.write_text("".join(f"{a},{'' if b is None else b}\n" for a, b in rows))
    columns = read_integers(path, LAYOUT, Findings(), size).columns
    assert columns["a"].tolist() == [a for a, _ in rows]
    assert columns["b"].tolist() == [-1 if b is None else b for _, b in rows]


def test_lines_of_problems_whatever_the_blocks(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("a,b\n" + "1,2\n" * 5 + "\n-1,2\n" + "1,2\n" * 5 + "1,x\n1\n-2,3\n" + '"7",8\n')
    for size in (4, 10, 1000):
        findings = Findings(collect=True)
        columns = read_integers(path, LAYOUT, findings, size).columns
        assert columns["a"].tolist() == [1] * 10 + [7]
        assert sorted(findings.problems) == [
            f"{path}, line 14, column 'b': 'x' is no whole number",
            f"{path}, line 15: 1 columns instead of 2: ['1']",
            f"{path}, line 8, column 'a': -1 is below 0; lines 8, 16",
        ]
        with pytest.raises(DataError, match=r"line (8|14), column '[ab]': (-1 is below 0|'x' is no whole number)$"):
            read_integers(path, LAYOUT, Findings(), size)


def test_a_header_alone_and_blank_lines_before_it(tmp_path):
    path = tmp_path / "log.csv"
    for text in ("a,b", "a,b\n", "\n\na,b\n\n"):
        path.write_text(text)
        assert read_integers(path, LAYOUT, Findings()).columns["a"].size == 0
    path.write_text("\n\nb,more,a\n3,x,4\n5,,6\n")
    columns = read_integers(path, LAYOUT, Findings()).columns
    assert (columns["a"].tolist(), columns["b"].tolist()) == ([4, 6], [3, 5])
    assert columns["a"].dtype == np.int32


def test_bar_on_a_terminal(tmp_path, monkeypatch, capsys):
    path = tmp_path / "big.csv"
    path.write_bytes(b"1,2\n" * 100)
    with reading(path) as done:
        done(50)
    assert capsys.readouterr().err == ""
    monkeypatch.setattr("magus_pyg.data.reading.reading_progress._SMALL", 10)
    with reading(path) as done:  # no terminal: no bar
        done(50)
    assert capsys.readouterr().err == ""
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    with reading(path) as done:
        done(200)
    assert "reading big.csv" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("lines", "count", "text"),
    [([3], None, "line 3"), ([3, 4], None, "lines 3, 4"), (list(range(9)), 20, "lines 0, 1, 2, 3, 4 and 15 more")],
)
def test_listed(lines, count, text):
    assert listed(lines, count) == text


def test_collecting_is_for_what_is_loaded_inside(tmp_path):
    (tmp_path / "items.csv").write_text("item_id,w\n1,a\n1,b\n")
    (tmp_path / "interactions.csv").write_text("user_id,item_id,rating,timestamp\n1,1,5,1\n")
    options = TabularOptions(path=str(tmp_path), word_fields=["w"])
    with collecting() as findings:
        assert current_findings() is findings
        assert load_dataset(options).n_items == 1
        with collecting() as inner:
            load_dataset(options)
        assert len(inner.problems) == 1
    assert len(findings.problems) == 1
    assert repr(findings) == "Findings(collect=True, problems=1)"
    with pytest.raises(DataError, match="already on line 2"):
        load_dataset(options)
