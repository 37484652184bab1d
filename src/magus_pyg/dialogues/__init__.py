"""EAR's protocol (reading 30): dialogues on a whole catalogue that ask one attribute or show items in each turn.

A user has one item in mind, of which one attribute is given. Each of 15 turns asks a binary question about an attribute
or shows 10 items; a shown target ends the dialogue. Success rate, average turns and hDCG come from the record table.
"""

from magus_pyg.dialogues.bayes_dialogues import EarBayesAgent
from magus_pyg.dialogues.dialogue_belief import EarBayesState
from magus_pyg.dialogues.dialogue_fitting import choose_minus_scale, fit_ear_bayes, fit_prior, target_log_likelihood
from magus_pyg.dialogues.dialogue_loop import DIALOGUE_COLUMNS, dialogue_views, play_dialogues
from magus_pyg.dialogues.dialogue_metrics import dialogue_metrics, summarize_dialogues
from magus_pyg.dialogues.dialogue_protocol import Action, CandidateState, DialoguePlay, DialogueView, EarAgent, Reply
from magus_pyg.dialogues.dialogue_set import Dialogues, attribute_matrix, build_dialogues, latest_dialogues
from magus_pyg.dialogues.magus_dialogues import EarMagusAgent
from magus_pyg.dialogues.plan_value import PlanValue
from magus_pyg.dialogues.simple_dialogues import EarItemsAgent, MaxEntropyAgent

__all__ = [
    "DIALOGUE_COLUMNS",
    "Action",
    "CandidateState",
    "DialoguePlay",
    "DialogueView",
    "Dialogues",
    "EarAgent",
    "EarBayesAgent",
    "EarBayesState",
    "EarItemsAgent",
    "EarMagusAgent",
    "MaxEntropyAgent",
    "PlanValue",
    "Reply",
    "attribute_matrix",
    "build_dialogues",
    "choose_minus_scale",
    "dialogue_metrics",
    "dialogue_views",
    "fit_ear_bayes",
    "fit_prior",
    "latest_dialogues",
    "play_dialogues",
    "summarize_dialogues",
    "target_log_likelihood",
]
