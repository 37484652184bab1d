"""What goes over the wire: the bodies of requests, which are checked, and of replies, which are documented by these."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, StringConstraints, model_validator

__all__ = [
    "AnswerIn",
    "EntryOut",
    "EventIn",
    "EventsIn",
    "EventsOut",
    "ExperimentOut",
    "HistoryOut",
    "ItemIdsIn",
    "ItemOut",
    "ItemsIn",
    "JobOut",
    "ListOut",
    "NamedOut",
    "ProblemOut",
    "ReasonOut",
    "ReloadIn",
    "SessionIn",
    "SessionOut",
    "SuggestionOut",
    "UnderstoodOut",
    "WordIn",
    "WordOut",
    "WordingIn",
    "WordsIn",
    "WordsOut",
]

_LONGEST_ID, _LONGEST_TEXT = 500, 10_000
"""Signs of an id and of a text that no setting lets through; the settings of the service are narrower."""

Id = Annotated[str, StringConstraints(min_length=1, max_length=_LONGEST_ID)]
Text = Annotated[str, StringConstraints(max_length=_LONGEST_TEXT)]


class _In(BaseModel):
    """A body, or a part of one: no entry that is not known, and no value that is only like one."""

    model_config = ConfigDict(extra="forbid", strict=True)


class _Out(BaseModel):
    model_config = ConfigDict(extra="forbid")


class WordIn(_In):
    """A word with its field, where the value alone may stand in several."""

    field: Annotated[Id, Field(examples=["brand"])]
    value: Annotated[Text, Field(examples=["Oatly"])]


WordingIn = Id | WordIn


class SessionIn(_In):
    """What a session begins from. Nothing is required: a guest gets popular and varied items."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        json_schema_extra={
            "examples": [
                {},
                {"user_id": "u17", "list_length": 6, "rounds": 10},
                {"liked": ["m1"], "exclude": ["m3"]},
                {"scores": {"m1": 0.9, "m2": 0.7, "c1": 0.1}, "searched": [["Oatly", "milk"]], "variant": "base"},
            ]
        },
    )

    user_id: Id | None = Field(None, description="A user of the run's log; null for a guest.")
    scores: dict[Id, FiniteFloat] | None = Field(
        None, description="Scores of your own recommender by item id; these items are then the candidates."
    )
    liked: list[Id] | None = Field(None, description="Ids of items that a guest likes.")
    candidates: list[Id] | None = Field(None, description="Ids of the items to choose from; null for all on offer.")
    exclude: list[Id] | None = Field(
        None,
        description="Ids of items not to be shown; null: those that the log has of the user.",
    )
    searched: list[list[WordingIn]] | None = Field(None, description="What the person searched: queries of words.")
    text: Text | None = Field(None, description="What the person wrote.")
    variant: Literal["none", "base", "plus", "bayes"] | None = Field(None, description="What recommends.")
    list_length: Annotated[int, Field(ge=1)] | None = Field(None, description="Entries of a list.")
    rounds: Annotated[int, Field(ge=1)] | None = Field(None, description="Lists at most.")
    min_items: Annotated[int, Field(ge=0)] | None = Field(None, description="Items of a list at least.")
    locale: Annotated[str, StringConstraints(pattern=r"^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8}){0,4}$")] | None = Field(
        None, description="Language tag of what people read."
    )
    experiment: Id | None = Field(
        None, description="Name of the experiment to take part in; null: the one that runs, if any."
    )


class AnswerIn(_In):
    """The answer to a list."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        json_schema_extra={"examples": [{"recommendation_id": "q3Jx0V5sQ1yW", "clicked": "bLw0aQ9sT2fK"}]},
    )

    recommendation_id: Id = Field(description="Of the list that is answered.")
    clicked: Id | None = Field(None, description="`entry_id` of what was clicked; null for none of these.")
    not_care: list[Id] = Field([], description="`entry_id` of queries that do not matter.")


class WordsIn(_In):
    """What a person says outside a list: a text, or words with what is meant by them."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        json_schema_extra={
            "examples": [
                {"text": "I am a student, no milk please"},
                {"words": ["milk"], "liked": True},
                {"words": [{"field": "brand", "value": "Alpro"}], "liked": False},
                {"words": ["milk"], "liked": None},
            ]
        },
    )

    text: Text | None = Field(None, description="What the person wrote.")
    words: Annotated[list[WordingIn], Field(min_length=1)] | None = Field(None, description="Words of the catalogue.")
    liked: bool | None = Field(True, description="Wanted, not wanted, or null: what was said of them is taken back.")

    @model_validator(mode="after")
    def _one(self) -> "WordsIn":
        if (self.text is None) == (self.words is None):
            raise ValueError("give text or words, one of the two")
        return self


class WordOut(_Out):
    """A word of an item or a query."""

    field: str
    value: str


