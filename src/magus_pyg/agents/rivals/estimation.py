"""EAR's estimation: how answers so far change the scores of items and queries, and how refused items do."""

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from magus_pyg.agents.bayes.belief import initial_logit, normalised
from magus_pyg.agents.fitted_states import read_network
from magus_pyg.agents.rivals.base_features import BaseFeatures
from magus_pyg.agents.rivals.nodes import SessionNodes
from magus_pyg.agents.rivals.rival_options import EarOptions
from magus_pyg.agents.rivals.rollout import TrainingSessions
from magus_pyg.random import derive_seed
from magus_pyg.simulation.prepare import PreparedBatch, PreparedSessions
from magus_pyg.training.averaging import RunningAverage
from magus_pyg.training.descent import Descent, seeded_generator, train_epochs
from magus_pyg.training.progress import Progress, unseen
from magus_pyg.training.stopping import EarlyStopping

__all__ = ["EstimationNetwork", "estimation_loss", "fit_estimation", "reflect"]

_ORDER, _HELD_OUT = 0xEA21, 0xEA22  # what a random number is for
_AVERAGING = 0.03
_DRAWS = 3  # of known queries for each validation session
_LEAST = 1e-6


class EstimationNetwork(nn.Module):
    """Scores of items and queries that follow the answers of a session.

    An item's score is s_v / T + (W x_v)·g with g the sum of K x_q over the clicked queries q, x the base's features of
    a node; a query's is b logit(m_q) + c + (P x_q)·g with m_q the belief in the items that contain it.

    Args:
        n_features: k, length of x.
        rank: length of g.
        seed: of the weights.
    """

    def __init__(self, n_features: int, rank: int = 16, seed: int = 0) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive_seed(seed, 0xEA2))
            self.item = nn.Linear(n_features, rank, bias=False)
            self.query = nn.Linear(n_features, rank, bias=False)
            self.known = nn.Linear(n_features, rank, bias=False)
        # Before training an answer changes nothing.
        nn.init.zeros_(self.known.weight)
        self.prior = nn.Parameter(torch.tensor([1.0, 0.0]))

    @property
    def rank(self) -> int:
        """Length of g."""
        return self.item.out_features

    def items(self, features: Tensor) -> Tensor:
        """W x_v [B, C, r] of items [B, C, k]."""
        vectors: Tensor = self.item(features.to(self.prior.dtype))
        return vectors

    def accepted(self, features: Tensor) -> Tensor:
        """K x_q [..., r] of clicked queries [..., k]."""
        vectors: Tensor = self.known(features.to(self.prior.dtype))
        return vectors

    def preference(self, features: Tensor, mass: Tensor, session: Tensor) -> Tensor:
        """Scores [B, G] of queries: features [B, G, k], belief in them [B, G], g [B, r]."""
        prior = torch.logit(mass.to(self.prior.dtype).clamp(_LEAST, 1.0 - _LEAST))
        meets = torch.einsum("bgr,br->bg", self.query(features.to(self.prior.dtype)), session)
        return self.prior[0] * prior + self.prior[1] + meets

    @classmethod
    def of_tensors(cls, tensors: Mapping[str, Tensor]) -> "EstimationNetwork":
        """The network that `network_tensors` saved as "estimation."; RunError where it does not fit."""

        def make(own: Mapping[str, Tensor]) -> EstimationNetwork:
            rank, size = own["item.weight"].shape
            return cls(size, rank)

        return read_network(make, tensors, "estimation.", "the estimation of the run")


def reflect(
    session: Tensor, vectors: Tensor, logit: Tensor, belief: Tensor, refused: Tensor, rate: float, steps: int
) -> Tensor:
    """Reflection: gradient steps of BPR that put what is left above the refused items.

    A step is g <- g + rate * mean over refused v' of (1 - sigmoid(y - y_v')) (x - x_v'), with x_v' the item's vector,
    y_v' its score, and x and y the means of vectors and scores over the items left, weighted by the belief.

    Args:
        session: [B, r], g before.
        vectors: [B, C, r] of the items.
        logit: [B, C], the items' scores without g.
        belief: [B, C], of the items left; rows of zeros are left alone.
        refused: bool [B, C].
        rate: of a step.
        steps: number of steps.

    Returns:
        [B, r], g after.
    """
    count = refused.sum(1, keepdim=True)
    moves = (count > 0) & (belief.sum(1, keepdim=True) > 0)
    weight = refused.to(vectors.dtype) / count.clamp(min=1)
    mean = torch.einsum("bc,bcr->br", belief.to(vectors.dtype), vectors)
    logit = torch.where(torch.isfinite(logit), logit, 0.0).to(vectors.dtype)
    base = (belief.to(vectors.dtype) * logit).sum(1, keepdim=True)
    for _ in range(steps):
        gap = base + (mean * session).sum(1, keepdim=True) - logit - torch.einsum("bcr,br->bc", vectors, session)
        pull = weight * torch.sigmoid(-gap)
        step = pull.sum(1, keepdim=True) * mean - torch.einsum("bc,bcr->br", pull, vectors)
        session = torch.where(moves, session + rate * step, session)
    return session


