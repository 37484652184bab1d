"""A person answers in the terminal: lists as numbered titles, answers by number, and what they moved."""

import re
import sys
from collections.abc import Mapping, Sequence

from magus_pyg.agents.methods import variant_method
from magus_pyg.commands.command_line import changed_config, end_by, needed, take_words, wants_help
from magus_pyg.errors import MagusError, SessionError
from magus_pyg.escaping import cut, shown
from magus_pyg.graph import n_items, node_label, title_of
from magus_pyg.invocation import command_name
from magus_pyg.language import Reader
from magus_pyg.online import MagusSession, Recommendation
from magus_pyg.online.sentences import Sentences
from magus_pyg.report import make_console, queries_text
from magus_pyg.runs.config import Config
from magus_pyg.runs.run import Run, load_run
from magus_pyg.simulation.answers import AnsweredList
from magus_pyg.terminal import Terminal

__all__ = ["command", "main_play", "play_session"]

_SENTENCE = re.compile(r"[^\W\d_]{2}")  # a number of a list, such as d2, has a letter at the most
_LONG = 300  # signs of a node that are shown
_SAYS = Sentences("en")
_AHEAD = 5  # items that are ahead after an answer, and reasons, that are shown

_HELP = """  2        you would click number 2; an item ends the session
  Enter    none of these
  d2 d3    2 and 3 do not matter to you (queries alone); with a click: 1 d2
  ?2       why number 2 is listed
  +oat     you want items with the word oat; -oat: rather without
  words    what you look for, in a sentence: a cheap blue shirt, no wool
  x oat    take back what was said of the word oat
  b        back: take the last answer back
  s        start again, with nothing answered
  h        this help
  q        stop"""


def play_session(run: Run, config: Config, user_id: str, console: Terminal) -> MagusSession:
    """Play one session with a person at standard input; it may also be piped.

    Args:
        run: the run.
        config: its configuration, perhaps with other rounds, lists or switches.
        user_id: whose base scores and searched queries the session starts with.
        console: where lists are shown.

    Returns:
        The session as it was left.

    Raises:
        DataError: an unknown user.
    """
    searched = run.searched_queries(user_id)

    def begin() -> MagusSession:
        return MagusSession(
            run.graph,
            run.scores(user_id),
            variant=config.magus.name,
            list_length=config.simulation.list_length,
            rounds=config.simulation.rounds,
            searched=searched,
            state=run.state_for(config.magus.name),
            options=config.magus_options,
            exclude=run.known_items(user_id),
            min_items=max(1, config.simulation.min_items),
        )

    session, reader = begin(), Reader(run.graph)
    console.print(f"user {shown(user_id)}, {config.magus.name}, {config.simulation.rounds} rounds")
    if searched:
        texts = "; ".join(" ".join(str(word) for word in words) for words in searched)
        console.print(f"searched before: {shown(texts)}")
    console.print("Which would you click? Its number, or Enter for none of these; h lists what else can be typed.")
    prompt: str | None = None
    while True:
        prompt = prompt or _show_list(console, session)
        before, typed = session.history, _ask(console, prompt)
        if typed is None or typed == "q":
            if not session.done:
                console.print("stopped")
            return session
        if typed == "s":
            session, prompt = begin(), None
            console.print("started again")
        elif typed == "h":
            console.print(_HELP)
            prompt = None
        elif typed == "b":
            _go_back(console, session)
        elif session.done:
            if not typed:
                return session
            console.print("the session is over: b takes the last answer back, s starts again, Enter ends")
        elif typed[:1] in ("+", "-"):
            _tell(console, session, typed)
        elif typed[:1] == "?":
            _show_reasons(console, session, typed[1:])
        elif typed[:2] == "x ":
            _take_back(console, session, reader, typed[2:])
        elif _SENTENCE.search(typed):
            _read(console, session, reader, typed)
        else:
            _answer(console, session, typed)
        if session.history is not before:
            prompt = None


