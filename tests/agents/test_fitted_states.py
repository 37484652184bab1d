"""Fitted states: read back as they were saved, and what is refused."""

from dataclasses import replace
from typing import Any

import pandas as pd
import pytest
import torch
from torch import Tensor

from magus_pyg import Catalogue, MagusSession
from magus_pyg.agents import BayesState, EdgeFactors, MagusAgent
from magus_pyg.agents.fitted_states import FittedValues, network_tensors, read_network
from magus_pyg.agents.methods import session_agent
from magus_pyg.agents.normalised_fitting import NormalisedState
from magus_pyg.agents.rivals import BeliefCalibration, MaxEntropyState
from magus_pyg.agents.rivals.ear import Reflection
from magus_pyg.agents.rivals.policy import PolicyNetwork
from magus_pyg.agents.rivals.recurrent_agent import RecurrentRanking
from magus_pyg.agents.weights import WeightForm
from magus_pyg.dialogues import DialogueBayesState
from magus_pyg.dialogues.dialogue_methods import DIALOGUE_METHODS, DialogueMagusState
from magus_pyg.errors import ConfigError, RunError
from magus_pyg.graph import build_relational_graph, n_nodes
from magus_pyg.testing import small_graph

STATES: list[FittedValues] = [
    BayesState(0.7, 0.1, 0.2, 1.5, 2.0, 0.25, 0.8, 0.3, 0.4, (3, 5), "noisy user (p = 0.1 of queries misjudged)"),
    BeliefCalibration(2.0, 0.05, 0.3, 0.5),
    DialogueBayesState(0.3, 0.9, 0.1, -1.0, 0.2, 0.6, 1.0),
    DialogueMagusState(0.3),
    MaxEntropyState(2.0, 0.05, 0.3, 0.5, 2, False),
    NormalisedState(0.97),
    RecurrentRanking(0.4, -1.0, 0.5),
    Reflection(0.3, 4),
]


@pytest.mark.parametrize("state", STATES, ids=lambda state: type(state).__name__)
def test_values_are_read_as_they_were_saved(state: FittedValues) -> None:
    tensors = state.tensors()
    numbers = [value for name, value in tensors.items() if name not in ("rounds", "user")]
    assert all(value.dtype == torch.float64 and value.shape == () for value in numbers)
    assert type(state).of_tensors({**tensors, "policy.more": torch.ones(3)}) == state


@pytest.mark.parametrize("state", STATES, ids=lambda state: type(state).__name__)
def test_values_that_are_missing_or_no_numbers_are_named(state: FittedValues) -> None:
    for name in state.tensors():
        short = {key: value for key, value in state.tensors().items() if key != name}
        if name not in state.later:
            with pytest.raises(RunError, match=rf"{state.called} lacks {name}"):
                type(state).of_tensors(short)
        for bad in (torch.tensor(float("nan")), torch.tensor([0.1, 0.2]), torch.tensor(float("inf"))):
            with pytest.raises(RunError, match=rf"{state.called} is damaged: .*{name}"):
                type(state).of_tensors({**short, name: bad})


@pytest.mark.parametrize(
    ("state", "name", "value"),
    [
        (BayesState(), "temperature", 0.0),
        (BayesState(), "error_rate", 0.5),
        (BayesState(), "discount", 0.0),
        (BayesState(), "forgetting", 1.0),
        (BayesState(), "targets", 0.5),
        (MaxEntropyState(), "ending", 2.0),
        (MaxEntropyState(), "items", -1.0),
        (NormalisedState(), "mixing", 1.0),
        (DialogueMagusState(), "minus_scale", -0.1),
        (DialogueBayesState(), "bits", 1.5),
        (Reflection(), "rate", -1.0),
        (RecurrentRanking(), "temperature", 0.0),
    ],
)
def test_values_out_of_range(state: FittedValues, name: str, value: float) -> None:
    with pytest.raises(RunError, match=f"is damaged: .*{name}"):
        type(state).of_tensors({**state.tensors(), name: torch.tensor(value, dtype=torch.float64)})


def factors() -> EdgeFactors:
    count = n_nodes(small_graph())
    generator = torch.Generator().manual_seed(0)
    sides = (torch.rand((count, size), generator=generator) for size in (3, 4))
    return EdgeFactors(*sides, 0.7, 0.3)


