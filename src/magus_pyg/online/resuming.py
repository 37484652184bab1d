"""A state of another time, on the catalogue of now: what is still there, and what has gone."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from torch_geometric.data import HeteroData

from magus_pyg.errors import SessionError
from magus_pyg.graph import Word, find_query, n_items, n_nodes
from magus_pyg.online.node_play import Told
from magus_pyg.online.session_state import Beginning, NamedAnswer, SessionState, find_named
from magus_pyg.simulation.answers import AnsweredList

__all__ = ["beginning_here", "events_here", "told"]

_NAMED = 5  # of what has gone


def beginning_here(
    graph: HeteroData, state: SessionState, variant: str | None, list_length: int | None
) -> tuple[Beginning, list[str]]:
    """What a session began with, as far as the graph has it now.

    Args:
        graph: the relational graph now.
        state: the session.
        variant, list_length: what it must have; None for any.

    Returns:
        The beginning, and what is not in it any more, said.

    Raises:
        SessionError: a state of another catalogue, variant or list length.
    """
    beginning, notes = state.beginning, []
    for name, expected in (("variant", variant), ("list_length", list_length)):
        if expected is not None and getattr(beginning, name) != expected:
            got = getattr(beginning, name)
            raise SessionError(f"the state is of another session: its {name} is {got!r}, expected {expected!r}")
    state.check_graph(graph)
    for name in ("candidates", "exclude"):
        listed: Sequence[str] = getattr(beginning, name) or ()
        known = graph.vocabulary.item_ids.positions(listed) >= 0
        if not known.all():
            kept = tuple(item for item, here in zip(listed, known.tolist(), strict=True) if here)
            beginning = replace(beginning, **{name: kept})  # type: ignore[arg-type]
            notes.append(_gone([repr(item) for item in listed if item not in kept], f"of its {name}"))
    searched = tuple(words for words in beginning.searched if _knows(graph, words))
    if searched != beginning.searched:
        texts = [_text(words) for words in beginning.searched if words not in searched]
        notes.append(_gone(texts, "of its searched queries"))
    return replace(beginning, searched=searched), notes


def events_here(
    graph: HeteroData, state: SessionState, holds: Callable[[int], bool]
) -> tuple[list[AnsweredList | Told], list[str]]:
    """What was answered and told, in the nodes of a session of now.

    Answers are evidence. A node that has gone is dropped from the answer that names it. Where that is the clicked one,
    the queries that were not read because of the click are dropped too: nothing is known of them.

    Args:
        graph: the relational graph now.
        state: the session.
        holds: whether the session has a node of the graph.

    Returns:
        The events, and what has gone, said.
    """
    gone: dict[str, None] = {}
    events: list[AnsweredList | Told] = []
    for entry in state.said:
        if isinstance(entry, NamedAnswer):
            events.append(_answer(graph, entry, holds, gone))
            continue
        here = [pair for pair in zip(entry.words, entry.liked, strict=True) if _knows(graph, [pair[0]])]
        gone |= {_text([word]): None for word in entry.words if not _knows(graph, [word])}
        if here:
            events.append(told(graph, here, holds))
    return events, [_gone([*gone], "of what was answered")] if gone else []


def told(graph: HeteroData, said: Sequence[tuple[Word, bool]], holds: Callable[[int], bool]) -> Told:
    """What a person said outside a list at once, in the nodes of a session.

    Args:
        graph: the relational graph.
        said: words, and whether each is wanted.
        holds: as of `events_here`.
    """
    nodes = [find_query(graph, [word]) for word, _ in said]
    here = tuple(-1 if node is None or not holds(node) else node for node in nodes)
    return Told(tuple(word for word, _ in said), tuple(liked for _, liked in said), here)


def _answer(graph: HeteroData, entry: NamedAnswer, holds: Callable[[int], bool], gone: dict[str, None]) -> AnsweredList:
    shown: list[int] = []
    lost: set[int] = set()
    for at, name in enumerate(entry.shown):
        node = find_named(graph, name)
        if node is None or not holds(node):
            gone[repr(name) if isinstance(name, str) else _text(name)] = None
            node = -1 - at if isinstance(name, str) else n_nodes(graph) + at  # stands for it until it is left out
            lost.add(node)
        shown.append(node)
    clicked = None if entry.clicked is None else shown[entry.clicked]
    answer = AnsweredList(tuple(shown), clicked, tuple(shown[at] for at in entry.not_care))
    return answer.without(lost, n_items(graph)) if lost else answer


def _knows(graph: HeteroData, words: Sequence[Word]) -> bool:
    return all(graph.vocabulary.find(tuple(word)) for word in words)


def _text(words: Sequence[Word]) -> str:
    return repr(" ".join(map(str, words)))


def _gone(names: Sequence[str], of: str) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"{', '.join(names[:_NAMED])}{more} {of} {'is' if len(names) == 1 else 'are'} not in the catalogue any more"
