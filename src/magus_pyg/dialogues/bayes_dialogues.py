"""The Bayesian agent of EAR's protocol: asks or shows, whichever is worth more for the turns left."""

import logging
import math

import torch
from torch import Tensor

from magus_pyg.agents.bayes.belief import LEAST_ERROR
from magus_pyg.dialogues.dialogue_belief import BeliefSums, DialogueBayesState, SumsByGroup, prior_logits
from magus_pyg.dialogues.dialogue_protocol import Action, DialoguePlay, DialogueView, Reply, take_out
from magus_pyg.dialogues.plan_value import PlanValue

__all__ = ["DialogueBayesAgent"]

logger = logging.getLogger(__name__)

# An answer that leaves less than this share of the belief contradicts the answers before it.
_CONTRADICTION = 1e-6


class DialogueBayesAgent:
    """Keeps a probability for each candidate and takes the action of the highest value (one step of look-ahead).

    With n turns left, this one included, u the belief and W the value of `PlanValue`:

        ask q:   P(yes) W(n - 1, u given yes) + P(no) W(n - 1, u given no)
        show:    P(one of the best N) (1 + speed (n - 1)/K) + P(none of them) W(n - 1, u without them)

    An answer multiplies the belief of an item by 1 - e if it fits and by e if not. The first of equal values counts,
    attributes before showing. In the last turn items are shown.

    Args:
        state: what was fitted; the defaults if None.
        refusals: whether a No is evidence. If not, both the belief and the plan take it to change nothing.
    """

    name = "bayes"

    def __init__(self, state: DialogueBayesState | None = None, refusals: bool = True) -> None:
        self.state = (state or DialogueBayesState()).check()
        self.refusals = refusals
        self.warned = False
        self._plans: dict[tuple[int, int, int], PlanValue] = {}

    def __repr__(self) -> str:
        return f"DialogueBayesAgent({self.state}, refusals={self.refusals})"

    def start(self, view: DialogueView) -> DialoguePlay:
        """Begin B dialogues."""
        return _BayesDialogues(self, view)

    def plan(self, view: DialogueView) -> PlanValue:
        """The table of values for dialogues of this length, made once."""
        largest = math.ceil(math.log2(max(2, len(view.items))))
        key = (view.turns, view.list_length, largest)
        if key not in self._plans:
            self._plans[key] = PlanValue(view.turns, view.list_length, self.state.bits, self.state.speed, largest)
        return self._plans[key]


class _BayesDialogues:
    """`belief` float64 [B, C] sums to 1 (0 where nothing is left); `logit` is its unnormalised logarithm."""

    def __init__(self, agent: DialogueBayesAgent, view: DialogueView) -> None:
        self.agent, self.state, self.refusals, self.view = agent, agent.state, agent.refusals, view
        self.plan = agent.plan(view)
        self.sums = SumsByGroup(view)
        self.error = max(self.state.error_rate, LEAST_ERROR)
        self.logit = prior_logits(view, self.state)
        self.left = view.allowed.clone()
        self.asked = torch.zeros((len(view.key), view.has.shape[1]), dtype=torch.bool, device=view.has.device)
        self.asked[:, view.given] = True

    def act(self, turn: int) -> Action:
        left = self.view.turns - turn + 1
        size = min(self.view.list_length, self.logit.shape[1])
        best = self.logit.topk(size, dim=1)
        show = torch.where(best.values > -torch.inf, best.indices, -1)
        show = torch.nn.functional.pad(show, (0, self.view.list_length - size), value=-1)
        ask = torch.full((len(show),), -1, dtype=torch.int64, device=show.device)
        if left > 1 and self.asked.shape[1]:
            belief = torch.nan_to_num(torch.softmax(self.logit, 1), nan=0.0)
            asking, showing = self.ask_values(belief, left), self.show_value(belief, best.indices, left)
            top = asking.max(1, keepdim=True).values
            word = (asking >= top - 1e-9).to(torch.int8).argmax(1)  # the first of equals, whatever the rounding
            asks = (top.squeeze(1) >= showing - 1e-9) & (top.squeeze(1) > -torch.inf)
            ask = torch.where(asks, word, ask)
            show = torch.where(asks.unsqueeze(1), -1, show)
        return Action(ask, show)

    def ask_values(self, belief: Tensor, left: int) -> Tensor:
        """[B, W]: the value of asking each attribute; -inf where it was asked or all items give the same answer."""
        whole, inside = self.sums(belief)
        outside = whole - inside
        wrong = self.error
        yes = inside.times(1.0 - wrong) + outside.times(wrong)
        no = inside.times(wrong) + outside.times(1.0 - wrong)
        value = yes.mass * self.plan(left - 1, *yes.entropies())
        after_no = no if self.refusals else whole
        value = value + no.mass * self.plan(left - 1, *after_no.entropies())
        splits = (inside.mass > 1e-12) & (outside.mass > 1e-12) & ~self.asked
        return torch.where(splits, value, -torch.inf)

    def show_value(self, belief: Tensor, best: Tensor, left: int) -> Tensor:
        """[B]: the value of showing the items `best`."""
        found = belief.gather(1, best).sum(1)
        rest = belief.scatter(1, best, 0.0)
        mass, item = self.sums.by_group(rest)
        sums = BeliefSums(mass.sum(1), item.sum(1), torch.special.xlogy(mass, mass).sum(1))
        return found * self.plan.success(left) + sums.mass * self.plan(left - 1, *sums.entropies())

    def update(self, reply: Reply) -> None:
        self.left = take_out(self.left, reply.show)
        row = torch.nonzero(reply.ask >= 0).flatten()
        word = reply.ask[row]
        self.asked[row, word] = True
        fits = self.view.has.T[word] == reply.yes[row].unsqueeze(1)
        right, wrong = (self.logit.new_tensor(math.log(p)) for p in (1.0 - self.error, self.error))
        evidence = torch.where(fits, right, wrong)
        if not self.refusals:
            evidence = torch.where(reply.yes[row].unsqueeze(1), evidence, 0.0)
        updated = self.logit[row] + evidence
        if not self.agent.warned and _rule_out(self.logit[row], updated):
            logger.info(
                "%s: answers of a dialogue contradict each other: its belief goes by the error rate", self.agent.name
            )
            self.agent.warned = True
        self.logit[row] = updated
        self.logit = torch.where(self.left, self.logit, -torch.inf)

    def keep(self, rows: Tensor) -> None:
        self.logit, self.left, self.asked = self.logit[rows], self.left[rows], self.asked[rows]


def _rule_out(before: Tensor, after: Tensor) -> bool:
    """Whether an answer takes nearly all belief of a dialogue in which something was left: logits [K, C]."""
    lost = torch.logsumexp(after, 1) < torch.logsumexp(before, 1) + math.log(_CONTRADICTION)
    return bool(lost.any())
