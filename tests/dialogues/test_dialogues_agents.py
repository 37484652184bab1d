"""The agents of EAR's protocol on dialogues worked by hand."""

import logging
import math

import pandas as pd
import pytest
import torch
from small_catalogue import dialogues

from magus_pyg.agents.rivals.belief_lists import binary_entropy
from magus_pyg.dialogues import (
    DialogueAgent,
    DialogueBayesAgent,
    DialogueBayesState,
    DialogueItemsAgent,
    DialogueMagusAgent,
    DialogueMaxEntropyAgent,
    DialogueView,
    PlanValue,
    Reply,
    dialogue_views,
    play_dialogues,
)
from magus_pyg.dialogues.dialogue_belief import SumsByGroup, prior_logits
from magus_pyg.errors import ConfigError
from magus_pyg.random import hash_keys, uniform

# The candidates with attribute 0 are the items 0 {0 1}, 1 {0 2}, 4 {0 1 2}, 5 {0}; user 0 knows item 2 {0}.
SCORES = torch.tensor([[5.0, 4.0, 3.0, 2.0, 1.0, 0.0]])


def view_of(scores: torch.Tensor = SCORES, turns: int = 4, list_length: int = 1) -> DialogueView:
    return next(iter(dialogue_views(dialogues(target=1), scores, turns, list_length)))[1]


def actions(log: pd.DataFrame) -> list["int | list[int]"]:
    """What was asked or shown, turn by turn."""
    return [asked if asked >= 0 else shown for asked, shown in zip(log["asked"], log["shown"], strict=True)]


def test_items_by_hand() -> None:
    log = play_dialogues(DialogueItemsAgent(), dialogues(target=5), SCORES, turns=3, list_length=3)
    assert actions(log) == [[0, 1, 4], [5]]
    assert log["position"].tolist() == [0, 1]


def test_nothing_left_to_show_or_ask() -> None:
    # The target is the only candidate that is not known in the end; a list may be shorter, and empty ones do no harm.
    agent = DialogueBayesAgent()
    play = agent.start(view_of())
    play.update(Reply(torch.tensor([-1]), torch.tensor([[0, 1, 3, 4]]), torch.tensor([False])))
    for turn in (2, 4):
        action = play.act(turn)
        assert (action.ask.tolist(), action.show.tolist()) == ([-1], [[-1]])


def seed_where(shows: list[bool], share: list[float]) -> int:
    """A seed for which the first turns of dialogue 0 recommend as asked for, with these probabilities."""
    for seed in range(10_000):
        key = hash_keys(seed, torch.tensor([0]))
        if [float(uniform(key, 0x63, turn + 1)) < p for turn, p in enumerate(share)] == shows:
            return seed
    raise AssertionError("no such seed")


def test_max_entropy_by_hand() -> None:
    # Four candidates, a list of one: shown with probability 1/4. Attributes 1 and 2 halve them; the first is asked.
    seed = seed_where([False, False, True], [1 / 4, 1 / 2, 1.0])
    log = play_dialogues(DialogueMaxEntropyAgent(), dialogues(target=1), SCORES, 4, 1, seed=seed)
    assert actions(log) == [1, 2, [1]]  # No to 1 leaves 1 and 5, Yes to 2 leaves 1
    seed = seed_where([True, False, False], [1 / 4, 1 / 3, 1 / 2])
    log = play_dialogues(DialogueMaxEntropyAgent(), dialogues(target=1), SCORES, 4, 1, seed=seed)
    # Without item 0, shown and refused, 1, 4 and 5 are left: attribute 1 has a third of them, 2 has two thirds.
    assert actions(log)[:2] == [[0], 1]


def test_max_entropy_lets_a_refusal_pass() -> None:
    seed = seed_where([False, False, False], [1 / 4, 1 / 4, 1 / 2])
    log = play_dialogues(DialogueMaxEntropyAgent(refusals=False), dialogues(target=1), SCORES, 4, 1, seed=seed)
    # The No to 1 rules nothing out; the Yes to 2 leaves 1 and 4, and no attribute is left to ask.
    assert actions(log) == [1, 2, [1]]


def test_binary_entropy() -> None:
    share = torch.tensor([0.0, 0.25, 0.5, 1.0], dtype=torch.float64)
    expected = [0, 0.25 * 2 + 0.75 * math.log2(4 / 3), 1, 0]
    assert binary_entropy(share).tolist() == pytest.approx(expected)


