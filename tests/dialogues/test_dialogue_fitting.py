"""What is fitted on validation dialogues."""

import logging
from dataclasses import replace

import numpy as np
import pytest
import torch
from small_catalogue import dialogues

from magus_pyg.data import ItemSets
from magus_pyg.dialogues import (
    DialogueBayesAgent,
    DialogueBayesState,
    Dialogues,
    choose_minus_scale,
    dialogue_log_likelihood,
    dialogue_metrics,
    fit_dialogue_bayes,
    fit_prior,
    play_dialogues,
)
from magus_pyg.dialogues.dialogue_fitting import _PriorFit
from magus_pyg.dialogues.dialogue_taste import known_items, log_likeness


@pytest.fixture(scope="module")
def drawn() -> tuple[Dialogues, torch.Tensor, DialogueBayesState]:
    """Dialogues whose targets are drawn from the belief of a state."""
    state = DialogueBayesState(
        temperature=0.7, given_power=1.0, popularity=-0.4, unknown=1.5, taste=0.7, habit=0.6, habit_unknown=-0.5
    )
    generator = torch.Generator().manual_seed(2)
    n_users, n_items, n_words, n = 40, 60, 6, 3000
    has = torch.rand((n_items, n_words), generator=generator) < 0.4
    has[:, 0] = True
    seen = torch.rand((n_users, n_items), generator=generator) < 0.1 * torch.rand(n_items, generator=generator) ** 2
    known = ItemSets.from_pairs(*torch.nonzero(seen, as_tuple=True), n_users, n_items)
    scores = torch.randn((n_users, n_items), generator=generator)
    user = torch.randint(n_users, (n,), generator=generator)
    popularity = seen.sum(0)
    logit = scores / state.temperature + state.popularity * popularity.log1p() + state.unknown * (popularity == 0)
    users = known_items(torch.arange(n_users), known, has, popularity)
    logit = logit + state.taste * log_likeness(users, has)
    habit = users.habit.unsqueeze(1)
    logit = logit + habit * (state.habit * popularity.log1p() + state.habit_unknown * (popularity == 0))
    logit = torch.where(seen, -torch.inf, logit - has.sum(1).log())
    target = torch.multinomial(logit.softmax(1)[user], 1, generator=generator).squeeze(1)
    return Dialogues(user, target, torch.zeros(n, dtype=torch.int64), has, known), scores, state


def test_the_prior_is_found_again(drawn: tuple[Dialogues, torch.Tensor, DialogueBayesState]) -> None:
    given, scores, state = drawn
    found = fit_prior(given, scores)
    assert found.temperature == pytest.approx(state.temperature, rel=0.1)
    assert found.popularity == pytest.approx(state.popularity, abs=0.15)
    assert found.unknown == pytest.approx(state.unknown, abs=0.2)
    assert found.taste == pytest.approx(state.taste, abs=0.15)
    assert found.habit == pytest.approx(state.habit, abs=0.3)
    assert found.habit_unknown == pytest.approx(state.habit_unknown, abs=0.5)
    assert found.given_power == 1.0
    best = dialogue_log_likelihood(given, scores, found)
    assert best >= dialogue_log_likelihood(given, scores, state)
    for change in ({"temperature": 0.5}, {"popularity": 0.3}, {"unknown": 0.0}, {"taste": 0.0}, {"habit": 0.0}):
        assert dialogue_log_likelihood(given, scores, replace(found, **change)) < best
    free = fit_prior(given, scores, given_power=True)
    assert free.given_power == pytest.approx(1.0, abs=0.2)


def test_likelihood_by_hand() -> None:
    # Items 0, 1, 4, 5 with scores 0 and 2, 2, 3, 1 attributes: item 1 has 1/2 of 1/2 + 1/2 + 1/3 + 1.
    value = dialogue_log_likelihood(dialogues(target=1), torch.zeros(1, 6), DialogueBayesState())
    assert value == pytest.approx(np.log((1 / 2) / (1 / 2 + 1 / 2 + 1 / 3 + 1)))


def test_the_gradient_of_the_likelihood(drawn: tuple[Dialogues, torch.Tensor, DialogueBayesState]) -> None:
    given, scores, _ = drawn
    fit = _PriorFit(given.take(torch.arange(50)), scores)
    point = np.array([0.1, 0.8, -0.2, 0.4, 0.6, -0.3, 0.5])
    _, gradient = fit.loss(point)
    for place in range(7):
        step = np.eye(7)[place] * 1e-5
        slope = (fit.loss(point + step)[0] - fit.loss(point - step)[0]) / 2e-5
        assert gradient[place] == pytest.approx(slope, rel=1e-4, abs=1e-7)


def test_choices_by_play(drawn: tuple[Dialogues, torch.Tensor, DialogueBayesState]) -> None:
    given, scores, _ = drawn
    few = given.take(torch.arange(120))
    state = fit_dialogue_bayes(few, scores, noise=0.2, bits=(0.4, 0.9), error_rates=(0.0, 0.2), turns=6, list_length=2)
    assert state.error_rate == 0.2  # with a fifth of the answers wrong, believing all of them plays worse

    def objective(trial: DialogueBayesState) -> float:
        means = dialogue_metrics(play_dialogues(DialogueBayesAgent(trial), few, scores, 6, 2, noise=0.2), (6,)).mean()
        return float(means["SR@6"] - means["AT"] / 6)

    assert objective(state) == max(objective(replace(state, bits=bits)) for bits in (0.4, 0.9))
    assert choose_minus_scale(few, scores, scales=(1.0, 0.3), turns=6, list_length=2) in (1.0, 0.3)


def test_nothing_to_fit_on(caplog: pytest.LogCaptureFixture) -> None:
    none = dialogues(target=1).take(torch.tensor([], dtype=torch.int64))
    with caplog.at_level(logging.WARNING):
        assert fit_dialogue_bayes(none, torch.zeros(1, 6)) == DialogueBayesState()
    assert "no validation dialogues" in caplog.text
    assert choose_minus_scale(none, torch.zeros(1, 6)) == 1.0
    assert np.isnan(dialogue_log_likelihood(none, torch.zeros(1, 6), DialogueBayesState()))
