"""Opt-in: 200 queries of the synthetic shop by a model of one's own, such as one served by llama.cpp.

MAGUS_LANGUAGE_URL=http://localhost:8080/v1 MAGUS_LANGUAGE_MODEL=NAME pytest tests/language -k endpoint -s

With MAGUS_LANGUAGE_OUT=benchmarks/language_model.json what came of them is kept for docs/language.md.
"""

import json
import os
import random
import time
from pathlib import Path

import pytest

from magus_pyg.data import SyntheticOptions, load_dataset
from magus_pyg.graph import n_items, n_nodes
from magus_pyg.language import Language, OpenAIOptions
from magus_pyg.runs.run_inputs import build_graph

URL = os.environ.get("MAGUS_LANGUAGE_URL", "")
OUT = os.environ.get("MAGUS_LANGUAGE_OUT")
COUNT = int(os.environ.get("MAGUS_LANGUAGE_QUERIES", "200"))


@pytest.mark.skipif(not URL, reason="MAGUS_LANGUAGE_URL names no endpoint")
def test_texts_of_a_real_model_are_all_checked() -> None:
    graph = build_graph(load_dataset(SyntheticOptions()))
    model = os.environ.get("MAGUS_LANGUAGE_MODEL", "model")
    options = OpenAIOptions(base_url=URL, model=model, budget_ms=60_000.0, timeout_s=60.0, failures=1000)
    language = Language(graph, options)
    queries = random.Random(0).sample(range(n_items(graph), n_nodes(graph)), COUNT)
    texts, began = [], time.monotonic()
    for place in range(0, COUNT, 4):
        texts += language.phrase(queries[place : place + 4])
    items = language.phraser.rule.items
    for ids, text in zip(language.phraser.word_ids(queries), texts, strict=True):
        kept = [graph.vocabulary.word_id(tuple(word)) for word in text.words]
        assert items.select_the_same(kept, ids)
        assert text.question.count("?") == 1
    counts = language.counts()
    print({" ".join(key): count for key, count in sorted(counts.items())})
    for text in [text for text in texts if text.source != "rule"][:12]:
        print(text.question)
    assert sum(count for (what, _), count in counts.items() if what in ("accepted", "refused")) > 0
    if OUT:
        kinds = {kind: {why: count for (what, why), count in counts.items() if what == kind} for kind, _ in counts}
        found = {"model": model, "queries": COUNT, "accepted": sum(kinds.get("accepted", {}).values())}
        found |= {kind: kinds.get(kind, {}) for kind in ("refused", "failed", "late")}
        found |= {"seconds": round(time.monotonic() - began)}
        Path(OUT).write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
