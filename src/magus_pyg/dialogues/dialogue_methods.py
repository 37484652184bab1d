"""The table of the agents that play EAR's protocol: how each is fitted, built and kept in a run folder."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from magus_pyg.agents.fitted_states import AgentState, FittedValues, Rules
from magus_pyg.dialogues.bayes_dialogues import DialogueBayesAgent
from magus_pyg.dialogues.dialogue_belief import DialogueBayesState
from magus_pyg.dialogues.dialogue_fitting import choose_minus_scale, fit_dialogue_bayes
from magus_pyg.dialogues.dialogue_options import EarSimulation
from magus_pyg.dialogues.dialogue_protocol import DialogueAgent
from magus_pyg.dialogues.dialogue_set import Dialogues
from magus_pyg.dialogues.magus_dialogues import DialogueMagusAgent
from magus_pyg.dialogues.simple_dialogues import DialogueItemsAgent, DialogueMaxEntropyAgent
from magus_pyg.errors import ConfigError, RunError, did_you_mean
from magus_pyg.options import at_least
from magus_pyg.training.progress import Progress

__all__ = ["DIALOGUE_METHODS", "DialogueMagusState", "DialogueMethod", "dialogue_method"]


@dataclass
class DialogueMagusState(FittedValues):
    """What MAGUS chooses on validation dialogues.

    Attributes:
        minus_scale: factor of the R- weights of the first guess.
    """

    rules: ClassVar[Rules] = {"minus_scale": at_least(0)}
    minus_scale: float = 1.0

    def __str__(self) -> str:
        return f"factor on R- {self.minus_scale}"


@dataclass(frozen=True)
class DialogueMethod:
    """One way to ask and show. Its name is that of the method of sessions (`agents.methods.METHODS`).

    Attributes:
        build: makes the agent from whether refusals count and what was fitted (None where nothing is).
        fit: learns that from (validation dialogues, scores [U, I], share of wrong answers, options, seed, progress).
        state: what is fitted.
        saved_as: how a run folder calls what was fitted.
    """

    build: Callable[[bool, FittedValues | None], DialogueAgent]
    fit: Callable[[Dialogues, Tensor, float, EarSimulation, int, Progress], FittedValues] | None = None
    state: type[FittedValues] | None = None
    saved_as: str = ""

    def read(self, name: str, states: Mapping[str, AgentState]) -> FittedValues | None:
        """What was fitted, from a run folder; RunError where it was not."""
        if self.state is None:
            return None
        if self.saved_as not in states:
            raise RunError(f"{name} was not fitted for dialogues in this run: add refit=true")
        return self.state.of_tensors(states[self.saved_as])


def _fit_magus(
    dialogues: Dialogues, scores: Tensor, noise: float, options: EarSimulation, seed: int, progress: Progress
) -> FittedValues:
    return DialogueMagusState(
        choose_minus_scale(
            dialogues, scores, noise, options.refusals,
            turns=options.rounds, list_length=options.list_length, seed=seed, progress=progress,
        )
    )  # fmt: skip


def _fit_bayes(
    dialogues: Dialogues, scores: Tensor, noise: float, options: EarSimulation, seed: int, progress: Progress
) -> FittedValues:
    return fit_dialogue_bayes(
        dialogues, scores, noise, options.refusals,
        turns=options.rounds, list_length=options.list_length, seed=seed, progress=progress,
    )  # fmt: skip


def _magus(refusals: bool, state: FittedValues | None) -> DialogueAgent:
    assert isinstance(state, DialogueMagusState)
    return DialogueMagusAgent(refusals, state.minus_scale)


def _bayes(refusals: bool, state: FittedValues | None) -> DialogueAgent:
    assert isinstance(state, DialogueBayesState)
    return DialogueBayesAgent(state, refusals)


#: All agents of dialogues by name, in the order in which they play.
DIALOGUE_METHODS: dict[str, DialogueMethod] = {
    "items": DialogueMethod(lambda refusals, state: DialogueItemsAgent()),
    "max_entropy": DialogueMethod(lambda refusals, state: DialogueMaxEntropyAgent(refusals)),
    "magus": DialogueMethod(_magus, _fit_magus, DialogueMagusState, "ear_magus"),
    "bayes": DialogueMethod(_bayes, _fit_bayes, DialogueBayesState, "ear_bayes"),
}


def dialogue_method(name: str) -> DialogueMethod:
    """The entry of an agent; ConfigError with the list of all where there is none."""
    if name not in DIALOGUE_METHODS:
        hint = did_you_mean(name, DIALOGUE_METHODS)
        raise ConfigError(f"simulation=ear has no agent {name!r}{hint}; there are {', '.join(DIALOGUE_METHODS)}")
    return DIALOGUE_METHODS[name]
