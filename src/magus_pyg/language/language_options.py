"""How queries are put into words, and whether a model helps: the group `language` of the configuration."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from magus_pyg.errors import ConfigError
from magus_pyg.files import home_expanded
from magus_pyg.language.lexicon import Lexicons, read_lexicons
from magus_pyg.options import above, at_least, at_most, check_options

__all__ = ["LanguageOptions", "OpenAIOptions"]


@dataclass
class LanguageOptions:
    """Words without a model.

    Attributes:
        name: "rule".
        locale: the language where a person's is not known, or is none of the lexicons.
        lexicons: a folder of one's own files NAME.yaml, which take the place of those of the package by name; None.
    """

    name: str = "rule"
    locale: str = "en"
    lexicons: str | None = None

    def check(self) -> Self:
        """The options themselves; ConfigError where one is out of range, or a lexicon cannot be read."""
        check_options(self, "language")
        self.read_lexicons()
        return self

    def read_lexicons(self) -> Lexicons:
        """The languages; ConfigError as of `read_lexicons`."""
        return read_lexicons(self.locale, None if self.lexicons is None else str(home_expanded(self.lexicons)))


@dataclass
class OpenAIOptions(LanguageOptions):
    """Words with the help of a model behind an endpoint that speaks OpenAI's protocol; the rule where it says nothing.

    Attributes:
        name: "openai".
        base_url: the address of the endpoint, such as "http://localhost:8080/v1".
        model: its name there.
        key_variable: the environment variable with the key; a key is never a setting. An endpoint may need none.
        budget_ms: what a round waits at the most; then the rule's text is shown and the model's kept for later.
        timeout_s: after which a request is given up.
        send_text: whether what people type is sent to the endpoint; their queries' words are in any case.
        cache: the file of the texts that were accepted; None: in memory alone, in the service beside its store.
        tokens_per_day: the most that are spent in a day (UTC), over all processes of one cache; None for any number.
        answer_tokens: the most of one answer.
        failures: requests in a row without an answer after which none are made for `pause_s`.
        pause_s: how long; then one request is tried.
        warm: how many of the most frequent queries get their texts when the service begins.
    """

    name: str = "openai"
    base_url: str = ""
    model: str = ""
    key_variable: str = "OPENAI_API_KEY"
    budget_ms: float = 300.0
    timeout_s: float = 10.0
    send_text: bool = False
    cache: str | None = None
    tokens_per_day: int | None = 1_000_000
    answer_tokens: int = 200
    failures: int = 5
    pause_s: float = 30.0
    warm: int = 0

    def check(self) -> Self:
        """The options themselves; ConfigError where one is missing or out of range."""
        super().check()
        numbers = {"budget_ms": at_least(0), "timeout_s": above(0), "pause_s": at_least(0), "warm": at_least(0)}
        counts = dict.fromkeys(("tokens_per_day", "answer_tokens", "failures"), at_least(1))
        check_options(self, "language", **numbers, **counts)
        most = {"budget_ms": at_most(60_000), "timeout_s": at_most(600), "answer_tokens": at_most(100_000)}
        check_options(self, "language", **most)
        parts = urlsplit(self.base_url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ConfigError(
                f"language.base_url must be the address of an endpoint, such as http://localhost:8080/v1 (got "
                f"{self.base_url!r})"
            )
        if parts.username or parts.password:
            raise ConfigError("language.base_url must hold no key or password: they stand in language.key_variable")
        if not self.model:
            raise ConfigError("language.model must be the name of a model at the endpoint (got '')")
        return self

    @property
    def cache_file(self) -> Path | None:
        """Where accepted texts are kept; None for in memory alone."""
        return None if self.cache is None else home_expanded(self.cache)
