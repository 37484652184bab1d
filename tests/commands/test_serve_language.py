"""What the words of magus-serve say of the language."""

from pathlib import Path

import pytest

from magus_pyg.commands.serve import service_config
from magus_pyg.errors import ConfigError
from magus_pyg.language import LanguageOptions, OpenAIOptions
from magus_pyg.runs.schemas import conf_folder

MODEL = ["language=openai", "language.base_url=http://localhost:8080/v1", "language.model=small"]


def test_the_rule_is_the_default_and_a_model_is_named() -> None:
    assert service_config([]).language == LanguageOptions()
    assert service_config(["language.locale=de"]).language == LanguageOptions(locale="de")
    found = service_config([*MODEL, "language.warm=1000", "serve.port=0"])
    assert found.language == OpenAIOptions(base_url="http://localhost:8080/v1", model="small", warm=1000)
    assert found.serve.port == 0


def test_a_file_of_ones_own(tmp_path: Path) -> None:
    folder = tmp_path / "language"
    folder.mkdir()
    (folder / "ours.yaml").write_text("name: openai\nbase_url: http://localhost/v1\nmodel: m\n", encoding="utf-8")
    found = service_config(["language=ours", f"paths.conf={tmp_path}"]).language
    assert found == OpenAIOptions(base_url="http://localhost/v1", model="m")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["language=openai"], "language.base_url must be the address of an endpoint"),
        (["language.base_url=x"], "base_url"),
        (["language=opena"], "did you mean 'openai'"),
        ([*MODEL, "language.budget_ms=-1"], "language.budget_ms must be at least 0"),
        (["language.locale=fr"], "language.locale must be one of de, en"),
    ],
)
def test_mistakes_are_named(words: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        service_config(words)


def test_the_files_hold_the_defaults_and_explain_every_key() -> None:
    for path in sorted((conf_folder() / "language").glob("*.yaml")):
        keys = [line for line in path.read_text(encoding="utf-8").splitlines() if line and line[0] != "#"]
        assert all("#" in line for line in keys[1:]), path.name
