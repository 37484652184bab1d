"""Users who read texts and write sentences: what is said of queries, and what people type, measured by success.

They see a list as people do, by `magus_pyg.language`: queries by their questions, items by their titles and words.
"""

from collections.abc import Sequence
from functools import cached_property

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from magus_pyg.errors import SessionError
from magus_pyg.graph import n_items, n_nodes, node_label, node_words
from magus_pyg.language import Phraser, Reader
from magus_pyg.language.rule import plain_word
from magus_pyg.language.tokens import stem, tokens
from magus_pyg.options import at_least, between, check_value
from magus_pyg.random import hash_keys, integers, uniform
from magus_pyg.simulation.answers import first_click
from magus_pyg.simulation.users import Answer, Moment, ShownList, Spoken, TruthfulUser, User, target_nodes

__all__ = ["ReaderUser", "WriterUser", "told_error"]

_TARGET, _WORD, _WRONG, _STRANGE, _SYNONYM, _TYPO, _PLACE, _LETTER, _SENTENCE = range(0x41, 0x4A)
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_MOST_WORDS = 8  # told at once


class _Texts:
    """What is read of the texts of one graph; made when it is asked for."""

    def __init__(self, graph: HeteroData, locale: str) -> None:
        self.graph, self.locale = graph, locale
        self.phraser, self.reader = Phraser(graph), Reader(graph)
        # Words of one value are one to somebody who reads texts, whatever their field.
        keys = [tuple(map(stem, tokens(value))) for value in graph.vocabulary.words.values]
        numbers: dict[tuple[str, ...], int] = {}
        self.meaning = torch.tensor([numbers.setdefault(key, len(numbers)) for key in keys], dtype=torch.int64)
        """int64 [W]: the number of what each word says."""
        self.count = max(len(numbers), 1)
        self._read: dict[int, tuple[int, ...]] = {}
        self._labels: dict[str, int] = {}
        self._label_of: dict[int, int] = {}

    @cached_property
    def item_meanings(self) -> Tensor:
        """int64, ascending: item · count + number, for all that the words of items say."""
        held = node_words(self.graph)
        first = int((held.row < n_items(self.graph)).sum())
        key = held.row[:first] * self.count + self.meaning[held.index[:first]]
        found: Tensor = torch.unique(key)
        return found

    def said(self, query: int) -> tuple[int, ...]:
        """The numbers of what the words in a query's question say; () where none is found in it."""
        if query not in self._read:
            text = self.phraser.phrase([query], self.locale)[0].question
            parts = self.reader.read(text).parts
            found = [word for part in parts if part.kind == "word" for word in part.words]
            ids = [self.graph.vocabulary.word_id(tuple(word)) for word in found]
            self._read[query] = tuple(sorted({int(self.meaning[word]) for word in ids}))
        return self._read[query]

    def label(self, item: int) -> int:
        """The number of an item's text: items of one text cannot be told apart."""
        if item not in self._label_of:
            text = node_label(self.graph, item)
            self._label_of[item] = self._labels.setdefault(text, len(self._labels))
        return self._label_of[item]

    def queries_fit(self, nodes: Tensor, items: Tensor) -> Tensor:
        """bool [B, N]: whether one of the items [B, T] (-1 pads) has all words that are found in a query's question."""
        distinct, place = torch.unique(nodes, return_inverse=True)
        read = [self.said(node) if node >= n_items(self.graph) else () for node in distinct.tolist()]
        width = max(map(len, read), default=0)
        if not width or not items.shape[1]:
            return torch.zeros_like(nodes, dtype=torch.bool)
        table = torch.tensor([[*said, *[-1] * (width - len(said))] for said in read], dtype=torch.int64)
        said = table[place].unsqueeze(2)  # [B, N, 1, F]
        key = items.clamp(min=0)[:, None, :, None] * self.count + said.clamp(min=0)
        known = self.item_meanings
        at = torch.searchsorted(known, key).clamp(max=known.numel() - 1)
        has = ((known[at] == key) | (said < 0)).all(3) & (items >= 0).unsqueeze(1)
        return has.any(2) & (table[:, 0][place] >= 0)

    def items_fit(self, nodes: Tensor, items: Tensor) -> Tensor:
        """bool [B, N]: whether a shown item reads as one of the items [B, T] (-1 pads) does."""
        return (self._numbers(nodes, -2).unsqueeze(2) == self._numbers(items, -1).unsqueeze(1)).any(2)

    def _numbers(self, nodes: Tensor, none: int) -> Tensor:
        distinct, place = torch.unique(nodes, return_inverse=True)
        inside = [0 <= node < n_items(self.graph) for node in distinct.tolist()]
        numbers = [self.label(node) if item else none for node, item in zip(distinct.tolist(), inside, strict=True)]
        return torch.tensor(numbers, dtype=torch.int64)[place]

    @cached_property
    def query_of(self) -> Tensor:
        """int64 [W]: the query of each word alone, -1 where there is none."""
        first, ptr = n_items(self.graph), self.graph.word_ptr
        single = torch.arange(first, n_nodes(self.graph))
        single = single[(ptr[single + 1] - ptr[single]) == 1]
        found = torch.full((len(self.graph.vocabulary.words),), -1, dtype=torch.int64)
        found[self.graph.word_index[ptr[single]]] = single
        return found

    @cached_property
    def synonyms(self) -> dict[int, list[str]]:
        """Word id -> other phrases that mean it."""
        return self.reader.index.synonyms()


