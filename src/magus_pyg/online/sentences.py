"""What people read of a session, in their language: the sentences that the terminal and the page share."""

from collections.abc import Callable, Sequence
from typing import Literal

from torch_geometric.data import HeteroData

from magus_pyg.errors import ConfigError
from magus_pyg.escaping import cut
from magus_pyg.graph import Word, n_items, words_of
from magus_pyg.graph.titles import harmless_text
from magus_pyg.online.explanation import Reason
from magus_pyg.online.node_play import Told, by_liking
from magus_pyg.online.wishes import Fit, Without
from magus_pyg.simulation.answers import AnsweredList, Said

__all__ = ["LANGUAGES", "Name", "Sentences", "joined_words"]

_NAMED = 4
"""Words or queries that a sentence names; the others are counted."""
_LONG = 80
"""Signs of a name in a sentence."""

Name = Callable[[Sequence[Word]], str]
"""From the words of a query to what it is called."""

_Table = dict[str, str | tuple[str, str]]

_EN: _Table = {
    "and": "{before} and {last}",
    "others": ("{n} other", "{n} others"),
    "items": ("{n} item", "{n} items"),
    "anything_with": "anything with {text}",
    "more": "more with {names}",
    "less": "less with {names}",
    "no_matter": ("{names} does not matter", "{names} do not matter"),
    "not_items": ("not the item shown", "none of the {n} items shown"),
    "found": "found {name} in round {round}",
    "nothing_found": ("nothing found in {n} round", "nothing found in {n} rounds"),
    "nothing_left": "nothing is left to show",
    "unknown_word": "no item has the word {word!r}",
    "no_fit": "No item fits all that you said: these come nearest.",
    "no_fit_but": "No item fits all that you said: these come nearest. It would be {ways}.",
    "way": "{items} without “{name}”",
    "not": "not {name}",
    "or": " or ",
    "unmoved": "by the base scores alone: no answer has moved it yet",
    "others_together": ("{n} other answer", "all {n} other answers together"),
    "round": " in round {round}",
    "list": " in list {round}",
    "searched": "you searched for {name} before",
    "told": "you asked for {name}",
    "told not": "you did not want {name}",
    "clicked": "you chose {name}",
    "not care": "you said that {name} does not matter",
    "refused": "you passed over {name}",
    "below": "you did not get as far as {name}",
    "scaled": "all scores were brought to one scale",
}

_DE: _Table = {
    "and": "{before} und {last}",
    "others": ("{n} weiteres", "{n} weitere"),
    "items": ("{n} Artikel", "{n} Artikel"),
    "anything_with": "etwas mit {text}",
    "more": "mehr mit {names}",
    "less": "weniger mit {names}",
    "no_matter": ("{names} ist egal", "{names} sind egal"),
    "not_items": ("nicht der gezeigte Artikel", "keiner der {n} gezeigten Artikel"),
    "found": "{name} gefunden in Runde {round}",
    "nothing_found": ("in {n} Runde nichts gefunden", "in {n} Runden nichts gefunden"),
    "nothing_left": "es ist nichts mehr zu zeigen",
    "unknown_word": "kein Artikel hat das Wort {word!r}",
    "no_fit": "Kein Artikel passt zu allem, was Sie sagten: diese kommen dem am nächsten.",
    "no_fit_but": "Kein Artikel passt zu allem, was Sie sagten: diese kommen dem am nächsten. Es wären {ways}.",
    "way": "{items} ohne „{name}“",
    "not": "nicht {name}",
    "or": " oder ",
    "unmoved": "allein nach der ersten Schätzung: noch keine Antwort hat es bewegt",
    "others_together": ("{n} weitere Antwort", "alle {n} weiteren Antworten zusammen"),
    "round": " (Runde {round})",
    "list": " (Liste {round})",
    "searched": "Sie haben früher nach {name} gesucht",
    "told": "Sie wollten {name}",
    "told not": "Sie wollten {name} nicht",
    "clicked": "Sie haben {name} gewählt",
    "not care": "Sie sagten, {name} sei egal",
    "refused": "Sie haben {name} übergangen",
    "below": "bis zu {name} kamen Sie nicht",
    "scaled": "alle Werte wurden auf ein Maß gebracht",
}

_TABLES = {"en": _EN, "de": _DE}

LANGUAGES = tuple(_TABLES)
"""The languages that there are sentences in."""


