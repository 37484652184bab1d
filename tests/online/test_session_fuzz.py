"""Sessions over candidates and over a catalogue, given the same random answers, words, undo and resume, stay the same.

CI plays a few hundred rounds. FUZZ_ROUNDS=10000 plays so many, and prints what happened.
"""

import json
import os
from collections import Counter

import numpy as np
import pytest
from online_cases import VARIANTS, Maker, answer, same, shop_table, word_scores

import magus_pyg as mp
from magus_pyg.online import OnlineSession

ROUNDS = int(os.environ.get("FUZZ_ROUNDS", "400"))


def twin_steps(
    pair: list[OnlineSession], makers: list[Maker], random: np.random.Generator, counts: Counter[str]
) -> None:
    """One step of both sessions of a pair."""
    one, draw = pair[0], random.random()
    if draw < 0.15 and one.history:
        counts["undo"] += 1
        for session in pair:
            session.undo()
    elif draw < 0.3:
        counts["resume"] += 1
        if random.random() < 0.5:  # each goes on as the other kind
            makers.reverse()
        pair[:] = [maker.resume(json.loads(json.dumps(s.to_dict()))) for maker, s in zip(makers, pair, strict=True)]
        assert all(not session.notes for session in pair)
    elif draw < 0.45 and one.variant != "none" and not one.done:
        counts["tell"] += 1
        words = one.graph.vocabulary.words
        said = [words[int(random.integers(len(words)))] for _ in range(int(random.integers(1, 3)))]
        liked = bool(random.random() < 0.5)
        for session in pair:
            session.tell(said, liked)
    elif not one.done:
        counts["answer"] += 1
        seed = int(random.integers(2**32))
        for session in pair:
            answer(session, np.random.default_rng(seed))
        last = pair[0].history[-1]
        counts["not care"] += len(last.not_care)  # type: ignore[union-attr]
        counts["click"] += last.clicked is not None  # type: ignore[union-attr]


@pytest.mark.parametrize("variant", VARIANTS)
def test_both_kinds_stay_the_same(variant: str) -> None:
    counts: Counter[str] = Counter()
    seed = 0
    while counts["answer"] < ROUNDS // len(VARIANTS):
        seed += 1
        random = np.random.default_rng([seed, VARIANTS.index(variant)])
        graph = mp.build_relational_graph(
            shop_table(int(random.integers(5, 60)), seed), ["kind", "brand", "size"], materialize=False
        )
        makers = [Maker(kind, variant, graph, seed) for kind in ("session", "catalogue")]
        for maker in makers if seed % 3 else ():
            maker.scores = word_scores(graph, seed) if variant != "bayes" else maker.scores
        arguments = {
            "list_length": int(random.integers(2, 6)),
            "rounds": int(random.integers(1, 12)),
            "min_items": int(random.integers(0, 3)),
            "searched": [[graph.vocabulary.words[0]]] if random.random() < 0.5 else None,
            "exclude": ["i0", "i2"] if random.random() < 0.5 else [],
        }
        pair = [maker.make(**arguments) for maker in makers]
        counts["session"] += 1
        for _ in range(3 * pair[0].rounds):
            twin_steps(pair, makers, random, counts)
            same(*pair)
        node = next((entry.node for entry in pair[0].recommend()), 1) if not pair[0].done else 1
        changes = [[reason.change for reason in session.explain(node)] for session in pair]
        assert changes[0] == pytest.approx(changes[1], rel=1e-6, abs=1e-6)
    events = ["undo", "resume", *(["tell", "click", "not care"] if variant != "none" else [])]
    assert min(counts[event] for event in events) >= ROUNDS // 50, counts
    print(f"{variant}: {dict(counts)}")
