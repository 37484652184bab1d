"""Text of the data on its way out, with the expected escapes written by hand."""

import io

import pandas as pd
import pytest
from omegaconf import OmegaConf

from magus_pyg.escaping import csv_text, cut, latex_text, markdown_text, plain_frame, shown, unquoted, yaml_text


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("plain words, Ünïcode 漢字", "plain words, Ünïcode 漢字"),
        ("\x1b[31mred\x1b[0m", r"\x1b[31mred\x1b[0m"),
        ("a\rb\nc\td\x00\x7f\x9b", r"a\rb\nc\td\x00\x7f\x9b"),
        ("\u202eabc\u2066\ufeff", r"\u202eabc\u2066\ufeff"),
        ("\u2028\u2029\x85", r"\u2028\u2029\x85"),
        ("no\udcffutf", r"no\udcffutf"),
        ("[bold]x[/]", "[bold]x[/]"),
        ("", ""),
    ],
)
def test_shown(text: str, told: str) -> None:
    assert shown(text) == told
    assert shown(text, lines=True) == told.replace(r"\n", "\n")


def test_cut() -> None:
    assert cut("abcde", 5) == "abcde"
    assert cut("abcdef", 5) == "abcd…"
    assert cut("abc def", 5) == "abc…"


def test_texts_of_a_table_are_shown_and_cut() -> None:
    frame = pd.DataFrame({"name": ["\x1b", "x" * 9, None], "value": [1.5, 2.5, 3.5]})
    plain = plain_frame(frame, 5)
    assert plain["name"].tolist()[:2] == [r"\x1b", "xxxx…"]
    assert pd.isna(plain["name"][2])
    assert plain["value"].tolist() == [1.5, 2.5, 3.5]
    assert frame["name"][1] == "x" * 9


def test_csv_holds_no_formula_and_numbers_stay_numbers() -> None:
    texts = ["=1+1", "+cmd", "-x", "@SUM(A1)", "\t=1", "\r=1", "＝1", "-1.5", "+2e3", "plain", "a,b", '"', "'=1", "-"]
    frame = pd.DataFrame({"text": texts, "value": [-1.5] * len(texts)})
    lines = csv_text(frame).split("\n")
    assert lines == [
        "text,value", "'=1+1,-1.5", "'+cmd,-1.5", "'-x,-1.5", "'@SUM(A1),-1.5", r"\t=1,-1.5", r"\r=1,-1.5", "'＝1,-1.5",
        "-1.5,-1.5", "+2e3,-1.5", "plain,-1.5", '"a,b",-1.5', '"""",-1.5', "'=1,-1.5", "'-,-1.5", "",
    ]  # fmt: skip
    back = unquoted(pd.read_csv(io.StringIO(csv_text(frame))))
    assert back["value"].tolist() == [-1.5] * len(texts)
    assert back["text"].tolist()[:4] == texts[:4]
    assert csv_text(pd.DataFrame({"=x": [1]})) == "'=x\n1\n"
    assert csv_text(frame.iloc[:0]) == "text,value\n"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("RA@3", "RA@3"),
        ("FM, items (p < 0.05)", "FM, items (p < 0.05)"),
        ("a|b", r"a\|b"),
        ("`code` *x* _y_ ~z~", r"\`code\` \*x\* \_y\_ \~z\~"),
        ("[a](http://b.c)", r"\[a\](http:\//b.c)"),
        ("<script>alert(1)</script>", "&lt;script>alert(1)&lt;/script>"),
        ("&lt;b&#62; R&D", "&amp;lt;b&amp;#62; R&D"),
        ("www.a.b and c@d.e", r"www\.a.b and c\@d.e"),
        ("not_care __x__ _y", r"not_care \_\_x\_\_ \_y"),
        ("# head", r"\# head"),
        ("- one", r"\- one"),
        ("1. one", r"1\. one"),
        ("$x$ \\ end", r"\$x\$ \\ end"),
        ("a\nb\x1b", r"a\\nb\\x1b"),
    ],
)
def test_markdown(text: str, told: str) -> None:
    # A control character is written out before the backslash of that is escaped.
    assert markdown_text(text) == told


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("50% of A&B_1 #2 ${x}$", r"50\% of A\&B\_1 \#2 \$\{x\}\$"),
        (r"\input{/etc/passwd}", r"\textbackslash{}input\{/etc/passwd\}"),
        ("[2pt] ~ ^", r"{[}2pt{]} \textasciitilde{} \textasciicircum{}"),
        ("0.5 ± 0.1 <†>", r"0.5 $\pm$ 0.1 $<$$^{\dagger}$$>$"),
        ("a\n\x1b", r"a\textbackslash{}n\textbackslash{}x1b"),
    ],
)
def test_latex(text: str, told: str) -> None:
    assert latex_text(text) == told


def test_yaml_shows_no_mark_of_direction_and_says_the_same() -> None:
    tree = {
        "a\u202eb": ["\u2066x", "é", "1e3", "x" * 300 + "\ufeff" + "y z " * 60, 1.5, None, True],
        "c": {"d": "\x1b[1m"},
    }
    text = yaml_text(OmegaConf.to_yaml(OmegaConf.create(tree)))
    assert OmegaConf.to_container(OmegaConf.create(text)) == tree
    assert not set(text) & set("\u202e\u2066\ufeff\x1b")
    assert r'"a\u202Eb"' in text
    assert "- é\n" in text
    plain = OmegaConf.to_yaml(OmegaConf.create({"e": "é"}))
    assert yaml_text(plain) is plain
