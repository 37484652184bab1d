"""A person answers in the terminal: lists as numbered words, a click by number, and what the answer moved."""

import sys
from collections.abc import Mapping, Sequence

from magus_pyg.commands.command_line import changed_config, needed, run_command, take_words, wants_help
from magus_pyg.escaping import cut, shown
from magus_pyg.graph import node_label
from magus_pyg.invocation import command_name
from magus_pyg.online import MagusSession, Recommendation
from magus_pyg.report import make_console
from magus_pyg.runs.config import Config
from magus_pyg.runs.run import Run, load_run
from magus_pyg.terminal import Terminal

__all__ = ["command", "main_play", "play_session"]

_LONG = 300  # signs of a node that are shown
_MOVED = 5  # how many risen nodes are shown


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
    session = MagusSession(
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
    console.print(f"user {shown(user_id)}, {config.magus.name}, {config.simulation.rounds} rounds")
    if searched:
        texts = "; ".join(" ".join(str(word) for word in words) for words in searched)
        console.print(f"searched before: {shown(texts)}")
    console.print("a number clicks, Enter means none of these, ?number says why it is listed, q stops")
    seen: set[int] = set()
    while not session.done:
        listed = session.recommend()
        seen.update(entry.node for entry in listed)
        if not listed:
            console.print("nothing is left to show")
            break
        console.print(f"\nround {session.round} of {session.rounds}", style="bold")
        for place, entry in enumerate(listed, start=1):
            style = None if entry.item_id is not None else "cyan"
            console.print(f"  {place}  {_label(run, entry.node)}", style=style)
        answer = _ask(console, session, listed)
        if answer is None:
            console.print("stopped")
            return session
        before = session.node_scores()
        session.feedback(clicked=listed[answer - 1].node if answer else None)
        if session.found is None and session.round < session.rounds:
            _show_moved(run, session, before, seen, console)
    if session.found is not None:
        console.print(f"\nfound {_label(run, session.found)} in round {session.round}", style="bold")
    else:
        console.print(f"\nnothing found in {session.round} rounds")
    return session


def _label(run: Run, node: int) -> str:
    return cut(shown(node_label(run.graph, node)), _LONG)


def _ask(console: Terminal, session: MagusSession, listed: Sequence[Recommendation]) -> int | None:
    """The number that was typed, 0 for none of these, None for the end; a question is answered on the way."""
    count = len(listed)
    while True:
        console.print("click> ", end="")
        try:
            typed = input().strip().lower()
        except EOFError:
            console.print()
            return None
        if not sys.stdin.isatty():
            console.print(typed)  # a transcript of piped answers shows them
        if typed in ("q", "quit"):
            return None
        if not typed:
            return 0
        if typed.isdecimal() and 1 <= int(typed) <= count:
            return int(typed)
        if typed[:1] == "?" and typed[1:].isdecimal() and 1 <= int(typed[1:]) <= count:
            _show_reasons(session, listed[int(typed[1:]) - 1], console)
            continue
        console.print(f"{typed!r} is none of 1 to {count}, ?1 to ?{count}, Enter or q")


def _show_reasons(session: MagusSession, entry: Recommendation, console: Terminal) -> None:
    """What the answers so far did to a listed node."""
    reasons = session.explain(entry.node)
    for reason in reasons:
        console.print(f"  {shown(str(reason))}", style="dim")
    if not reasons:
        console.print("  by the base scores alone: there is no answer yet", style="dim")


def _show_moved(
    run: Run, session: MagusSession, before: Mapping[int, float], seen: set[int], console: Terminal
) -> None:
    """The nodes that have climbed most among those that were not shown yet."""
    old, new = _ranks(before, seen), _ranks(session.node_scores(), seen)
    climbed = sorted(((old[node] - new[node], -new[node], node) for node in new), reverse=True)
    risen = [(node, old[node], new[node]) for gain, _, node in climbed[:_MOVED] if gain > 0]
    if not risen:
        console.print("  nothing rose", style="dim")
        return
    for node, was, now in risen:
        console.print(f"  rose from {was:,} to {now:,}: {_label(run, node)}", style="dim")


def _ranks(scores: Mapping[int, float], seen: set[int]) -> dict[int, int]:
    """From node to rank (from 1) among those not seen; equal scores in the order of the nodes."""
    ordered = sorted(scores.keys() - seen, key=lambda node: (-scores[node], node))
    return {node: rank for rank, node in enumerate(ordered, start=1)}


_PLAY_HELP = """Answer the lists of a trained run yourself.

  play.py run=RUN user=USER_ID [simulation.rounds=5] [simulation.list_length=3] [magus.negative=signed ...]

Type the number of what you would click, Enter if there is nothing, q to stop.
"""


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
    sys.exit(run_command(main_play))