def _show_list(console: Terminal, session: MagusSession) -> str:
    """Show the open list, or how the session ended; what is then asked."""
    if session.found is not None:
        told = _SAYS.say("found", name=_label(session, session.found), round=session.round)
        console.print(f"\n{told}", style="bold")
    elif session.done:
        console.print("\n" + _SAYS.say("nothing_found", session.round))
    if session.done:
        for line in queries_text({variant_method(session.variant): _share_of_queries(session)}):
            console.print(line)
        return "again (s), back (b) or end (Enter)> "
    listed = session.recommend()
    console.print(f"\nround {session.round} of {session.rounds}", style="bold")
    for place, entry in enumerate(listed, start=1):
        style = None if entry.item_id is not None else "cyan"
        console.entry(f"  {place:>{len(str(len(listed)))}}  ", _label(session, entry.node), style)
    if not listed:
        console.print("  " + _SAYS.say("nothing_left"))
    return "your answer> "


def _label(session: MagusSession, node: int) -> str:
    """A node as a list shows it, a query as what is looked for."""
    label = node_label(session.graph, node)
    return cut(shown(_SAYS.say("anything_with", text=label) if node >= n_items(session.graph) else label), _LONG)


def _ask(console: Terminal, prompt: str) -> str | None:
    """What was typed, in small letters; None for the end of the input."""
    console.print(prompt, end="")
    try:
        typed = input().strip().lower()
    except EOFError:
        console.print()
        return None
    if not sys.stdin.isatty():
        console.print(typed)  # a transcript of piped answers shows them
    return {"quit": "q", "back": "b", "help": "h", "?": "h"}.get(typed, typed)


def _answer(console: Terminal, session: MagusSession, typed: str) -> None:
    """Take in a click, none, and what does not matter."""
    listed = session.recommend()
    clicks: list[Recommendation] = []
    careless: list[Recommendation] = []
    for word in typed.split():
        number = word.removeprefix("d")
        if not number.isdecimal() or not 1 <= int(number) <= len(listed):
            console.print(f"{word!r} is none of 1 to {len(listed)}; Enter means none of these, h is for help")
            return
        (careless if word[0] == "d" else clicks).append(listed[int(number) - 1])
    if len(clicks) > 1:
        console.print("one click at a time: the first that you would click")
        return
    before = session.node_scores()
    try:
        session.feedback(clicks[0] if clicks else None, careless)
    except SessionError as error:
        console.print(str(error))
        return
    if not session.done:
        _show_ahead(console, session, before)


def _tell(console: Terminal, session: MagusSession, typed: str) -> None:
    """Take in a word that is wanted, or not."""
    before = session.node_scores()
    try:
        told = session.tell(typed[1:].strip(), liked=typed[0] == "+")
    except MagusError as error:
        console.print(str(error))
        return
    if not told:
        console.print(_SAYS.say("unknown_word", word=shown(typed[1:].strip())))
        return
    _show_ahead(console, session, before)


def _read(console: Terminal, session: MagusSession, reader: Reader, typed: str) -> None:
    """Take in a sentence, and show what of it was understood."""
    reading, before = reader.read(typed), session.node_scores()
    for wrong, right in reading.corrected:
        console.print(f"  {shown(wrong)!r} is read as {shown(right)!r}", style="dim")
    if reading.unknown:
        console.print(f"  not understood: {shown(', '.join(reading.unknown))}", style="dim")
    if not reading.parts:
        console.print("nothing that the catalogue has; h lists what else can be typed")
        return
    try:
        session.tell_all(reading.told())
    except SessionError as error:
        console.print(str(error))
        return
    console.print(f"  understood: {shown('; '.join(map(str, reading.parts)))} (x WORD takes one back)")
    _show_ahead(console, session, before)


def _take_back(console: Terminal, session: MagusSession, reader: Reader, typed: str) -> None:
    """Take back what was said of words; of a leaning each of its words."""
    words = [word for part in reader.read(typed).parts for word in part.words]
    try:
        for word in words:
            session.retract([word])
    except SessionError as error:
        console.print(str(error))
        return
    console.print(f"  taken back: {shown(', '.join(map(str, words)))}" if words else "nothing that the catalogue has")


