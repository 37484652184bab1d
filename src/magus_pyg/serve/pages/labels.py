"""The texts of the page that are no sentences about a session: headings, buttons, hints, in English and German."""

from collections.abc import Iterable

from magus_pyg.online.sentences import LANGUAGES, Sentences

__all__ = ["Labels", "language_of"]

_Text = str | tuple[str, str]

_EN: dict[str, _Text] = {
    "skip": "Skip to the list",
    "search": "Search",
    "search_start": "What are you looking for?",
    "search_more": "Say more, or what it should not be",
    "search_hint": "Write it as you would say it: “oat drink, not from Oatly”.",
    "start": "Find something, even with only a vague idea",
    "start_lead": "Pick a word that fits, or an item. Every answer makes the next list better.",
    "list": "Does any of these fit?",
    "list_lead": "Choose the item if it is there. Otherwise a word that fits, or “none of these”.",
    "round": "List {n} of at most {of}",
    "so_far": "What you said so far",
    "wanted": "wanted: {name}",
    "unwanted": "not {name}",
    "careless": "{name}: no matter",
    "take_back": "Take back: {name}",
    "more_said": ("{n} more", "{n} more"),
    "queries": "Narrow it down",
    "query_hint": "Choose anything with {name}: {items}",
    "items": "Items",
    "no_matter": "doesn’t matter",
    "no_matter_hint": "{name} does not matter to me; counts with the next answer",
    "choose": "This is it",
    "choose_hint": "This is it: {name}",
    "more_like_word": "More with {name}",
    "why": "Why this?",
    "why_hint": "Why is {name} shown?",
    "compare": "Compare",
    "compare_hint": "Compare {name}",
    "compare_go": "Compare the marked",
    "compare_title": ("{n} item", "{n} items side by side"),
    "compare_lead": "Lines in which they differ are marked with ≠.",
    "compare_few": "Mark two to four items in the list to compare them.",
    "compare_many": "Four items fit side by side; the first four of those marked are shown.",
    "differs": "differs",
    "alike": "alike",
    "feature": "Feature",
    "no_value": "nothing given",
    "none": "None of these",
    "undo": "Undo",
    "again": "Start again",
    "back_to_list": "Back to the list",
    "why_title": "Why “{name}”?",
    "why_lead": "What each of your answers did to its place, the strongest first.",
    "why_for": "for it",
    "why_much_for": "much for it",
    "why_against": "against it",
    "why_much_against": "much against it",
    "why_score": "Its value now is {score}.",
    "found": "Found: {name}",
    "found_lead": ("It took {n} list.", "It took {n} lists."),
    "path": "How you got here",
    "go_on": "Go on looking",
    "go_on_hint": "Keeps what you said, and leaves this item out.",
    "not_it": "Not this after all",
    "over": "Nothing found yet",
    "over_lead": "The lists are used up, but nothing you said is lost.",
    "nothing": "Nothing is left to show",
    "nothing_lead": "Take something back, or start again.",
    "expert": "Expert view",
    "expert_off": "Leave the expert view",
    "expert_lead": "The relational graph of this session, list by list: words, their combinations, and items. The "
    "number is the value by which each was ranked, the colour compares it within its row; a ring marks what was "
    "shown, a filled ring what you chose.",
    "expert_round": "List {n}",
    "expert_now": "List {n}, open now",
    "expert_drawing": "Graph of list {n}: {shown} shown of {drawn} drawn nodes",
    "layer_words": "words",
    "layer_combinations": "combinations",
    "layer_items": "items",
    "foot": "Search and recommendation in one list, by MAGUS",
    "busy": "Looking …",
    "understood": "Understood",
    "new_list": "A new list: {queries} to narrow it down, {items}.",
    "narrowing": ("{n} word", "{n} words"),
    "notes": "Good to know",
    "api_docs": "For programs",
    "forward": "That answer was taken back, so this is the list that is open now.",
    "changed": "Another window answered in between: this is the list that is open now.",
    "part_read": "Not understood: {text}.",
    "perhaps": "Perhaps you mean",
    "error_lead": "Nothing you typed is lost.",
    "error_404": "This page is not there",
    "error_404_text": "The search it belongs to is not known here, or the address has a mistake in it.",
    "error_410": "This search has ended",
    "error_410_text": "It was not used for a long time, so it was put away.",
    "error_403": "That could not be taken in",
    "error_403_text": "The page was open for long, or cookies are off. Send it again from here.",
    "error_409": "That list has changed",
    "error_409_text": "It was answered in another window.",
    "error_413": "That is too much at once",
    "error_413_text": "Please say it in fewer words.",
    "error_422": "That could not be understood",
    "error_422_text": "Something in it is not what the page expects.",
    "error_429": "A little too fast",
    "error_429_text": "Please wait a moment, then send it again.",
    "error_500": "Something went wrong here",
    "error_500_text": "It is not your fault, and it has been noted. Please try again.",
    "error_503": "Not ready yet",
    "error_503_text": "The shop is busy or just starting. Please try again in a moment.",
    "send_again": "Send it again",
    "to_search": "Back to your search",
    "reference": "Reference: {id}",
}

