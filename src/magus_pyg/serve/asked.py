"""What requests ask of a session, checked against the settings, its open list and what was said in it."""

from collections.abc import Mapping, Sequence
from typing import Any

from magus_pyg.errors import ConflictError, InputError
from magus_pyg.online.session_inputs import Wording
from magus_pyg.serve.api_schemas import AnswerIn, SessionIn, WordIn
from magus_pyg.serve.serve_options import LimitOptions, ServeOptions
from magus_pyg.serve.session_start import SessionSettings
from magus_pyg.serve.shown_lists import NamedList, entry_id, list_id

__all__ = ["answered_before", "answered_places", "check_limits", "chosen_settings", "wordings"]


def check_limits(asked: SessionIn, limits: LimitOptions) -> None:
    """Raise InputError if a session is asked for that is larger than the settings let it be."""
    faults = []
    for name, most in (("list_length", limits.list_length), ("rounds", limits.rounds)):
        value = getattr(asked, name)
        if value is not None and value > most:
            faults.append((f"/{name}", f"must be at most {most} (got {value})"))
    for name in ("candidates", "exclude", "liked", "scores", "searched"):
        count = len(getattr(asked, name) or ())
        if count > limits.candidates:
            faults.append((f"/{name}", f"must have at most {limits.candidates} entries (got {count})"))
    if len(asked.text or "") > limits.text_length:
        faults.append(("/text", f"must have at most {limits.text_length} signs (got {len(asked.text or '')})"))
    if faults:
        raise InputError("; ".join(f"{pointer} {what}" for pointer, what in faults), faults)


def wordings(words: Sequence[str | WordIn]) -> list[Wording]:
    """Words of a request as the floors below take them."""
    return [word if isinstance(word, str) else (word.field, word.value) for word in words]


def answered_places(shown: NamedList, asked: AnswerIn) -> tuple[int | None, list[int]]:
    """The places in the open list of what an answer names: the click, None for none, and those answered Not Care.

    Raises:
        InputError: what is not in the list, or Not Care to what it cannot be said of.
    """
    faults = []
    by_id, kinds = shown.by_id, [entry.kind for entry in shown.entries]
    clicked = None if asked.clicked is None else by_id.get(asked.clicked)
    if asked.clicked is not None and clicked is None:
        faults.append(("/clicked", f"the list has no entry {asked.clicked!r}"))
    not_care: list[int] = []
    for number, entry in enumerate(asked.not_care):
        place = by_id.get(entry)
        if place is None:
            faults.append((f"/not_care/{number}", f"the list has no entry {entry!r}"))
        elif place == clicked or kinds[place] == "item":
            what = "was clicked" if place == clicked else "is an item"
            faults.append((f"/not_care/{number}", f"{entry!r} {what}: Not Care answers a query that is not clicked"))
        elif place not in not_care:
            not_care.append(place)
    if faults:
        raise InputError("; ".join(what for _, what in faults), faults)
    return clicked, sorted(not_care)


def answered_before(session_id: str, answers: Sequence[Any], asked: AnswerIn, shown: NamedList | None) -> int:
    """How much was answered and told with the same answer to the list that it names, and before it.

    Args:
        session_id: of the session.
        answers: what was answered and told, as its record has it.
        asked: the answer.
        shown: the open list.

    Raises:
        ConflictError: that list was answered otherwise, or is not of this session, or not open any more.
    """
    for number, said in enumerate(answers):
        if "shown" in said and list_id(session_id, number, said["shown"]) == asked.recommendation_id:
            ids = [entry_id(session_id, name) for name in said["shown"]]
            clicked = None if said["clicked"] is None else ids[said["clicked"]]
            not_care = [ids[place] for place in said["not_care"]]
            if clicked == asked.clicked and sorted(not_care) == sorted(set(asked.not_care)):
                return number + 1
            raise ConflictError(
                f"the list {asked.recommendation_id!r} was answered otherwise: undo that answer to give another"
            )
    now = "it is over" if shown is None else f"its list is {shown.recommendation_id!r}"
    raise ConflictError(f"the session has no open list {asked.recommendation_id!r}: {now}")


def chosen_settings(asked: Mapping[str, Any], arm: str | None, options: ServeOptions, variant: str) -> SessionSettings:
    """What a session is made of: what was asked for, else what its arm has, else what the service has.

    Args:
        asked: variant, list_length, rounds and min_items; None for what was not asked for.
        arm: of the experiment of the settings, or None.
        options: settings.
        variant: of the service.
    """
    own = {name: getattr(options, name) for name in asked} | {"variant": variant}
    of_arm = {} if arm is None else {name: getattr(options.experiment.arms[arm], name, None) for name in asked}
    chosen = {
        name: next(value for value in (asked[name], of_arm.get(name), own[name]) if value is not None) for name in asked
    }
    if asked["min_items"] is None:
        chosen["min_items"] = min(chosen["min_items"], chosen["list_length"])
    return SessionSettings(**chosen)