class _OnTexts(User):
    """Keeps what was read of the last graph."""

    def __init__(self, locale: str) -> None:
        self.locale = locale
        self._last: _Texts | None = None

    def texts(self, graph: HeteroData) -> _Texts:
        """What is read of a graph."""
        if self._last is None or self._last.graph is not graph:
            self._last = _Texts(graph, self.locale)
        return self._last


class ReaderUser(_OnTexts):
    """Sees texts alone and judges them by the words found there; then answers by Definition D.1.

    A query is liked where some target has every word that is found in its question, of whatever field; one whose
    question holds no word of the catalogue is not understood, hence not liked. An item is liked where its title and
    words read as a target's: of items that read alike the wrong one may be clicked, which is no success.

    Args:
        locale: the language of the questions.
    """

    def __init__(self, locale: str = "en") -> None:
        super().__init__(locale)

    def __repr__(self) -> str:
        return f"ReaderUser(locale={self.locale!r})"

    def answer(self, shown: ShownList) -> Answer:
        """The answers to what is read.

        Raises:
            SessionError: lists without their graph, nodes and targets, which have no texts.
        """
        if shown.graph is None or shown.nodes is None or shown.targets is None:
            raise SessionError("a user who reads needs lists with their graph, nodes and targets")
        texts, device = self.texts(shown.graph), shown.present.device
        nodes, targets = shown.nodes.cpu(), shown.targets.cpu()
        fits = torch.where(shown.is_item.cpu(), texts.items_fit(nodes, targets), texts.queries_fit(nodes, targets))
        return Answer(first_click(shown.is_item, fits.to(device) & shown.present), torch.zeros_like(shown.present))