def estimation_loss(
    network: EstimationNetwork,
    features: BaseFeatures,
    batch: PreparedBatch,
    temperature: float,
    generator: torch.Generator,
) -> Tensor:
    """BPR of a target and of its queries, after clicks on up to two queries of the target.

    As in EAR a target is put above the other candidates, and above those among them that contain all clicked queries;
    and a query of the target above the queries of no target.
    """
    nodes, graphs = SessionNodes(batch.graphs), batch.graphs
    count, n_sessions = nodes.n_items, len(batch.sessions)
    targets = graphs.sort_candidates(batch.sessions.targets)
    valid = graphs.valid[:, :count]
    given = features(nodes.node)
    target = _draw(targets, 1, generator).squeeze(1)
    mine = F.one_hot(target.clamp(min=0), count).to(torch.float64)
    of_target = (nodes.mass(mine) > 0)[:, count:] & nodes.valid[:, count:]
    known = _draw(of_target, 2, generator)
    number = torch.randint(0, 3, (n_sessions, 1), generator=generator)
    known = torch.where(torch.arange(2) < number, known, -1)
    fits, session = valid.clone(), torch.zeros((n_sessions, network.rank), dtype=network.prior.dtype)
    row = torch.arange(n_sessions)
    for place in known.unbind(1):
        taken = place >= 0
        fits &= nodes.covers(torch.where(taken, place + count, -1)) | ~taken.unsqueeze(1)
        clicked = network.accepted(given[row, count + place.clamp(min=0)]) if given.shape[1] > count else session
        session = session + torch.where(taken.unsqueeze(1), clicked, 0.0)

    prior = initial_logit(batch.scores, valid, temperature)
    y = prior.to(session.dtype) + torch.einsum("bcr,br->bc", network.items(given[:, :count]), session)
    y_target = y.gather(1, target.clamp(min=0).unsqueeze(1))
    has = (target >= 0).unsqueeze(1)
    others = valid & ~targets & has
    gap = -F.logsigmoid(y_target - torch.where(valid, y, 0.0))
    loss = _mean(gap, others) + _mean(gap, others & fits)

    belief = normalised(torch.where(fits, y.detach().to(torch.float64), -torch.inf))
    mass = nodes.mass(belief)[:, count:]
    preference = network.preference(given[:, count:], mass, session)
    liked = (nodes.mass(targets.to(torch.float64)) > 0)[:, count:] & nodes.valid[:, count:]
    unknown = nodes.valid[:, count:] & ~(torch.arange(preference.shape[1]).view(1, 1, -1) == known.unsqueeze(2)).any(1)
    wanted = _draw(of_target & unknown, 1, generator)
    if preference.shape[1]:
        at = preference.gather(1, wanted.clamp(min=0))
        loss = loss + _mean(-F.logsigmoid(at - preference), ~liked & unknown & (wanted >= 0))
    return loss


def fit_estimation(
    features: BaseFeatures,
    sessions: TrainingSessions,
    validation: PreparedSessions,
    temperatures: tuple[float, float],
    options: EarOptions,
    seed: int = 0,
    progress: Progress = unseen,
) -> tuple[EstimationNetwork, list[dict[str, float]]]:
    """Train the estimation until the loss on validation sessions rises.

    Args:
        features: of the nodes.
        sessions: training sessions with out-of-fold scores.
        validation: validation sessions; without any all epochs are played.
        temperatures: of the base scores of the training sessions, and of all others.
        options: how to train.
        seed: of weights, order and draws.
        progress: shows how many epochs are over.

    Returns:
        The network in double precision, and a row an epoch: epoch, loss, validation_loss.

    Raises:
        ModelError: a loss that is not finite.
    """
    network = EstimationNetwork(features.size, options.rank, seed)
    optimizer = torch.optim.Adam(network.parameters(), lr=options.estimation_lr, weight_decay=options.estimation_decay)
    average = RunningAverage(network, _AVERAGING)
    descent = Descent(
        "the loss of ear's estimation", optimizer, "lower rivals.ear.estimation_lr", after=(average.update,)
    )
    rows: list[dict[str, float]] = []

    def losses(epoch: int) -> Iterator[Tensor]:
        generator = seeded_generator(seed, _ORDER, epoch)
        for batch, _ in sessions.epoch(generator, len(sessions.prepared.batches)):
            yield estimation_loss(network, features, batch, temperatures[0], generator)

    def held_out_loss(epoch: int, loss: float) -> float:
        generator = seeded_generator(seed, _HELD_OUT)
        with torch.no_grad():
            held_out = [
                float(estimation_loss(average.average, features, batch, temperatures[1], generator))
                for _ in range(_DRAWS)
                for batch in validation.batches
            ]
        found = sum(held_out) / len(held_out) if held_out else -float(epoch)
        rows.append({"epoch": epoch + 1.0, "loss": loss, "validation_loss": found})
        progress(epoch + 1, options.estimation_epochs, f"epochs of the estimation, validation loss {found:.4f}")
        return found

    stopping = EarlyStopping(options.patience, maximise=False)
    epochs = range(options.estimation_epochs)
    progress(0, options.estimation_epochs, "epochs of the estimation")
    return train_epochs(descent, losses, epochs, held_out_loss, stopping, average.frozen, average.frozen()), rows


def _draw(allowed: Tensor, number: int, generator: torch.Generator) -> Tensor:
    """`number` different columns of each row of bool [B, X], at random: int64 [B, number], -1 where there are fewer."""
    draw = torch.rand(allowed.shape, generator=generator, dtype=torch.float64)
    value, column = torch.where(allowed, draw, -1.0).topk(min(number, allowed.shape[1]), dim=1)
    column = torch.where(value >= 0, column, -1)
    return F.pad(column, (0, number - column.shape[1]), value=-1)


def _mean(value: Tensor, chosen: Tensor) -> Tensor:
    """The mean over the sessions with a chosen entry of the mean over their chosen entries."""
    number = chosen.sum(1)
    mean = torch.where(chosen, value, 0.0).sum(1) / number.clamp(min=1)
    return mean.sum() / (number > 0).sum().clamp(min=1)