_DE: dict[str, _Text] = {
    "skip": "Zur Liste springen",
    "search": "Suchen",
    "search_start": "Was suchen Sie?",
    "search_more": "Sagen Sie mehr, oder was es nicht sein soll",
    "search_hint": "Schreiben Sie, wie Sie sprechen: „Haferdrink, nicht von Oatly“.",
    "start": "Etwas finden, auch mit nur einer vagen Idee",
    "start_lead": "Wählen Sie ein Wort, das passt, oder einen Artikel. Jede Antwort macht die nächste Liste besser.",
    "list": "Passt etwas davon?",
    "list_lead": "Wählen Sie den Artikel, wenn er dabei ist. Sonst ein Wort, das passt, oder „Nichts davon“.",
    "round": "Liste {n} von höchstens {of}",
    "so_far": "Was Sie bisher sagten",
    "wanted": "gewünscht: {name}",
    "unwanted": "nicht {name}",
    "careless": "{name}: egal",
    "take_back": "Zurücknehmen: {name}",
    "more_said": ("{n} weiteres", "{n} weitere"),
    "queries": "Eingrenzen",
    "query_hint": "Alles mit {name} wählen: {items}",
    "items": "Artikel",
    "no_matter": "egal",
    "no_matter_hint": "{name} ist mir egal; zählt mit der nächsten Antwort",
    "choose": "Das ist es",
    "choose_hint": "Das ist es: {name}",
    "more_like_word": "Mehr mit {name}",
    "why": "Warum dies?",
    "why_hint": "Warum wird {name} gezeigt?",
    "compare": "Vergleichen",
    "compare_hint": "{name} vergleichen",
    "compare_go": "Markierte vergleichen",
    "compare_title": ("{n} Artikel", "{n} Artikel nebeneinander"),
    "compare_lead": "Zeilen, in denen sie sich unterscheiden, tragen ein ≠.",
    "compare_few": "Markieren Sie in der Liste zwei bis vier Artikel, um sie zu vergleichen.",
    "compare_many": "Vier Artikel passen nebeneinander; gezeigt sind die ersten vier der markierten.",
    "differs": "verschieden",
    "alike": "gleich",
    "feature": "Merkmal",
    "no_value": "nichts angegeben",
    "none": "Nichts davon",
    "undo": "Rückgängig",
    "again": "Von vorn",
    "back_to_list": "Zurück zur Liste",
    "why_title": "Warum „{name}“?",
    "why_lead": "Was jede Ihrer Antworten an seinem Platz änderte, die stärkste zuerst.",
    "why_for": "dafür",
    "why_much_for": "sehr dafür",
    "why_against": "dagegen",
    "why_much_against": "sehr dagegen",
    "why_score": "Sein Wert ist jetzt {score}.",
    "found": "Gefunden: {name}",
    "found_lead": ("Das dauerte {n} Liste.", "Das dauerte {n} Listen."),
    "path": "Der Weg hierher",
    "go_on": "Weitersuchen",
    "go_on_hint": "Behält, was Sie sagten, und lässt diesen Artikel weg.",
    "not_it": "Doch nicht dies",
    "over": "Noch nichts gefunden",
    "over_lead": "Die Listen sind aufgebraucht, aber nichts, was Sie sagten, ist verloren.",
    "nothing": "Es ist nichts mehr zu zeigen",
    "nothing_lead": "Nehmen Sie etwas zurück, oder beginnen Sie von vorn.",
    "expert": "Expertenansicht",
    "expert_off": "Expertenansicht verlassen",
    "expert_lead": "Der Beziehungsgraph dieser Sitzung, Liste für Liste: Wörter, ihre Verbindungen und Artikel. Die "
    "Zahl ist der Wert, nach dem gereiht wurde, die Farbe vergleicht ihn in seiner Zeile; ein Ring zeigt, was zu "
    "sehen war, ein gefüllter, was Sie wählten.",
    "expert_round": "Liste {n}",
    "expert_now": "Liste {n}, jetzt offen",
    "expert_drawing": "Graph der Liste {n}: {shown} gezeigte von {drawn} gezeichneten Knoten",
    "layer_words": "Wörter",
    "layer_combinations": "Verbindungen",
    "layer_items": "Artikel",
    "foot": "Suche und Empfehlung in einer Liste, von MAGUS",
    "busy": "Einen Moment …",
    "understood": "Verstanden",
    "new_list": "Eine neue Liste: {queries} zum Eingrenzen, {items}.",
    "narrowing": ("{n} Wort", "{n} Wörter"),
    "notes": "Gut zu wissen",
    "api_docs": "Für Programme",
    "forward": "Diese Antwort wurde zurückgenommen; dies ist die Liste, die jetzt offen ist.",
    "changed": "Ein anderes Fenster hat inzwischen geantwortet: dies ist die Liste, die jetzt offen ist.",
    "part_read": "Nicht verstanden: {text}.",
    "perhaps": "Meinen Sie vielleicht",
    "error_lead": "Nichts, was Sie schrieben, ist verloren.",
    "error_404": "Diese Seite gibt es nicht",
    "error_404_text": "Die Suche, zu der sie gehört, ist hier nicht bekannt, oder die Adresse hat einen Fehler.",
    "error_410": "Diese Suche ist zu Ende",
    "error_410_text": "Sie wurde lange nicht benutzt und deshalb weggeräumt.",
    "error_403": "Das konnte nicht angenommen werden",
    "error_403_text": "Die Seite war lange offen, oder Cookies sind aus. Senden Sie es von hier noch einmal.",
    "error_409": "Diese Liste hat sich geändert",
    "error_409_text": "Sie wurde in einem anderen Fenster beantwortet.",
    "error_413": "Das ist zu viel auf einmal",
    "error_413_text": "Bitte sagen Sie es mit weniger Wörtern.",
    "error_422": "Das war nicht zu verstehen",
    "error_422_text": "Etwas darin ist nicht, was die Seite erwartet.",
    "error_429": "Ein wenig zu schnell",
    "error_429_text": "Bitte warten Sie einen Augenblick und senden Sie es dann noch einmal.",
    "error_500": "Hier ist etwas schiefgegangen",
    "error_500_text": "Es liegt nicht an Ihnen, und es ist vermerkt. Bitte versuchen Sie es noch einmal.",
    "error_503": "Noch nicht bereit",
    "error_503_text": "Der Laden ist beschäftigt oder beginnt eben erst. Bitte versuchen Sie es gleich noch einmal.",
    "send_again": "Noch einmal senden",
    "to_search": "Zurück zu Ihrer Suche",
    "reference": "Vermerk: {id}",
}

