"""Queries in words by a model behind an endpoint that speaks OpenAI's protocol, asked with prompts of our own."""

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from magus_pyg.errors import ConfigError, LanguageError
from magus_pyg.graph import Word
from magus_pyg.language.answer_checks import read_answer
from magus_pyg.language.language_options import OpenAIOptions
from magus_pyg.language.prompts import (
    KEYWORDS,
    PROMPT_VERSION,
    QUESTION,
    READING,
    Prompt,
    keywords_form,
    question_form,
    reading_form,
)
from magus_pyg.language.rule import plain_word
from magus_pyg.language.text_cache import TextCache

__all__ = ["OpenAIRewriter"]

_MOST_WORDS = 12  # of a query that a model is asked about


class OpenAIRewriter:
    """See `Rewriter`.

    Each request is made once and given up after `timeout_s`. What the endpoint says of an error is not kept: it may
    hold the key.

    Args:
        options: endpoint, model and limits.
        cache: counts the tokens that are spent.

    Raises:
        ConfigError: the package openai is not installed, or an option cannot be used.
    """

    def __init__(self, options: OpenAIOptions, cache: TextCache) -> None:
        self.options, self.cache = options.check(), cache
        try:
            import openai
        except ImportError as error:
            raise ConfigError(
                "language=openai needs the package openai: pip install magus-pyg[language], or use language=rule"
            ) from error
        # The SDK takes no empty key; many endpoints of one's own need none.
        key = os.environ.get(options.key_variable) or "none"
        self._openai = openai
        self._client = openai.OpenAI(base_url=options.base_url, api_key=key, timeout=options.timeout_s, max_retries=0)

    @property
    def version(self) -> str:
        """See `Rewriter`."""
        return f"openai {self.options.base_url} {self.options.model} prompts {PROMPT_VERSION}"

    def rewrite(self, words: Sequence[Word], locale: str) -> tuple[list[str], str]:
        """See `Rewriter`."""
        values = [plain_word(word.value) for word in words]
        if len(set(values)) < len(values) or len(values) > _MOST_WORDS:
            raise LanguageError("words that cannot be told apart")
        given = [{"field": plain_word(word.field), "value": value} for word, value in zip(words, values, strict=True)]
        label = {"words": given, "locale": locale}
        keywords = self._ask(KEYWORDS, label, keywords_form(values), ["keywords"])["keywords"]
        if not isinstance(keywords, list) or not all(isinstance(word, str) for word in keywords):
            raise LanguageError("no keywords")
        text = " ".join(word for word in keywords if word in values)
        question = self._ask(QUESTION, {"query": text, "locale": locale}, question_form(), ["question"])["question"]
        return keywords, question

    def read(
        self, text: str, locale: str, fields: Mapping[str, Sequence[str]], ordered: Sequence[str]
    ) -> dict[str, Any]:
        """See `Rewriter`."""
        given = {"text": text, "locale": locale, "fields": dict(fields), "ordered": list(ordered)}
        keys = ["wanted", "unwanted", *(["leanings"] if ordered else [])]
        return self._ask(READING, given, reading_form([*fields], ordered), keys)

    def _ask(self, prompt: Prompt, given: dict[str, Any], form: dict[str, Any], keys: list[str]) -> dict[str, Any]:
        options = self.options
        if options.tokens_per_day is not None and self.cache.spent() >= options.tokens_per_day:
            raise LanguageError("token limit of the day", failed=True)
        create: Callable[..., Any] = self._client.chat.completions.create
        try:
            answer = create(
                model=options.model,
                messages=prompt.messages(given),
                response_format=form,
                max_tokens=options.answer_tokens,
                temperature=0.0,
            )
        except self._openai.APITimeoutError:
            raise LanguageError("time-out", failed=True) from None
        except self._openai.APIStatusError as error:
            raise LanguageError(f"status {error.status_code}", failed=True) from None
        except self._openai.APIConnectionError:
            raise LanguageError("no connection", failed=True) from None
        except (self._openai.OpenAIError, ValueError):
            raise LanguageError("invalid JSON", failed=True) from None
        usage = getattr(answer, "usage", None)
        spent = getattr(usage, "total_tokens", None)
        text = _content(answer)
        # An endpoint that does not count is taken to need a token for four signs.
        self.cache.spend(spent if isinstance(spent, int) else (len(str(given)) + len(text or "")) // 4)
        return read_answer(text, keys)

    def close(self) -> None:
        """Close its connections."""
        self._client.close()


def _content(answer: Any) -> str | None:
    """The text of an answer; None where it has another form than the protocol's."""
    try:
        content = answer.choices[0].message.content
    except (AttributeError, IndexError, TypeError):
        return None
    return content if isinstance(content, str) else None
