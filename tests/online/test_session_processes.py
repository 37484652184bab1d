"""Sessions of every kind and variant that go on in another process, from their states alone."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
from online_cases import KINDS, VARIANTS, Maker, answer, shop

import magus_pyg as mp

_SCRIPT = """
import json, sys
sys.path.insert(0, sys.argv[1])
from online_cases import Maker
import magus_pyg as mp

graph = mp.load_graph(sys.argv[2])
lists = []
for kind, variant, state in json.load(sys.stdin):
    session = Maker(kind, variant, graph).resume(state)
    lists.append([[entry.node, entry.score] for entry in session.recommend()])
print(json.dumps(lists))
"""


def test_another_process_goes_on(tmp_path: Path) -> None:
    graph = shop(40, 1)
    mp.save_graph(graph, tmp_path / "graph")
    sessions = []
    for kind in KINDS:
        for variant in VARIANTS:
            session = Maker(kind, variant, graph).make(searched=[["kind1"]])
            for _ in range(2):
                answer(session, np.random.default_rng(3))
            if variant != "none":
                session.tell("brand1")
            sessions.append((kind, variant, session))
    given = json.dumps([[kind, variant, session.to_dict()] for kind, variant, session in sessions])
    helpers = str(Path(__file__).parents[1] / "helpers")
    command = [sys.executable, "-c", _SCRIPT, helpers, str(tmp_path / "graph")]
    done = subprocess.run(command, input=given, capture_output=True, text=True, check=True)
    expected = [[[entry.node, entry.score] for entry in session.recommend()] for _, _, session in sessions]
    assert json.loads(done.stdout) == expected
    assert all(expected)