class WriterUser(_OnTexts):
    """Answers lists truthfully, and writes a sentence before some of them, which is read and told to the agent.

    A sentence names words of a target that were not named yet, with synonyms, typing errors and filler; now and then a
    word of another item. What of it reaches the agent is what the reader understands. All that is drawn is a function
    of the session's key.

    Args:
        times: before how many lists, from the first on, a sentence is written.
        words: words in each.
        typos: chance that a word has a typing error, in [0, 1].
        synonyms: chance that a word that has synonyms is written as one, in [0, 1].
        wrong: chance that a word is of another item than the target, in [0, 1].
        filler: whether words stand in a sentence; else they stand alone.
        locale: the language of the sentences.

    Raises:
        ConfigError: a value out of range.
    """

    def __init__(
        self,
        times: int = 1,
        words: int = 2,
        typos: float = 0.1,
        synonyms: float = 0.3,
        wrong: float = 0.05,
        filler: bool = True,
        locale: str = "en",
    ) -> None:
        super().__init__(locale)
        check_value("user.times", times, at_least(0))
        check_value("user.words", words, between(1, _MOST_WORDS))
        for name, chance in (("typos", typos), ("synonyms", synonyms), ("wrong", wrong)):
            check_value(f"user.{name}", chance, between(0, 1))
        self.times, self.words, self.filler = times, words, filler
        self.typos, self.synonyms, self.wrong = typos, synonyms, wrong

    def __repr__(self) -> str:
        return (
            f"WriterUser(times={self.times}, words={self.words}, typos={self.typos}, synonyms={self.synonyms}, "
            f"wrong={self.wrong}, filler={self.filler}, locale={self.locale!r})"
        )

    def answer(self, shown: ShownList) -> Answer:
        """Truthful answers."""
        return TruthfulUser().answer(shown)

    def tells(self, moment: Moment) -> Sequence[Spoken]:
        """What is understood of the sentences."""
        if moment.round > self.times or not moment.targets.shape[1]:
            return ()
        texts = self.texts(moment.graph)
        read = [texts.reader.read(text) if text else None for text in self.sentences(moment)]
        ids = moment.graph.vocabulary
        told = []
        for liked in (True, False):
            rows = [[] if one is None else [ids.word_id(tuple(word)) for word in (one.liked if liked else one.disliked)]
                    for one in read]  # fmt: skip
            width = min(max(map(len, rows), default=0), _MOST_WORDS)
            if width:
                words = torch.tensor([[*row[:width], *[-1] * (width - len(row))] for row in rows], dtype=torch.int64)
                nodes = torch.where(words >= 0, texts.query_of[words.clamp(min=0)], -1)
                told.append(Spoken(nodes.to(moment.targets.device), liked))
        return told

    def sentences(self, moment: Moment) -> list[str]:
        """What is written before the lists of a round, a text a session; "" where nothing is left to say."""
        texts, key = self.texts(moment.graph), moment.key.cpu()
        targets = moment.targets.cpu()
        chosen = self._words(texts, targets, key, moment.round)
        place = torch.arange(self.words)
        draws = {
            kind: uniform(key.unsqueeze(1), kind, moment.round, place).tolist()
            for kind in (_SYNONYM, _TYPO, _PLACE, _LETTER)
        }
        sentence = uniform(key, _SENTENCE, moment.round).tolist()
        lexicon = texts.phraser.lexicons.of(self.locale)
        values = moment.graph.vocabulary.words.values
        written = []
        for row, words in enumerate(chosen):
            phrases = []
            for at, word in enumerate(words):
                chance = {kind: drawn[row][at] for kind, drawn in draws.items()}
                phrase, others = plain_word(values[word]), texts.synonyms.get(word, ())
                if others and chance[_SYNONYM] < self.synonyms:
                    phrase = others[int(chance[_SYNONYM] / self.synonyms * len(others))]
                if chance[_TYPO] < self.typos:
                    phrase = _mistyped(phrase, chance[_PLACE], chance[_LETTER], int(chance[_TYPO] / self.typos * 4))
                phrases.append(phrase)
            text = ", ".join(phrases)
            if text and self.filler and lexicon.sentences:
                text = lexicon.sentences[int(sentence[row] * len(lexicon.sentences))].replace("{words}", text)
            written.append(text)
        return written

    def _words(self, texts: _Texts, targets: Tensor, key: Tensor, round_number: int) -> list[list[int]]:
        """The ids of the words of each sentence: a target's, in an order drawn for the session."""
        held, count = node_words(texts.graph), len(texts.graph.vocabulary.words)
        some = (targets >= 0).sum(1).clamp(min=1)
        target = targets.gather(1, integers(some, key, _TARGET).unsqueeze(1)).squeeze(1)
        row, words = held.gather(target.clamp(min=0))
        order = torch.argsort(uniform(key[row], _WORD, words))
        order = order[torch.argsort(row[order], stable=True)]
        first = torch.searchsorted(row[order].contiguous(), torch.arange(len(key)))
        at = torch.arange(row.numel()) - first[row[order]]
        begin = (round_number - 1) * self.words
        kept = (at >= begin) & (at < begin + self.words) & (target[row[order]] >= 0)
        chosen = words[order][kept]
        strange = integers(max(count, 1), key[row[order][kept]], _STRANGE, at[kept])
        wrong = uniform(key[row[order][kept]], _WRONG, at[kept]) < self.wrong
        found: list[list[int]] = [[] for _ in range(len(key))]
        for session, word in zip(row[order][kept].tolist(), torch.where(wrong, strange, chosen).tolist(), strict=True):
            found[session].append(word)
        return found


def _mistyped(phrase: str, place: float, letter: float, kind: int) -> str:
    """A phrase with one letter left out, doubled by another, wrong, or exchanged with the next one."""
    at = int(place * len(phrase))
    sign = _LETTERS[int(letter * len(_LETTERS))]
    if kind == 0:
        return phrase[:at] + phrase[at + 1 :]
    if kind == 1:
        return phrase[:at] + sign + phrase[at:]
    if kind == 2:
        return phrase[:at] + sign + phrase[at + 1 :]
    return phrase[:at] + phrase[at + 1 : at + 2] + phrase[at : at + 1] + phrase[at + 2 :]


def told_error(user: User, graph: HeteroData, candidates: Tensor, targets: Tensor, seed: int) -> float | None:
    """The share of the words told in sessions that no target of theirs has, or of those not wanted that one has.

    Args:
        user: who tells.
        graph: the relational graph.
        candidates: int64 [B, C] item nodes, -1 pads.
        targets: bool [B, C].
        seed: of what the user draws.

    Returns:
        The share with one more of either kind, at most 0.5; None where the user tells nothing.
    """
    key = hash_keys(seed, torch.arange(len(candidates)))
    items = target_nodes(candidates, targets)
    wrong, told = 0, 0
    held = node_words(graph)
    for spoken in user.tells(Moment(graph, items, 1, key)):
        row, column = torch.nonzero(spoken.nodes >= 0, as_tuple=True)
        word = graph.word_index[graph.word_ptr[spoken.nodes[row, column]]]
        who, at = torch.nonzero(items >= 0, as_tuple=True)
        owner, words = held.gather(items[who, at])
        has = torch.unique(who[owner] * len(graph.vocabulary.words) + words)
        fits = torch.isin(row * len(graph.vocabulary.words) + word, has)
        wrong, told = wrong + int((fits != spoken.liked).sum()), told + row.numel()
    return min(0.5, (wrong + 1) / (told + 2)) if told else None