def test_magus_by_hand() -> None:
    # Eq. (2): items 0, 1, 4, 5 score 1, 0.8, 0.2, 0 in all 2. Eq. (4): attribute 1 has 2·1.2 - 2 = 0.4, attribute 2 has
    # 2·1 - 2 = 0 (and what was given 2, which plays no part): item 0 is the best node.
    agent = DialogueMagusAgent()
    play = agent.start(view_of(list_length=2))
    assert play.y.tolist() == [pytest.approx([1, 0.8, 0, 0.2, 0, 2, 0.4, 0])]  # type: ignore[attr-defined]
    log = play_dialogues(agent, dialogues(target=1), SCORES, 4, 2)
    assert actions(log) == [[0, 1]]


def test_magus_without_minus_by_hand() -> None:
    # Without R- attribute 1 has 1.2 and attribute 2 has 1. Scaled by Eq. (6), items have 0.83, 0.67, 0.17, 0.
    log = play_dialogues(DialogueMagusAgent(minus_scale=0.0), dialogues(target=1), SCORES, 4, 2)
    # No to 1: items 1 and 5 fit, the best has 0.67, attribute 2 has 0.83. Yes to 2: item 1 alone fits; of the others
    # item 4 has risen by 1 and the rest have fallen by 1.
    assert actions(log) == [1, 2, [1, 4]]
    # Where refusals rule nothing out, item 0 has 0.83 as well, and an item wins over an equal attribute.
    log = play_dialogues(DialogueMagusAgent(False, 0.0), dialogues(target=1), SCORES, 4, 2)
    assert actions(log) == [1, [0, 1]]


def test_the_prior_by_hand() -> None:
    state = DialogueBayesState(temperature=2.0, given_power=1.0, popularity=0.5, unknown=-1.0)
    logit = prior_logits(view_of(), state)[0].tolist()
    # Item 1: 4/2 - ln 2 words, known to nobody: -1. Item 2 is known to user 0.
    assert logit[:2] == pytest.approx([2.5 - math.log(2) - 1, 2 - math.log(2) - 1])
    assert logit[2] == -math.inf
    everyone = prior_logits(view_of(), DialogueBayesState(popularity=0.5))[0]
    assert everyone[0] == pytest.approx(5 - math.log(2))


def test_sums_of_belief_by_hand() -> None:
    # Items 2 and 5 have the same attributes: one group.
    belief = torch.tensor([[0.25, 0.25, 0.125, 0.25, 0.125]], dtype=torch.float64)
    whole, inside = SumsByGroup(view_of())(belief)
    groups, within = whole.entropies()
    assert (float(groups), float(within)) == pytest.approx((2, 0.25))  # four groups of 1/4; one bit within the last
    assert inside.mass.tolist() == [pytest.approx([1, 0.5, 0.5])]
    outside = whole - inside
    groups, within = outside.entropies()  # without attribute 1: items 1 (1/2), 2 and 5 (1/4 each)
    assert (float(groups[0, 1]), float(within[0, 1])) == pytest.approx((1, 0.5))
    mixed = inside.times(0.9) + outside.times(0.1)
    weights = torch.tensor([0.225, 0.025, 0.0125, 0.225, 0.0125], dtype=torch.float64) * 2
    groups, within = mixed.entropies()
    assert float(groups[0, 1] + within[0, 1]) == pytest.approx(-float((weights * weights.log2()).sum()))


def test_plan_values_by_hand() -> None:
    plan = PlanValue(turns=3, list_length=2, bits=1.0, speed=0.0, largest=4)
    bits = torch.tensor([0.0, 1.0, 2.0, 3.0], dtype=torch.float64)
    none = torch.zeros_like(bits)
    assert plan(0, bits, none).tolist() == [0, 0, 0, 0]
    assert plan(1, bits, none).tolist() == pytest.approx([1, 1, 1 / 2, 1 / 4])
    assert plan(2, bits, none).tolist() == pytest.approx([1, 1, 1, 1 / 2])  # 8 items: two lists, or one of 4 left
    # 8 items, 3 turns: three lists find 6/8, a question and two lists find 4 of 4. Within groups nothing helps.
    assert plan(3, bits, none).tolist() == pytest.approx([1, 1, 1, 1])
    assert plan(3, none, bits).tolist() == pytest.approx([1, 1, 1, 3 / 4])
    # With speed 1 success in the first of 3 turns is worth 1 + 2/3, in the second 1 + 1/3.
    fast = PlanValue(turns=3, list_length=2, bits=1.0, speed=1.0, largest=4)
    assert float(fast(3, bits[2:3], none[:1])) == pytest.approx(1 / 2 * (5 / 3) + 1 / 2 * (4 / 3))
    # Between two entries of the table, a tenth of a bit apart, the value is a straight line.
    middle = torch.tensor([2.05], dtype=torch.float64)
    assert float(plan(1, middle, none[:1])) == pytest.approx((1 / 2 + 2**-1.1) / 2)


