"""`magus_pyg.ear`, the old name of `magus_pyg.dialogues`: every name of release 0.1.0 is there, and warns."""

import pytest

from magus_pyg import dialogues, ear

OLD = {
    "EarAgent": "DialogueAgent",
    "EarBayesAgent": "DialogueBayesAgent",
    "EarBayesState": "DialogueBayesState",
    "EarItemsAgent": "DialogueItemsAgent",
    "EarMagusAgent": "DialogueMagusAgent",
    "MaxEntropyAgent": "DialogueMaxEntropyAgent",
    "fit_ear_bayes": "fit_dialogue_bayes",
    "target_log_likelihood": "dialogue_log_likelihood",
} | {
    name: name
    for name in (
        "DIALOGUE_COLUMNS", "Action", "CandidateState", "DialoguePlay", "DialogueView", "Dialogues", "PlanValue",
        "Reply", "attribute_matrix", "build_dialogues", "choose_minus_scale", "dialogue_metrics", "dialogue_views",
        "fit_prior", "latest_dialogues", "play_dialogues", "summarize_dialogues",
    )
}  # fmt: skip


@pytest.mark.parametrize("name", OLD)
def test_an_old_name_is_the_new_one_and_warns(name: str) -> None:
    with pytest.warns(DeprecationWarning, match=rf"magus_pyg\.ear\.{name} is now magus_pyg\.dialogues\.{OLD[name]}"):
        found = getattr(ear, name)
    assert found is getattr(dialogues, OLD[name])


def test_a_name_that_never_was() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'DialogueMagus'"):
        _ = ear.DialogueMagus
