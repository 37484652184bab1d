"""What stands on each page of the shop: what a session gives, put into words, in the language of whoever looks."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from starlette.requests import Request

from magus_pyg.errors import NotThereError, SessionError
from magus_pyg.escaping import cut
from magus_pyg.graph import Word, item_id_of, n_items, title_of, words_of
from magus_pyg.graph.titles import harmless_text
from magus_pyg.online import OnlineSession, Reason
from magus_pyg.online.sentences import Name
from magus_pyg.online.session_state import find_named
from magus_pyg.online.wishes import has_wishes
from magus_pyg.serve.pages.comparing import comparison
from magus_pyg.serve.pages.graph_drawing import graph_drawings
from magus_pyg.serve.pages.labels import Labels, language_of
from magus_pyg.serve.pages.page_sessions import NEW, PageSessions, name_of_key
from magus_pyg.serve.pages.page_views import (
    COMPARED,
    Card,
    WordView,
    card_of,
    chips_of,
    list_view,
    named_as_shown,
    short,
    words_key,
)
from magus_pyg.serve.pages.rendering import FILES, Shop, render
from magus_pyg.serve.pages.served_shop import ServedShop
from magus_pyg.serve.pages.visitors import Visitor, visitor_of
from magus_pyg.serve.service import Service
from magus_pyg.serve.shown_lists import Say

__all__ = ["Asked", "Screens"]

_TITLE, _REASONS = 120, 12
_LEAST = 0.0005  # changes below are not told: they would be written as 0.000
_MINOR, _MUCH = 0.04, 0.5  # shares of the strongest change: below and above


@dataclass(frozen=True)
class Asked:
    """Who asks for a page, and how it is wanted.

    Attributes:
        language: of the page.
        visitor: who looks.
        expert: whether the graph is wanted too.
        root: what the service is mounted at; "" for the root.
    """

    language: str
    visitor: Visitor
    expert: bool
    root: str

    @property
    def suffix(self) -> str:
        """Of addresses, so that the graph stays in view."""
        return "?expert=1" if self.expert else ""

    @classmethod
    def of(cls, request: Request, shop: Shop, expert: bool = False) -> "Asked":
        """What a request says."""
        language = language_of(request.headers.get("accept-language", ""), shop.options.language)
        return cls(language, visitor_of(request), expert, request.scope.get("root_path", "").rstrip("/"))


class Screens:
    """The pages of one service.

    Args:
        service: the service.
    """

    def __init__(self, service: Service) -> None:
        self.service = service
        self.shop = Shop(service.options.page)
        self.data = ServedShop(service)
        self.sessions = PageSessions(service)
        self._labels: dict[str, Labels] = {}

    def start(self, asked: Asked) -> str:
        """The start page: a search box and a first list."""
        session, texts = self.sessions.first(), self.service.languages.texts
        return self._list(asked, NEW, session, lambda nodes: texts(session.graph, nodes, asked.language, {}), [])

    def warm(self) -> None:
        """Make what start pages share, before anybody waits for it: once an edition of the catalogue."""
        language = language_of("", self.shop.options.language)
        self.start(Asked(language, Visitor("", ""), False, ""))

    def step(self, asked: Asked, session_id: str, step: int, unread: str, stale: bool, quick: bool) -> str:
        """A step of a session: its list, or how it ended."""
        t = self.labels(asked.language)

        def shown(session: OnlineSession, now: int, say: Say) -> str:
            notices = [cut(harmless_text(note), 300) for note in session.notes]
            if stale or step > now:
                notices.append(t("forward"))
            if unread:
                notices.append(t("part_read", text=cut(harmless_text(unread), 200)))
            if session.done:
                return self._end(asked, session_id, session, say, notices)
            name = named_as_shown(session.graph, say)
            if has_wishes(session.history) and (unfit := t.sentences.no_fit(session.fit(), name)):
                notices.append(unfit)
            return self._list(asked, session_id, session, say, notices, unread)

        return self.sessions.past(session_id, step, shown, quick)

    def _list(
        self,
        asked: Asked,
        session_id: str,
        session: OnlineSession,
        say: Say,
        notices: Sequence[str],
        typed: str = "",
    ) -> str:
        t, fresh = self.labels(asked.language), session_id == NEW
        s = t.sentences
        view = list_view(session, self.data, say)
        name = named_as_shown(session.graph, say)
        said = s.understood(session.graph, session.history[-1], name) if session.history else ""
        told = t(
            "new_list",
            queries=t("narrowing", len(view.queries)),
            items=s.say("items", len(view.cards)),
        )
        return self.render(
            "list",
            asked,
            session_id,
            step=view.said + 1,
            heading=t("start" if fresh else "list"),
            fresh=fresh,
            view=view,
            said=said,
            told=" ".join([said, told]).strip(),
            notices=notices,
            typed=cut(typed, 200),
            perhaps=[WordView(short(word.value), words_key([word])) for word in self.data.alike(typed)]
            if typed
            else [],
            drawings=self._drawings(t, session) if asked.expert else [],
            api_docs=f"{asked.root}/docs",
        )

    def _end(self, asked: Asked, session_id: str, session: OnlineSession, say: Say, notices: Sequence[str]) -> str:
        graph, name = session.graph, named_as_shown(session.graph, say)
        t, found = self.labels(asked.language), session.found
        item = None if found is None else self._card(session, found)
        heading = t("over") if item is None else t("found", name=cut(item.title, _TITLE))
        return self.render(
            "found",
            asked,
            session_id,
            step=len(session.history) + 1,
            heading=heading,
            item=item,
            view_chips=chips_of(graph, session.history, name),
            rounds=session.round,
            steps=[step for event in session.history if (step := t.sentences.understood(graph, event, name))],
            said="",
            told=heading,
            notices=notices,
            drawings=self._drawings(t, session) if asked.expert else [],
        )

    def compare(self, asked: Asked, session_id: str, step: int, keys: Sequence[str], quick: bool) -> str:
        """Items side by side, of the list of a step or of any before it."""
        t = self.labels(asked.language)
        chosen = list(dict.fromkeys(keys))

        def shown(session: OnlineSession, now: int, say: Say | None = None) -> str:
            nodes = [node for key in chosen[:COMPARED] if (node := _item_of_key(session, key)) is not None]
            cards = [self._card(session, node) for node in nodes]
            return self.render(
                "compare",
                asked,
                session_id,
                step=min(step, now),
                heading=t("compare_title", len(cards)) if len(cards) > 1 else t("compare"),
                cards=cards,
                rows=comparison(cards, [words_of(session.graph, node) for node in nodes]),
                notices=[t("compare_many")] if len(chosen) > COMPARED else [],
            )

        if session_id == NEW:
            return shown(self.sessions.first(), 1)
        return self.sessions.past(session_id, step, shown, quick)

    def why(self, asked: Asked, session_id: str, step: int, key: str, quick: bool) -> str:
        """Why an item or a query stands where it does."""
        t = self.labels(asked.language)
        s = t.sentences

        def shown(session: OnlineSession, now: int, say: Say) -> str:
            node = find_named(session.graph, _name(key))
            if node is None:
                raise NotThereError(f"the catalogue does not have {key!r} (any more)")
            graph, name = session.graph, named_as_shown(session.graph, say)
            title = title_of(graph, node) if node < n_items(graph) else name(words_of(graph, node))
            return self.render(
                "why",
                asked,
                session_id,
                step=min(step, now),
                heading=t("why_title", name=cut(harmless_text(title), _TITLE)),
                lead=_capital(s.say("unmoved")) + ".",
                reasons=_bars(t, session.explain(node), name),
                score=s.number(session.node_scores([node])[node], 3),
            )

        return self.sessions.past(session_id, step, shown, quick)

    def labels(self, language: str) -> Labels:
        """The texts of a language."""
        if language not in self._labels:
            self._labels[language] = Labels(language)
        return self._labels[language]

    def _card(self, session: OnlineSession, node: int) -> Card:
        graph = session.graph
        return card_of(item_id_of(graph, node), title_of(graph, node), words_of(graph, node), self.data)

    def _drawings(self, t: Labels, session: OnlineSession) -> list[dict[str, Any]]:
        names = [t("layer_words"), t("layer_combinations"), t("layer_items")]
        drawn = graph_drawings(session, names)
        return [
            {"svg": one.svg, "caption": t("expert_now" if one.is_open else "expert_round", n=one.number)}
            for one in drawn
        ]

    def render(self, template: str, asked: Asked, session_id: str, step: int, **values: Any) -> str:
        """A page of a session, by its template.

        Args:
            template: as of `rendering.render`.
            asked: who asks.
            session_id, step: where what is sent from the page goes.
            values: what the template shows.
        """
        path = f"{asked.root}/s/{quote(session_id)}/{step}"
        fresh = session_id == NEW
        common = {
            "shop": self.shop,
            "edition": self.shop.edition,
            "files": asked.root + FILES,
            "start": f"{asked.root}/" + ("?expert=1" if asked.expert else ""),
            "path": path,
            "here": f"{asked.root}/" if fresh else path,
            "suffix": asked.suffix,
            "expert": asked.expert,
            "csrf": asked.visitor.csrf,
            "fresh": fresh,
            "typed": "",
            "text_length": self.service.options.limits.text_length,
            "suggest": f"{asked.root}/suggestions",
            "suggestions": self.data.suggest(),
        }
        return render(template, self.labels(asked.language), **(common | values))


@dataclass(frozen=True)
class _Bar:
    """A reason: what was said, how strongly it speaks for or against, and its share of the strongest, of 50."""

    text: str
    change: float
    change_text: str
    strength: str
    share: float


def _bars(t: Labels, reasons: Sequence[Reason], name: Name) -> list[_Bar]:
    """Reasons, the strongest first; those that hardly count together."""
    s = t.sentences
    moving = sorted((one for one in reasons if abs(one.change) >= _LEAST), key=lambda one: -abs(one.change))
    most = abs(moving[0].change) if moving else 1.0
    own = [one for one in moving[:_REASONS] if abs(one.change) >= _MINOR * most]
    told = [(s.reason(one, name), one.change) for one in own]
    rest = sum(one.change for one in moving[len(own) :])
    if abs(rest) >= _LEAST:
        told.append((s.say("others_together", len(moving) - len(own)), rest))

    def bar(text: str, change: float) -> _Bar:
        key = ("why_" if abs(change) < _MUCH * most else "why_much_") + ("for" if change > 0 else "against")
        return _Bar(_capital(text), change, s.signed(change), t(key), round(min(50.0, 50 * abs(change) / most), 1))

    return [bar(*one) for one in told]


def _name(key: str) -> str | tuple[Word, ...]:
    name = name_of_key(key)
    return name if isinstance(name, str) else tuple(Word(*pair) for pair in name)


def _item_of_key(session: OnlineSession, key: str) -> int | None:
    """The node of an item; None for what is no item of the catalogue."""
    try:
        name = name_of_key(key)
    except SessionError:
        return None
    node = find_named(session.graph, name) if isinstance(name, str) else None
    return node if node is not None and node < n_items(session.graph) else None


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
