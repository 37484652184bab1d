import pytest

from magus_pyg.errors import ConfigError
from magus_pyg.language import LanguageOptions, OpenAIOptions

GOOD = {"base_url": "http://localhost:8080/v1", "model": "small"}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"base_url": ""}, r"language.base_url must be the address of an endpoint.*\(got ''\)"),
        ({"base_url": "localhost:8080"}, "language.base_url must be the address"),
        ({"base_url": "https://:secret@host/v1"}, "must hold no key"),
        ({"model": ""}, "language.model must be the name"),
        ({"budget_ms": -1}, r"language.budget_ms must be at least 0 \(got -1\)"),
        ({"budget_ms": 1e9}, "language.budget_ms must be at most 60,000"),
        ({"timeout_s": 0.0}, "language.timeout_s must be above 0"),
        ({"tokens_per_day": 0}, "language.tokens_per_day must be at least 1"),
        ({"failures": 0}, "language.failures must be at least 1"),
        ({"warm": -1}, "language.warm must be at least 0"),
        ({"send_text": "yes"}, "language.send_text must be true or false"),
        ({"locale": "fr"}, "language.locale must be one of de, en"),
        ({"lexicons": "/nowhere/at/all"}, "is no folder"),
    ],
)
def test_options_out_of_range_are_named(settings, message):
    with pytest.raises(ConfigError, match=message) as raised:
        OpenAIOptions(**{**GOOD, **settings}).check()
    assert "secret" not in str(raised.value)


def test_good_options_pass():
    assert OpenAIOptions(**GOOD, tokens_per_day=None).check().cache_file is None
    assert LanguageOptions(locale="de").check().read_lexicons().default == "de"