_TABLES = {"en": _EN, "de": _DE}


class Labels:
    """The texts of one language.

    Args:
        language: one of `LANGUAGES`.

    Attributes:
        sentences: what is said of sessions in that language.
    """

    def __init__(self, language: str) -> None:
        self.language, self.sentences, self._table = language, Sentences(language, "list"), _TABLES[language]

    def __call__(self, key: str, n: int | None = None, **parts: object) -> str:
        """A text, in the singular where `n` is 1; numbers are written as the language writes them."""
        text = self._table[key]
        if isinstance(text, tuple):
            text = text[n != 1]
        return text.format(n="" if n is None else self.sentences.number(n), **parts) if n is not None or parts else text


def language_of(asked: str, otherwise: str) -> str:
    """The language of a page: the first that the browser asks for and that there is.

    Args:
        asked: the header `Accept-Language`, whatever somebody sent as it.
        otherwise: a language tag for those who ask for none that there is; without texts of its own it is English.
    """
    wishes = [(_weight(rest), tag) for tag, _, rest in (part.strip().partition(";") for part in asked.split(",")[:20])]
    best = [tag for weight, tag in sorted(wishes, key=lambda wish: -wish[0]) if weight > 0.0]
    return _first_known([*best, otherwise]) or LANGUAGES[0]


def _first_known(tags: Iterable[str]) -> str | None:
    return next((code for tag in tags if (code := tag.strip().lower().partition("-")[0]) in _TABLES), None)


def _weight(rest: str) -> float:
    """The weight of a language: `q=0.8`; 1 where none is given, 0 for what is no number."""
    if not rest.strip():
        return 1.0
    try:
        return float(rest.strip().removeprefix("q="))
    except ValueError:
        return 0.0
