"""EAR's protocol (reading 30): dialogues on a whole catalogue that ask one attribute or show items in each turn.

A user has one item in mind, of which one attribute is given. Each of 15 turns asks a binary question about an attribute
or shows 10 items; a shown target ends the dialogue. Success rate, average turns and hDCG come from the record table.

MAGUS's own sessions, with lists of items and queries, are in `simulation`.
"""

from magus_pyg.dialogues.bayes_dialogues import DialogueBayesAgent
from magus_pyg.dialogues.dialogue_belief import DialogueBayesState
from magus_pyg.dialogues.dialogue_fitting import (
    choose_minus_scale,
    dialogue_log_likelihood,
    fit_dialogue_bayes,
    fit_prior,
)
from magus_pyg.dialogues.dialogue_loop import DIALOGUE_COLUMNS, dialogue_views, play_dialogues
from magus_pyg.dialogues.dialogue_metrics import dialogue_metrics, summarize_dialogues
from magus_pyg.dialogues.dialogue_protocol import (
    Action,
    CandidateState,
    DialogueAgent,
    DialoguePlay,
    DialogueView,
    Reply,
)
from magus_pyg.dialogues.dialogue_set import Dialogues, attribute_matrix, build_dialogues, latest_dialogues
from magus_pyg.dialogues.dialogue_taste import KnownItems
from magus_pyg.dialogues.magus_dialogues import DialogueMagusAgent
from magus_pyg.dialogues.plan_value import PlanValue
from magus_pyg.dialogues.simple_dialogues import DialogueItemsAgent, DialogueMaxEntropyAgent

__all__ = [
    "DIALOGUE_COLUMNS",
    "Action",
    "CandidateState",
    "DialogueAgent",
    "DialogueBayesAgent",
    "DialogueBayesState",
    "DialogueItemsAgent",
    "DialogueMagusAgent",
    "DialogueMaxEntropyAgent",
    "DialoguePlay",
    "DialogueView",
    "Dialogues",
    "KnownItems",
    "PlanValue",
    "Reply",
    "attribute_matrix",
    "build_dialogues",
    "choose_minus_scale",
    "dialogue_log_likelihood",
    "dialogue_metrics",
    "dialogue_views",
    "fit_dialogue_bayes",
    "fit_prior",
    "latest_dialogues",
    "play_dialogues",
    "summarize_dialogues",
]