def joined_words(words: Sequence[Word]) -> str:
    """The name of a query that nobody puts into words: its words, parted by blanks."""
    return " ".join(word.value for word in words)


class Sentences:
    """The sentences of one language.

    Args:
        language: one of `LANGUAGES`.
        step: what the reader calls one step of a session.

    Raises:
        ConfigError: another language.
    """

    def __init__(self, language: str = "en", step: Literal["round", "list"] = "round") -> None:
        if language not in _TABLES:
            raise ConfigError(f"there are sentences in {', '.join(LANGUAGES)} (got {language!r})")
        self.language, self._step, self._table = language, step, _TABLES[language]

    def number(self, value: float, digits: int = 0) -> str:
        """A number as it is written in the language."""
        text = f"{value:,.{digits}f}"
        return text if self.language == "en" else text.translate(str.maketrans(",.", ".,"))

    def signed(self, change: float) -> str:
        """What an answer changed, with its sign."""
        return ("+" if change >= 0 else "-") + self.number(abs(change), 3)

    def say(self, key: str, n: int | None = None, **parts: object) -> str:
        """A sentence of the table, in the singular where `n` is 1."""
        text = self._table[key]
        if isinstance(text, tuple):
            text = text[n != 1]
        return text.format(n="" if n is None else self.number(n), **parts)

    def joined(self, names: Sequence[str]) -> str:
        """Names as a sentence lists them; where they are many the last ones are counted."""
        listed = [cut(harmless_text(name), _LONG) for name in names]
        if len(listed) > _NAMED + 1:
            listed = [*listed[:_NAMED], self.say("others", len(listed) - _NAMED)]
        if len(listed) < 2:
            return "".join(listed)
        return self.say("and", before=", ".join(listed[:-1]), last=listed[-1])

    def understood(self, graph: HeteroData, event: AnsweredList | Told, name: Name = joined_words) -> str:
        """What was taken in of an answer or of words, on one line; of a clicked item "", since it ends the session."""
        if isinstance(event, Told):
            keys, wishes = {True: "more", False: "less"}, by_liking(event.words, event.liked)
            return _sentence([self.say(keys[liked], names=self.joined([*map(str, words)])) for liked, words in wishes])
        first = n_items(graph)
        if event.found(first) is not None:
            return ""
        named: dict[int, list[str]] = {Said.CLICKED: [], Said.REFUSED: [], Said.NOT_CARE: [], Said.UNREAD: []}
        items = 0
        for node, said in zip(event.shown, event.said(first), strict=True):
            if node < first:
                items += said == Said.REFUSED
            else:
                named[said].append(name(words_of(graph, node)))
        parts = []
        if named[Said.CLICKED]:
            parts.append(self.say("more", names=self.joined(named[Said.CLICKED])))
        elif items:
            parts.append(self.say("not_items", items))
        if named[Said.REFUSED]:
            parts.append(self.say("less", names=self.joined(named[Said.REFUSED])))
        if named[Said.NOT_CARE]:
            of_no_matter = named[Said.NOT_CARE]
            parts.append(self.say("no_matter", len(of_no_matter), names=self.joined(of_no_matter)))
        return _sentence(parts)

    def no_fit(self, fit: Fit, name: Name = joined_words) -> str:
        """That nothing fits all that was said, and the word that excludes most; "" where something does."""
        if fit.items:
            return ""
        if not fit.without:
            return self.say("no_fit")
        ways = [self.say("way", items=self.say("items", one.items), name=self._wish(one, name)) for one in fit.without]
        return self.say("no_fit_but", ways=self.joined(ways))

    def _wish(self, one: Without, name: Name) -> str:
        listed = [[word] for word in one.words] if one.is_choice else [one.words]
        text = self.say("or").join(cut(harmless_text(name(words)), _LONG // 2) for words in listed)
        return text if one.liked else self.say("not", name=text)

    def reason(self, reason: Reason, name: Name = joined_words) -> str:
        """What an answer was, for `OnlineSession.explain`, without what it changed."""
        is_query = reason.words and reason.item_id is None and reason.kind != "told"
        title = cut(harmless_text(name(reason.words) if is_query else reason.title), _LONG)
        text = self.say(reason.kind if reason.liked else f"{reason.kind} not", name=title)
        return text + (self.say(self._step, round=self.number(reason.round)) if reason.round else "")


def _sentence(parts: Sequence[str]) -> str:
    text = "; ".join(parts)
    return f"{text[:1].upper()}{text[1:]}." if text else ""
