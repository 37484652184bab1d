"""The old name of `magus_pyg.dialogues`; every use warns. Goes with the next release."""

import warnings
from typing import Any

from magus_pyg import dialogues

#: Old name -> its name in `magus_pyg.dialogues`; names that are not here have not changed.
_RENAMED = {
    "EarAgent": "DialogueAgent",
    "EarBayesAgent": "DialogueBayesAgent",
    "EarBayesState": "DialogueBayesState",
    "EarItemsAgent": "DialogueItemsAgent",
    "EarMagusAgent": "DialogueMagusAgent",
    "MaxEntropyAgent": "DialogueMaxEntropyAgent",
    "fit_ear_bayes": "fit_dialogue_bayes",
    "target_log_likelihood": "dialogue_log_likelihood",
}


def __getattr__(name: str) -> Any:
    now = _RENAMED.get(name, name)
    if now not in dialogues.__all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    warnings.warn(f"magus_pyg.ear.{name} is now magus_pyg.dialogues.{now}", DeprecationWarning, stacklevel=2)
    return getattr(dialogues, now)