class EntryOut(_Out):
    """An entry of a list."""

    entry_id: str = Field(description="Names it in answers and explanations; the same in all lists of a session.")
    kind: Literal["item", "query"]
    item_id: str | None
    title: str = Field(description="What people read.")
    words: list[WordOut]
    text: str | None = Field(description="The words as a person would say them.")
    question: str | None = Field(description="A question for a query.")
    text_source: Literal["rule", "model", "cache"] | None
    items: int = Field(description="How many items of the session have all of its words; 1 for an item.")
    score: float


class ExperimentOut(_Out):
    """The experiment that a session is part of, and its arm."""

    name: str
    arm: str


class ListOut(_Out):
    """The list that waits for an answer, or none where the session is done."""

    session_id: str
    edition: str = Field(description="Of the catalogue that the list is made of.")
    round: int
    rounds: int
    done: bool
    found: str | None = Field(description="Id of the item that was clicked.")
    recommendation_id: str | None
    experiment: ExperimentOut | None
    took_ms: float
    entries: list[EntryOut]


class NamedOut(_Out):
    """An entry of a list that was answered."""

    entry_id: str
    kind: Literal["item", "query"]
    item_id: str | None
    title: str
    words: list[WordOut]


class HistoryOut(_Out):
    """Something that was answered or said."""

    round: int
    recommendation_id: str | None
    shown: list[NamedOut] = Field(description="The list; empty for what was said outside a list.")
    clicked: str | None = Field(description="`entry_id` of what was clicked.")
    not_care: list[str]
    words: list[WordOut] = Field(description="What was said outside a list.")
    liked: bool | None


class SessionOut(ListOut):
    """The open list, and all that came before it."""

    variant: str
    history: list[HistoryOut]
    searched: list[list[WordOut]]
    notes: list[str] = Field(description="What is not in the catalogue any more, or was never in it.")


class UnderstoodOut(_Out):
    """A word that was taken in, or taken back."""

    field: str
    value: str
    liked: bool | None
    phrase: str | None = Field(None, description="What was written for it, where a text was given.")
    kind: Literal["word", "leaning"] = Field("word", description="A leaning names the words of an end of a field.")


class WordsOut(ListOut):
    """What was understood, and the next list."""

    understood: list[UnderstoodOut]
    left_out: int = Field(description="How many words no item has, or of a text: were not understood.")
    not_understood: list[str] = Field(default_factory=list, description="What of a text was not understood.")


class ReasonOut(_Out):
    """What one answer did to the score of an entry."""

    round: int = Field(description="0 for what was searched before the session.")
    answer: str
    change: float


class SuggestionOut(_Out):
    """A word to search for."""

    title: str
    words: list[WordOut]
    items: int = Field(description="How many items have it.")


class ItemOut(_Out):
    """An item."""

    item_id: str
    title: str
    words: list[WordOut]
    on_offer: bool
    columns: dict[str, Any] = Field(description="What it came with beside id, title and words: a price, a picture, ...")


class ItemsIn(_In):
    """New items: rows with the columns of the run's item table."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        json_schema_extra={"examples": [{"items": [{"item_id": "j1", "brand": "Oatly", "category": "juice"}]}]},
    )

    items: Annotated[list[dict[Id, Any]], Field(min_length=1)]


class ItemIdsIn(_In):
    """Items by their ids."""

    model_config = ConfigDict(extra="forbid", strict=True, json_schema_extra={"examples": [{"item_ids": ["c2"]}]})

    item_ids: Annotated[list[Id], Field(min_length=1)]


class JobOut(_Out):
    """Work that goes on after its request was answered."""

    job_id: str
    kind: str
    state: Literal["waiting", "running", "done", "failed"]
    done: int
    total: int
    detail: dict[str, Any]


class ReloadIn(_In):
    """A new run to be taken up."""

    model_config = ConfigDict(extra="forbid", strict=True, json_schema_extra={"examples": [{"run": "runs/next"}]})

    run: Text | None = Field(None, description="Its folder; null reads the folder of the service again.")


class EventIn(_In):
    """Something that happened outside the lists."""

    event_id: Id
    kind: Id = "purchase"
    item_id: Id
    time: FiniteFloat | None = Field(None, description="Seconds since 1970; null for now.", ge=0, le=1e11)
    recommendation_id: Id | None = None
    session_id: Id | None = None
    user_id: Id | None = None


class EventsIn(_In):
    """Events, each kept once by its `event_id`."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        json_schema_extra={
            "examples": [{"events": [{"event_id": "o-1", "item_id": "m2", "recommendation_id": "q3Jx0V5sQ1yW"}]}]
        },
    )

    events: Annotated[list[EventIn], Field(min_length=1)]


class EventsOut(_Out):
    """How many events were new."""

    new: int
    known: int


class FaultOut(_Out):
    """What is wrong at one place of a request."""

    pointer: str = Field(description="A JSON pointer into the body; `#path/...` and `#query/...` for the address.")
    detail: str


class ProblemOut(BaseModel):
    """What went wrong (RFC 9457)."""

    type: str = Field(examples=["urn:magus-pyg:not-there-error"])
    title: str
    status: int
    detail: str | None = None
    errors: list[FaultOut] | None = None
