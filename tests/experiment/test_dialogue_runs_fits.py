"""What the agents of EAR's protocol are fitted on: positive validation rows, with the training items known."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from fit_cases import fitted_setting, tiny_data, with_other_rows

from magus_pyg.data import RecDataset
from magus_pyg.dialogues import Dialogues
from magus_pyg.dialogues.dialogue_methods import DIALOGUE_METHODS
from magus_pyg.experiment.agent_plays import PlaySetting
from magus_pyg.experiment.dialogue_runs import fit_dialogue_agents
from magus_pyg.runs.overrides import compose_config
from magus_pyg.runs.schemas import typed

CONFIG = typed(compose_config(["simulation=ear", "model.dim=8", "train.epochs=1", "train.accelerator=cpu"]))


class Nothing:
    """A state without values."""

    def tensors(self) -> dict[str, torch.Tensor]:
        return {}


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """The arguments of every fit, in the order of the methods."""
    calls: list[tuple[Any, ...]] = []

    def noted(*args: Any) -> Nothing:
        calls.append(args)
        return Nothing()

    for name, method in DIALOGUE_METHODS.items():
        if method.fit:
            monkeypatch.setitem(DIALOGUE_METHODS, name, replace(method, fit=noted))
    return calls


def chosen_on(setting: PlaySetting, calls: list[tuple[Any, ...]]) -> list[Dialogues]:
    calls.clear()
    fit_dialogue_agents(setting)
    assert len(calls) >= 2  # magus and bayes
    for _, scores, noise, options, seed, _ in calls:
        assert torch.equal(scores, setting.model.score(torch.arange(20), torch.arange(40)))
        assert (noise, options, seed) == (0.0, CONFIG.simulation, CONFIG.seed)
    return [args[0] for args in calls]


def pairs(data: RecDataset, part: int, label: int | None = None) -> set[tuple[int, int]]:
    rows = (data.part == part) & (data.label == label if label is not None else True)
    return set(zip(data.user[rows].tolist(), data.item[rows].tolist(), strict=True))


def test_fits_of_dialogues_see_validation_rows_alone(given: list[tuple[Any, ...]]) -> None:
    data = tiny_data()
    setting = fitted_setting(data, CONFIG)
    for dialogues in chosen_on(setting, given):
        assert set(dialogues.ids.tolist()) <= set(data.rows("validation").tolist())
        found = list(zip(dialogues.user.tolist(), dialogues.target.tolist(), strict=True))
        assert set(found) <= pairs(data, 1, label=1)
        assert max(dialogues.user.bincount().tolist()) <= 3  # the latest of each user
        everyone = torch.arange(data.n_users).repeat_interleave(dialogues.known.sizes)
        known = set(zip(everyone.tolist(), dialogues.known.item.tolist(), strict=True))
        assert known == pairs(data, 0)
    first = chosen_on(setting, given)[0]
    other = chosen_on(replace(setting, data=with_other_rows(data, "test")), given)[0]
    for name in ("user", "target", "given", "id"):
        assert torch.equal(getattr(first, name), getattr(other, name))
