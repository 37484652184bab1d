"""Learning from sessions (Algorithm 1, lines 14 and 16), with `magus.learn=per_session`.

When all users have played a session, what they answered to items is appended to the log (line 14): a clicked item as a
positive row, a shown one that was not clicked as a negative row. The base recommender is then fine-tuned on the new
rows and as many old ones (line 16), and the next sessions are played with it. Targets are never read: a target that was
not shown, or was shown below a click, is no positive row.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from magus_pyg.agents.context import AgentContext
from magus_pyg.agents.fitted_states import AgentState
from magus_pyg.data import ItemSets
from magus_pyg.models import BaseRecommender, Interactions, build_model
from magus_pyg.random import derive_seed
from magus_pyg.simulation import Agent, Play, Scorer, SessionView
from magus_pyg.training import TrainOptions
from magus_pyg.training.descent import Descent, seeded_generator
from magus_pyg.training.epochs import training_loss
from magus_pyg.training.learn_options import LearnOptions
from magus_pyg.training.loader import draw_batch, flatten_batch, resolve_negatives

__all__ = [
    "LearnOptions",
    "LearningAgent",
    "answered_items",
    "append_answers",
    "fine_tune",
    "learning_agent",
]

_REPLAY, _ORDER, _STEP = 0x61, 0x62, 0x63  # what a random number is for


def answered_items(answers: pd.DataFrame) -> tuple[Tensor, Tensor, Tensor]:
    """The items that users answered to: what H+ and H- gain by line 14 of Algorithm 1.

    Args:
        answers: rows of a record table; only `user`, `shown`, `kinds` and `clicked` are read.

    Returns:
        `(user, item, label)`, int64 [n] each, in the order in which they were shown; label 1 for a clicked item, 0 for
        one that was shown and not clicked. Item nodes are item indices.
    """
    lengths = answers["shown"].map(len).to_numpy(dtype=np.int64)
    if not lengths.sum():
        nothing = torch.zeros(0, dtype=torch.int64)
        return nothing, nothing.clone(), nothing.clone()
    node = np.concatenate(answers["shown"].to_list()).astype(np.int64)
    is_item = np.concatenate(answers["kinds"].to_list()) == "item"
    user, clicked = (np.repeat(answers[name].to_numpy(dtype=np.int64), lengths) for name in ("user", "clicked"))
    label = (node == clicked).astype(np.int64)
    return torch.from_numpy(user[is_item]), torch.from_numpy(node[is_item]), torch.from_numpy(label[is_item])


def append_answers(log: Interactions, answers: pd.DataFrame) -> Interactions:
    """The log with the answers of finished sessions as its last rows.

    Where the log has several kinds of action, new rows get the kind that is most frequent among those of their label.
    """
    user, item, label = answered_items(answers)
    action = None
    if log.action is not None:
        usual = [_most_frequent(log.action, log.label == value) for value in (0, 1)]
        action = torch.cat([log.action, torch.tensor(usual, dtype=torch.int64)[label]])
    joined = torch.cat([log.label, label.to(log.label.dtype)])
    return Interactions(
        torch.cat([log.user, user]), torch.cat([log.item, item]), joined, log.ordered, action, log.actions
    )


def _most_frequent(action: Tensor, of: Tensor) -> int:
    """The most frequent kind of action among some rows, of all rows if there are none."""
    chosen = action[of] if bool(of.any()) else action
    return int(torch.bincount(chosen).argmax()) if chosen.numel() else 0


def fine_tune(
    model: BaseRecommender,
    graph: HeteroData,
    log: Interactions,
    n_new: int,
    train: TrainOptions,
    options: LearnOptions,
    seed: int,
) -> BaseRecommender:
    """A copy of a model that knows the new rows of a log and is trained a little on them.

    The copy is built anew with the whole log, so that histories and graphs hold the new rows too, and starts from the
    model's weights. It is trained as the model was: cross-entropy, L2 by `train.weight_decay`, and sampled negatives.

    Args:
        model: a trained base recommender; it stays as it is.
        graph: the relational graph.
        log: the rows, new ones last.
        n_new: the number of new rows.
        train: how the model was trained.
        options: how it is fine-tuned.
        seed: of the replayed rows, the order, the negatives and the dropout.

    Raises:
        ModelError: a loss that is not finite.
    """
    copy = build_model(model.options, model.features, graph, log, model.seed)
    copy.load_state_dict(model.state_dict())
    copy.to(model.device)
    copy.observe(log)
    if copy.trainable and n_new and options.epochs:
        _train(copy, log, n_new, train, options, seed)
    return copy.eval()


def _train(
    model: BaseRecommender, log: Interactions, n_new: int, train: TrainOptions, options: LearnOptions, seed: int
) -> None:
    known = ItemSets.from_pairs(log.user, log.item, model.features.n_users, model.features.n_items)
    negatives = resolve_negatives(train.negatives, log)
    past = log.earlier_positives()
    n_old = len(log) - n_new
    optimizer = torch.optim.Adam(model.parameters(), lr=options.lr)
    descent = Descent("the loss of learning from sessions", optimizer, "lower learning.lr")

    def losses(epoch: int) -> Iterator[Tensor]:
        old = _shuffled(n_old, seed, epoch, _REPLAY)[: round(options.replay * n_new)]
        rows = torch.cat([torch.arange(n_old, len(log)), old])
        rows = rows[_shuffled(len(rows), seed, epoch, _ORDER)]
        for step, chosen in enumerate(torch.split(rows, options.batch_size)):
            batch = flatten_batch(draw_batch(log, past, chosen, known, seed, epoch, negatives))
            batch = type(batch)(*(column.to(model.device) for column in batch))
            with _seeded(derive_seed(seed, epoch, step, _STEP)):
                loss, _ = training_loss(model.training_terms(batch), batch.label, train.weight_decay)
            yield loss

    model.train()
    for epoch in range(options.epochs):
        descent.epoch(epoch, losses(epoch))


def _shuffled(count: int, *keys: int) -> Tensor:
    return torch.randperm(count, generator=seeded_generator(*keys))


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Torch's generators seeded for a step, and put back."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        yield


class LearningAgent:
    """An agent whose base recommender learns from the answers of finished sessions (a `simulation.Learner`).

    Args:
        make: makes the agent for a base recommender.
        model: the trained base recommender, with which every play begins; it stays as it is.
        graph: the relational graph.
        log: the rows it was trained on.
        train: how it was trained.
        options: how it is fine-tuned; the defaults if None.
        seed: of the fine-tuning.
        history: the rows that users have when the sessions begin (`TrainingData.before`); `log` if None.
    """

    def __init__(
        self,
        make: Callable[[BaseRecommender], Agent],
        model: BaseRecommender,
        graph: HeteroData,
        log: Interactions,
        train: TrainOptions | None = None,
        options: LearnOptions | None = None,
        seed: int = 0,
        history: Interactions | None = None,
    ) -> None:
        self.first_history = log if history is None else history
        self.make, self.model, self.graph, self.first_log = make, model, graph, log
        self.train, self.options, self.seed = train or TrainOptions(), options or LearnOptions(), seed
        self.first = make(model)
        self.name = self.first.name
        self.restart()

    def __repr__(self) -> str:
        return f"LearningAgent({self.first!r}, {self.options})"

    def __getstate__(self) -> dict[str, Any]:
        """What another process plays with; it does not learn."""
        return {name: getattr(self, name) for name in ("name", "graph", "scorer", "agent")}

    def restart(self) -> None:
        """Forget what was learned from sessions."""
        self.log, self.base, self.agent, self.learned = self.first_log, self.model, self.first, 0
        self.history = self.first_history
        self.scorer: Scorer | Tensor = self.base

    def learn(self, answers: pd.DataFrame) -> None:
        """Append the answers to the log (Algorithm 1, line 14) and fine-tune the base recommender (line 16).

        Raises:
            ModelError: a loss that is not finite.
        """
        before = len(self.log)
        self.log = append_answers(self.log, answers)
        self.learned += 1
        seed = derive_seed(self.seed, self.learned)
        n_new = len(self.log) - before
        self.history = append_answers(self.history, answers)
        learned = fine_tune(self.base, self.graph, self.log, n_new, self.train, self.options, seed)
        self.base = learned.with_history(self.history)
        self.scorer, self.agent = self.base, self.make(self.base)

    def start(self, view: SessionView) -> Play:
        """Begin B sessions with what was learned so far."""
        return self.agent.start(view)


def learning_agent(
    build: Callable[[AgentContext, AgentState], Agent],
    context: AgentContext,
    state: AgentState,
    options: LearnOptions | None = None,
) -> LearningAgent:
    """An agent of the pipeline that learns between sessions.

    Args:
        build: makes the agent from a context and what was fitted (`Method.build`).
        context: of the run, with its rows.
        state: what the agent has fitted; it stays, whatever the base recommender learns.
        options: how the base recommender is fine-tuned; the defaults if None.
    """
    assert context.rows is not None, "learning needs the rows of the log"
    quiet = replace(context, say=lambda message: None)

    def make(model: BaseRecommender) -> Agent:
        return build(context if model is context.model else replace(quiet, model=model), state)

    rows = context.rows()
    made_of = (make, context.model, context.graph, rows.train, context.train, options, context.seed)
    return LearningAgent(*made_of, history=rows.before(context.simulation.part))
