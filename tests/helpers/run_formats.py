"""Run folders as release 0.1.0 wrote them, made of those of today; and lists of files brought up to date by hand."""

import hashlib
import json
from pathlib import Path
from typing import Any

#: What run.json listed in format 1.
_LISTED = ("config.yaml", "model.safetensors", "graph.safetensors", "population.safetensors", "records.parquet",
           "results.csv", "history.csv")  # fmt: skip


def edit_json(path: Path, **changes: Any) -> None:
    """Change keys of a JSON file; None takes one away."""
    values = {**json.loads(path.read_text()), **changes}
    path.write_text(json.dumps({key: value for key, value in values.items() if value is not None}))


def to_format_1(run: Path, version: str = "0.1.0") -> Path:
    """Make a run folder one of format 1, in place: sizes alone, and simulations without a list of their files."""
    listed = [*(run / name for name in _LISTED), *sorted((run / "agents").glob("*.safetensors"))]
    files = {str(path.relative_to(run)): path.stat().st_size for path in listed}
    edit_json(run / "run.json", format=1, version=version, files=files)
    for info in run.glob("simulations/*/simulation.json"):
        edit_json(info, format=None, version=None, state=None, schemas=None, files=None)
    return run


def list_again(run: Path, *names: str) -> None:
    """Write the sizes and checksums that files have now into run.json, of whatever format."""
    info = json.loads((run / "run.json").read_text())
    for name in names:
        content = (run / name).read_bytes()
        entry = {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        info["files"][name] = len(content) if info["format"] == 1 else entry
    (run / "run.json").write_text(json.dumps(info))


def flip(path: Path, place: float) -> None:
    """Change one bit of a file; `place` from 0, the first byte, to 1, the last."""
    content = bytearray(path.read_bytes())
    content[min(int(place * len(content)), len(content) - 1)] ^= 1
    path.write_bytes(content)


#: config.yaml of a run of release 0.1.0 (dataset=ml-100k magus=bayes).
CONFIG_0_1_0 = """\
dataset:
  name: ml-100k
  word_fields: [genre, decade]
  merge_fields: {}
  profile_fields: [age, gender, occupation]
  max_words: 3
  max_share: 0.95
  empty_values: {}
  bands: {}
  spelling: fold
  max_length: 100
  repeats: drop
  min_user_rows: 0
  min_item_rows: 0
  need_positive: false
  path: ''
  download: true
  force_reload: false
  positive_above: 3.0
  verify: true
model: {name: fm, dim: 64, dropout: 0.2, init_std: 0.01}
magus: {name: bayes, temperature: null, error_rate: null, searched_error: null, others: null, depth: null, exact: null}
user: {name: truthful}
train: {epochs: 50, batch_size: 2048, lr: 0.01, min_lr: 1.0e-05, lr_factor: 0.3, lr_patience: 1, patience: 5,
  min_delta: 0.0002, stop_on: auc, weight_decay: 0.02, negatives: 1, filter: all, min_interactions: 30,
  accelerator: auto, devices: 1,
  strategy: auto, precision: 32-true, sparse: auto}
simulation:
  rounds: 5
  list_length: 3
  candidates: null
  at: [3, 5]
  part: test
  batch_size: 256
  searches: 5
  resamples: 2000
  processes: null
sessions: {kind: standard, candidates: 30, min_targets: 1, max_targets: 3, min_interactions: 30, per_user: 1}
rivals:
  folds: 3
  per_user: 4
  sessions: 10000
  recurrent: {hidden: 64, feedback: 16, rank: 32, epochs: 25, batch_size: 64, steps: 150, lr: 0.003,
    weight_decay: 1.0e-05, patience: 4, query_weight: 0.5}
  crm: {hidden: 32, imitation_epochs: 4, epochs: 12, batch_size: 64, steps: 60, rollouts: 4, imitation_lr: 0.005,
    lr: 0.004, entropy: 0.0001, patience: 5, success: 1.0, clicked: 0.0, turn: -0.005, quit: 0.0, discount: 1.0}
  ear:
    hidden: 32
    imitation_epochs: 4
    epochs: 12
    batch_size: 64
    steps: 60
    rollouts: 4
    imitation_lr: 0.005
    lr: 0.004
    entropy: 0.0001
    patience: 5
    success: 1.0
    clicked: 0.005
    turn: -0.005
    quit: -0.3
    discount: 1.0
    rank: 16
    estimation_epochs: 20
    estimation_lr: 0.003
    estimation_decay: 0.0001
    reflection_rates: [0.1, 0.3, 1.0]
    reflection_steps: 2
learning: {epochs: 3, lr: 0.003, batch_size: 512, replay: 1.0}
paths: {data: null, runs: runs}
agents: [items, static, magus, magus+, normalised, bayes, recurrent, max_entropy, crm, ear]
seed: 0
resume: null
refit: false
"""

#: What run.json of that run says of the classes of its groups.
SCHEMAS_0_1_0 = {
    "dataset": "movielens-100k",
    "model": "fm",
    "magus": "bayes",
    "user": "truthful",
    "simulation": "default",
}