def test_bayes_asks_where_it_pays() -> None:
    # Four equally likely items, three turns, lists of one: a question leaves two items for two turns (value 1),
    # showing finds 1/4 and leaves three items for two turns (about 3/4 in all).
    state = DialogueBayesState(given_power=0.0, bits=1.0, speed=0.0)
    log = play_dialogues(DialogueBayesAgent(state), dialogues(target=5), torch.zeros(1, 6), turns=3, list_length=1)
    assert actions(log) == [1, [1], [5]]
    # With weights 0.4, 0.4, 0.1, 0.1 and two turns: asking 1 leaves weights of 4 to 1, 0.72 bits, worth 0.61; showing
    # finds 0.4, and leaves 1.25 bits, worth 0.4 + 0.6·0.42 = 0.65.
    scores = torch.tensor([[0.4, 0.4, 1.0, 1.0, 0.1, 0.1]]).log()
    log = play_dialogues(DialogueBayesAgent(state), dialogues(target=1), scores, turns=2, list_length=1)
    assert actions(log) == [[0], [1]]


def test_bayes_weighs_what_was_given() -> None:
    # Item 5 has one attribute, so it was given for sure; item 4 has three.
    log = play_dialogues(DialogueBayesAgent(), dialogues(target=4), torch.zeros(1, 6), turns=1, list_length=4)
    assert actions(log) == [[5, 0, 1, 4]]


@pytest.mark.parametrize(
    "agent", [DialogueBayesAgent(), DialogueMagusAgent(), DialogueMaxEntropyAgent(), DialogueItemsAgent()], ids=repr
)
def test_contradictory_answers(agent: DialogueAgent, caplog: pytest.LogCaptureFixture) -> None:
    # No candidate is left that has attributes 1 and 2 (item 4 is known here).
    view = next(iter(dialogue_views(dialogues(target=1, known=4), SCORES, 5, 2)))[1]
    play = agent.start(view)
    nothing = torch.full((1, 2), -1)
    with caplog.at_level(logging.INFO):
        for word in (1, 2):
            play.update(Reply(torch.tensor([word]), nothing, torch.tensor([True])))
    action = play.act(3)
    assert action.ask.tolist() == [-1]
    assert action.show.tolist() == [[0, 1]]  # one contradiction each; item 2 and item 5 have two
    if isinstance(agent, DialogueBayesAgent):
        assert caplog.text.count("bayes: answers of a dialogue contradict each other") == 1
        belief = torch.softmax(play.logit, 1)  # type: ignore[attr-defined]
        assert belief.tolist() == [pytest.approx([1 / (1 + math.exp(-1)), 1 / (1 + math.e), 0, 0, 0], abs=1e-6)]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"error_rate": 0.5}, r"error_rate must be in \[0, 0.5\) \(got 0.5\): at 0.5 an answer says nothing"),
        ({"error_rate": -0.1}, r"error_rate must be in \[0, 0.5\)"),
        ({"temperature": 0.0}, "temperature must be above 0"),
        ({"bits": 0.0}, r"bits must be in \(0, 1\]"),
        ({"speed": -1.0}, "speed must be at least 0"),
        ({"unknown": math.nan}, "unknown must be a finite number"),
    ],
)
def test_states_out_of_range(values: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        DialogueBayesAgent(DialogueBayesState(**values))


def test_magus_scale_out_of_range() -> None:
    with pytest.raises(ConfigError, match=r"minus_scale must be at least 0 \(got -1"):
        DialogueMagusAgent(minus_scale=-1)
