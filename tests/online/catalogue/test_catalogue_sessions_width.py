"""The Bayesian variant over a catalogue: within its width the session's lists, beyond it bounded."""

from collections import Counter

import numpy as np
import pytest
import torch
from online_cases import any_scores, play_both, shop, word_scores

import magus_pyg as mp
from magus_pyg.graph import n_items
from magus_pyg.online.catalogue import Catalogue, Width


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    "state",
    [
        mp.BayesState(temperature=0.2),
        mp.BayesState(temperature=0.1, error_rate=0.05, searched_error=0.2),
        mp.BayesState(temperature=0.3, error_rate=0.02, others=1.0, targets=2.0, click_weight=0.5),
        mp.BayesState(temperature=0.2, error_rate=0.05, discount=0.8, forgetting=0.3),
        mp.BayesState(temperature=0.3, error_rate=0.02, others=1.0, discount=0.95, forgetting=0.05, click_weight=2.0),
    ],
)
def test_bayes_over_a_catalogue_within_the_width_is_the_session(seed: int, state: mp.BayesState) -> None:
    graph = shop(60, seed)
    scores = any_scores(graph, seed)
    catalogue = Catalogue(graph, "bayes", state)
    counts: Counter[str] = Counter()
    for answers in range(3):
        whole = catalogue.session(scores, rounds=5, searched=[["kind1"], ["kind1"]])
        few = mp.MagusSession(graph, scores, "bayes", rounds=5, searched=[["kind1"]], state=state)
        counts += play_both(few, whole, answers, not_care=True)
    assert counts["rounds"] == 15
    assert min(counts["clicks"], counts["not care"]) >= 3, counts


@pytest.mark.parametrize("fading", [{}, {"discount": 0.9, "forgetting": 0.01}])
def test_bayes_beyond_the_width_plays_the_session(fading: dict[str, float]) -> None:
    """Lists are planned among 128 items or more of 1,000; clicks bring others among them, as the belief of all says."""
    graph = shop(1000, 1, values=8)
    scores = 0.05 * word_scores(graph, 1) + 8.0 * any_scores(graph, 1)
    state = mp.BayesState(temperature=1.0, error_rate=0.02, **fading)
    catalogue = Catalogue(graph, "bayes", state, width=Width(least=128, most=1024, tolerance=0.3))
    counts: Counter[str] = Counter()
    first = set(torch.topk(scores, 128).indices.tolist())
    for answers in range(2):
        whole = catalogue.session(scores, rounds=5)
        few = mp.MagusSession(graph, scores, "bayes", rounds=5, state=state)
        random = np.random.default_rng(answers)
        while not few.done:
            shown = [entry.node for entry in whole.recommend()]
            assert shown == [entry.node for entry in few.recommend()]
            counts["beyond"] += whole._play.gap > 0.0  # type: ignore[attr-defined]
            counts["items beyond the first width"] += len({node for node in shown if node < n_items(graph)} - first)
            queries = [node for node in shown if node >= n_items(graph)]
            clicked = queries[-1] if queries and random.random() < 0.8 else None
            counts["clicks"] += clicked is not None
            for session in (whole, few):
                session.feedback(clicked)
    assert min(counts["beyond"], counts["clicks"]) >= 3, counts
    assert counts["items beyond the first width"] >= 1, counts


def test_bayes_beyond_the_width_bounds_what_it_misses() -> None:
    graph = shop(3000, 0, values=20)
    scores = 8.0 * any_scores(graph, 0)
    state = mp.BayesState(temperature=1.0)
    whole = Catalogue(graph, "bayes", state, width=Width(least=256, most=2048, tolerance=0.3))
    play = whole.play(whole.start(scores), 3, 5)
    full = mp.MagusSession(graph, scores, "bayes", rounds=5, state=state)
    shown = play.recommend().tolist()
    assert 0.0 < play.gap <= 0.3  # type: ignore[attr-defined]
    assert shown == [entry.node for entry in full.recommend()]


def test_lists_longer_than_the_width_are_whole() -> None:
    graph = shop(40, 0)
    scores = any_scores(graph, 0)
    session = Catalogue(graph, "bayes", width=Width(least=1, most=2)).session(
        scores, list_length=6, rounds=3, min_items=6
    )
    best = torch.argsort(scores, descending=True, stable=True).tolist()
    for number in range(3):
        assert [entry.node for entry in session.recommend()] == best[6 * number : 6 * number + 6]
        session.feedback()
