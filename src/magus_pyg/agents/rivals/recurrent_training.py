"""How `recurrent` learns: it plays training sessions, and after every round says what would be clicked next."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F
from torch_geometric.data import HeteroData

from magus_pyg.agents.judging import Judge
from magus_pyg.agents.rivals.base_features import BaseFeatures
from magus_pyg.agents.rivals.recurrent_agent import RecurrentAgent, RecurrentNetwork, RecurrentPlay
from magus_pyg.agents.rivals.rival_options import RecurrentAgentOptions
from magus_pyg.agents.rivals.rollout import TrainingSessions, play_batch
from magus_pyg.simulation.prepare import PreparedBatch
from magus_pyg.simulation.protocol import Scorer
from magus_pyg.training.averaging import RunningAverage
from magus_pyg.training.descent import Descent, seeded_generator, train_epochs
from magus_pyg.training.progress import Progress, unseen
from magus_pyg.training.stopping import EarlyStopping

__all__ = ["fit_recurrent", "round_loss"]

_ORDER, _HELD_OUT = 0x4EC1, 0x4EC2  # what a random number is for
_AVERAGING = 0.02
_OFFSETS = (-30.0, -4.0, -3.0, -2.5, -2.0, -1.5, -1.0, -0.5, 0.0)
"""What a click on a query is worth beside one on an item, as a log; at -30 queries come after all items."""
_TRUSTS = (1.0, 0.5, 0.0)


def round_loss(play: RecurrentPlay, targets: Tensor, going: Tensor, query_weight: float) -> tuple[Tensor, Tensor]:
    """What the present state fails to say about the session, before its next list.

    For each target item not shown, the negative log of its share among the items left, averaged over targets; and the
    binary cross-entropy of "is part of a target", averaged over the queries left.

    Args:
        play: the running sessions.
        targets: int64 [B, D], how many targets contain each node.
        going: bool [B], sessions that count.
        query_weight: of the second part.

    Returns:
        The sum over the sessions that count, and their number.
    """
    nodes, free, logit = play.nodes, play.free(), play.logits()
    wanted = (targets > 0) & free
    items = wanted & nodes.is_item
    log_share = play.click_log_probability(logit).to(logit.dtype)
    of_items = -torch.where(items, log_share, 0.0).sum(1) / items.sum(1).clamp(min=1)
    queries = free & ~nodes.is_item
    wrong = F.binary_cross_entropy_with_logits(logit, wanted.to(logit.dtype), reduction="none")
    of_queries = torch.where(queries, wrong, 0.0).sum(1) / queries.sum(1).clamp(min=1)
    counts = going & items.any(1)
    return torch.where(counts, of_items + query_weight * of_queries, 0.0).sum(), counts.sum()


def fit_recurrent(
    graph: HeteroData,
    scorer: Scorer | Tensor,
    features: BaseFeatures,
    sessions: TrainingSessions,
    judge: Judge,
    temperatures: tuple[float, float],
    options: RecurrentAgentOptions | None = None,
    seed: int = 0,
    offsets: Sequence[float] = _OFFSETS,
    progress: Progress = unseen,
) -> tuple[RecurrentAgent, list[dict[str, float]]]:
    """Train a `RecurrentAgent`.

    Lists in training are the agent's own with noise, and in each session queries are as a whole ranked higher or lower,
    so that what the offset will ask for has been seen. Training stops when the loss on validation sessions rises; the
    offset and trust are those with the best objective there.

    Args:
        graph, scorer, features: as for the agent.
        sessions: training sessions with out-of-fold scores.
        judge: on validation sessions. Without any, all epochs are played, the offset is 0 and the trust 1.
        temperatures: of the base scores of the training sessions, and of all others.
        options: how to train.
        seed: of weights, order and noise.
        offsets: what is tried.
        progress: shows how many epochs are over, then how many choices are tried.

    Returns:
        The agent, and a row for each epoch (epoch, loss, validation_loss) and each choice (offset, trust, objective and
        more).

    Raises:
        ModelError: a loss that is not finite.
    """
    options = options or RecurrentAgentOptions()
    network = RecurrentNetwork(features.size, options.hidden, options.feedback, options.rank, seed)
    learner = RecurrentAgent(graph, scorer, features, network, temperatures[0])
    held_out = RecurrentAgent(graph, scorer, features, network, temperatures[1])
    optimizer = torch.optim.Adam(network.parameters(), lr=options.lr, weight_decay=options.weight_decay)
    average = RunningAverage(network, _AVERAGING)
    held_out.network = average.average
    steps = options.epochs * min(options.steps, len(sessions.prepared.batches))
    falling = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1.0 - step / steps)
    after = (falling.step, average.update)
    descent = Descent("the loss of recurrent", optimizer, "lower rivals.recurrent.lr", clip=1.0, after=after)
    rows: list[dict[str, float]] = []

    def losses(epoch: int) -> Iterator[Tensor]:
        generator = seeded_generator(seed, _ORDER, epoch)
        for batch, rounds in sessions.epoch(generator, options.steps):
            yield _play(learner, sessions, batch, rounds, options.query_weight, generator)

    def held_out_loss(epoch: int, loss: float) -> float:
        found = _held_out_loss(held_out, sessions, judge, options, seed) if len(judge.sessions) else -float(epoch)
        rows.append({"epoch": epoch + 1.0, "loss": loss, "validation_loss": found})
        progress(epoch + 1, options.epochs, f"epochs, validation loss {found:.4f}")
        return found

    stopping = EarlyStopping(options.patience, maximise=False)
    epochs = range(options.epochs)
    progress(0, options.epochs, "epochs")
    best = train_epochs(descent, losses, epochs, held_out_loss, stopping, average.frozen, average.frozen())

    def agent(offset: float, trust: float) -> RecurrentAgent:
        return RecurrentAgent(graph, scorer, features, best, temperatures[1], offset, trust)

    if not len(judge.sessions):
        return agent(0.0, 1.0), rows
    choices = [(offset, trust) for trust in _TRUSTS for offset in offsets]
    tried = []
    for done, (offset, trust) in enumerate(choices):
        progress(done, len(choices), "choices tried")
        tried.append((judge(agent(offset, trust)), offset, trust))
    rows += [{"offset": offset, "trust": trust, **values} for values, offset, trust in tried]
    _, offset, trust = max(tried, key=lambda entry: entry[0]["objective"])
    return agent(offset, trust), rows


def _play(
    agent: RecurrentAgent,
    sessions: TrainingSessions,
    batch: PreparedBatch,
    rounds: int,
    query_weight: float,
    generator: torch.Generator,
) -> Tensor:
    """The mean loss over the rounds of a batch of sessions."""
    view = sessions.view(batch, rounds)
    play = agent.start(view)
    draw = torch.rand(play.prior.shape, generator=generator, dtype=torch.float64).clamp(1e-12, 1.0 - 1e-12)
    level = torch.empty((len(view.user), 1), dtype=torch.float64).uniform_(-5.0, 0.5, generator=generator)
    play.noise = torch.where(play.nodes.is_item, 0.0, level) - 0.5 * torch.log(-torch.log(draw))
    totals, counts = [], []

    def note(going: Tensor, of_slot: Tensor) -> None:
        slot = play.nodes.slot
        targets = of_slot.gather(1, slot.clamp(min=0)) if slot.shape[1] else slot
        total, count = round_loss(play, targets, going, query_weight)
        totals.append(total)
        counts.append(count)

    play_batch(play, view, batch, sessions.user, note)
    return torch.stack(totals).sum() / torch.stack(counts).sum().clamp(min=1)


def _held_out_loss(
    agent: RecurrentAgent, sessions: TrainingSessions, judge: Judge, options: RecurrentAgentOptions, seed: int
) -> float:
    """The loss on the validation sessions, played with the same noise every time."""
    generator = seeded_generator(seed, _HELD_OUT)
    rounds = max(sessions.rounds)
    with torch.no_grad():
        losses = [
            (float(_play(agent, sessions, batch, rounds, options.query_weight, generator)), len(batch.sessions))
            for batch in judge.sessions.batches
        ]
    return sum(loss * size for loss, size in losses) / max(1, sum(size for _, size in losses))