def test_edge_factors() -> None:
    graph, saved = small_graph(), factors().tensors()
    read = EdgeFactors.of_tensors(saved, graph)
    assert torch.equal(read.positive, factors().positive)
    assert torch.equal(read.negative, factors().negative)
    assert (read.minus_scale, read.refusal) == (0.7, 0.3)
    nan = saved["positive"].clone()
    nan[1, 1] = float("nan")
    bad: list[tuple[dict[str, Tensor], str]] = [
        ({"negative": saved["negative"][:-1]}, r"of another graph: negative must be \[\d+, r\]"),
        ({"positive": saved["positive"][:, 0]}, "of another graph: positive"),
        ({"positive": nan}, "damaged: positive"),
        ({"minus_scale": torch.tensor(-0.1)}, "damaged: minus_scale"),
        ({"refusal": torch.tensor(float("inf"))}, "damaged: refusal"),
    ]
    for change, message in bad:
        with pytest.raises(RunError, match=message):
            EdgeFactors.of_tensors({**saved, **change}, graph)
    with pytest.raises(RunError, match="lacks refusal"):
        EdgeFactors.of_tensors({key: value for key, value in saved.items() if key != "refusal"}, graph)
    wide = replace(factors(), positive=factors().positive.double())
    assert wide.tensors()["positive"].dtype == torch.float32


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"positive": torch.tensor([[1.0], [float("nan")]])},
            r"positive of EdgeFactors must be finite \(node 1",
        ),
        ({"negative": torch.tensor([[float("inf")], [1.0]])}, "negative of EdgeFactors must be finite"),
        ({"positive": torch.ones(2)}, r"positive of EdgeFactors must be floating \[N, r\] \(got torch.float32 \[2\]\)"),
        ({"positive": torch.ones(2, 1, dtype=torch.complex64)}, "positive of EdgeFactors must be floating"),
        ({"minus_scale": float("nan")}, "minus_scale of EdgeFactors must be at least 0"),
        ({"refusal": -0.5}, "refusal of EdgeFactors must be at least 0"),
    ],
)
def test_edge_factors_out_of_range(change: dict[str, Any], message: str) -> None:
    """Wherever they are given: sessions, catalogues, agents."""
    table = pd.DataFrame({"item_id": ["a"], "kind": ["x"]})
    graph = build_relational_graph(table, ["kind"])
    ones = torch.ones(2, 1)
    state = replace(EdgeFactors(ones, ones), **change)
    doors = [
        state.check,
        lambda: MagusSession(graph, [1.0], "plus", state=state),
        lambda: Catalogue(graph, "plus", state),
        lambda: MagusAgent(graph, ones, None, state),
        lambda: session_agent("plus", graph, ones, state=state),
    ]
    for door in doors:
        with pytest.raises(ConfigError, match=message):
            door()
    for bad in (BayesState(temperature=float("nan")), BayesState(error_rate=0.5)):
        for door in (lambda: MagusSession(graph, [1.0], "bayes", state=bad), lambda: Catalogue(graph, "bayes", bad)):  # noqa: B023
            with pytest.raises(ConfigError, match="bayes"):
                door()


def test_a_network() -> None:
    network = PolicyNetwork(3, 4, 5, 0).double()
    saved = network_tensors(network, "policy.")
    read = PolicyNetwork.of_tensors({**saved, "rate": torch.tensor(1.0)})
    assert all(torch.equal(value, read.state_dict()[key]) for key, value in network.state_dict().items())
    assert not any(value.requires_grad for value in read.parameters())
    name = next(iter(saved))
    for change in ({name: torch.full_like(saved[name], float("inf"))}, {name: saved[name][:-1]}):
        with pytest.raises(RunError, match="the policy of the run cannot be used"):
            PolicyNetwork.of_tensors({**saved, **change})
    with pytest.raises(RunError, match="the net cannot be used"):
        read_network(lambda own: PolicyNetwork(*own["size"].shape), {}, "net.", "the net")


def test_dialogues_say_what_was_not_fitted() -> None:
    entry = DIALOGUE_METHODS["bayes"]
    with pytest.raises(RunError, match="bayes was not fitted for dialogues in this run"):
        entry.read("bayes", {"bayes": BayesState().tensors()})
    state = DialogueBayesState(0.3)
    assert entry.read("bayes", {"ear_bayes": state.tensors()}) == state
    assert DIALOGUE_METHODS["items"].read("items", {}) is None


def test_values_are_told_in_words():
    state = BayesState(temperature=0.123456, error_rate=0.05, targets=2.0, rounds=(3, 5), user="noisy user")
    expected = (
        "temperature 0.1235, error rate 0.05, searched error 0.5, others 0, targets 2, click weight 0, discount 1, "
        "forgetting 0, told error 0.2, rounds 3 and 5, user noisy user"
    )
    assert f"{state}" == expected
    assert f"{BayesState()}".endswith("told error 0.2")
    assert f"{WeightForm(shrink=0.02)}" == "feature dot, shrink 0.02, shrink minus 0, minus scale 1, refusal 0"
    assert f"{WeightForm(raw=True)}" == "the dot products of Eq. (14) as printed"