def _go_back(console: Terminal, session: MagusSession) -> None:
    try:
        session.undo()
    except SessionError as error:
        console.print(str(error))


def _show_reasons(console: Terminal, session: MagusSession, number: str) -> None:
    """What moved a listed node, what moved it most first."""
    listed = session.recommend()
    if not number.isdecimal() or not 1 <= int(number) <= len(listed):
        console.print(f"?{number} is none of ?1 to ?{len(listed)}")
        return
    entry = listed[int(number) - 1]
    moving = [reason for reason in session.explain(entry) if f"{reason.change:+.3f}"[1:] != "0.000"]
    moving.sort(key=lambda reason: -abs(reason.change))
    console.print(f"  {_label(session, entry.node)}: its score is {entry.score:.3f}", style="dim")
    for reason in moving[:_AHEAD]:
        console.entry("  ", f"{_SAYS.signed(reason.change)}  {_SAYS.reason(reason)}", "dim")
    if len(moving) > _AHEAD:
        rest = _SAYS.signed(sum(reason.change for reason in moving[_AHEAD:]))
        console.print(f"  {rest}  {_SAYS.say('others_together', len(moving) - _AHEAD)}", style="dim")
    if not moving:
        console.print("  " + _SAYS.say("unmoved"), style="dim")


def _show_ahead(console: Terminal, session: MagusSession, before: Mapping[int, float]) -> None:
    """The items that are ahead now among those not shown yet, and the place of each before the answer."""
    console.print("  " + shown(_SAYS.understood(session.graph, session.history[-1])))
    unfit = _SAYS.no_fit(session.fit())
    if unfit:
        console.print("  " + shown(unfit))
    old, new = _places(session, before), _places(session, session.node_scores())
    ahead = sorted(new, key=lambda node: new[node])[:_AHEAD]
    if all(old[node] == new[node] for node in ahead):
        console.print("  the same items are ahead as before", style="dim")
        return
    console.print(f"  ahead now of the {len(new):,} items not shown yet (and their places before):", style="dim")
    before_now = {node: f"({old[node]:,})" for node in ahead}
    room = max(map(len, before_now.values()))
    for node in ahead:
        name = cut(shown(title_of(session.graph, node)), _LONG)
        console.entry(f"  {new[node]:>3} {before_now[node]:>{room}}  ", name, "dim")


def _places(session: MagusSession, scores: Mapping[int, float]) -> dict[int, int]:
    """From item to its place (from 1) among those not shown; equal scores in the order of the nodes."""
    left = {node for node in scores if node < n_items(session.graph)} - _seen(session)
    ordered = sorted(left, key=lambda node: (-scores[node], node))
    return {node: place for place, node in enumerate(ordered, start=1)}


def _seen(session: MagusSession) -> set[int]:
    return {node for event in session.history if isinstance(event, AnsweredList) for node in event.shown}


def _share_of_queries(session: MagusSession) -> float:
    """Of the rounds that were answered, those whose list held a query."""
    lists = [event.shown for event in session.history if isinstance(event, AnsweredList)]
    return sum(any(node >= n_items(session.graph) for node in shown) for shown in lists) / max(1, len(lists))


_PLAY_HELP = (
    """Answer the lists of a trained run yourself.

  play.py run=RUN user=USER_ID [simulation.rounds=5] [simulation.list_length=3] [magus.negative=signed ...]

What can be typed at a list:

"""
    + _HELP
)


def main_play(words: Sequence[str]) -> None:
    """Let a person answer; `words` as in the help of the command.

    Raises:
        MagusError: see `load_run` and `MagusSession`.
    """

    if wants_help(words, _PLAY_HELP):
        return
    own, others = take_words(words, ("run", "user"))
    run = load_run(needed(own, "run", f"the run folder that {command_name('train')} printed"))
    some = ", ".join(run.user_ids[:5])
    user = needed(own, "user", f"one of the run's {len(run.user_ids)} users, such as {some}")
    config = changed_config(run.config, others, ("simulation", "magus"))
    play_session(run, config, user, make_console())


def command() -> None:
    """Console command `magus-play`, `scripts/play.py`."""
    end_by(main_play)
