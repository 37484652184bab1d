"""How a policy learns: it copies `max_entropy`, then follows the policy gradient (REINFORCE); validation decides."""

import copy
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from magus_pyg.agents.judging import Judge
from magus_pyg.agents.rivals.belief_lists import Choose
from magus_pyg.agents.rivals.policy import Learning, PolicyAgent, PolicyNetwork
from magus_pyg.agents.rivals.rival_options import PolicyOptions
from magus_pyg.agents.rivals.rollout import Outcome, TrainingSessions, play_batch
from magus_pyg.training.averaging import RunningAverage
from magus_pyg.training.descent import Descent, seeded_generator, train_epochs
from magus_pyg.training.progress import Progress, unseen
from magus_pyg.training.stopping import EarlyStopping

__all__ = ["advantages", "returns", "train_policy"]

_IMITATION, _GRADIENT = 0x1317, 0x9AD1  # what a random number is for
_AVERAGING = 0.03


def returns(outcome: Outcome, options: PolicyOptions) -> Tensor:
    """The rewards of each session from each round on, discounted: float32 [R, B]; 0 in rounds not played.

    A round is worth `success` where a target item was clicked in it, else `turn`, and `clicked` more where a query was;
    the last round of a session without success is worth `quit` more.
    """
    active, found = outcome.active, outcome.found
    reward = torch.where(found, options.success, options.turn) + torch.where(outcome.clicked, options.clicked, 0.0)
    reward = torch.where(active, reward, 0.0)
    over = ~found & torch.cat([~active[1:], torch.ones_like(active[:1])])  # the last round, by patience or by number
    reward = reward + torch.where(active & over, options.quit, 0.0)
    total = torch.zeros_like(reward)
    ahead = torch.zeros_like(reward[0])
    for number in range(len(reward) - 1, -1, -1):
        ahead = reward[number] + options.discount * ahead
        total[number] = ahead
    return total


def advantages(value: Tensor) -> Tensor:
    """What each of L plays of a session got beyond the mean of the others: [L, B] to [L, B]."""
    count = value.shape[0]
    return (value - value.mean(0)) * (count / (count - 1))


def train_policy(
    learner: PolicyAgent,
    player: Callable[[PolicyNetwork], PolicyAgent],
    sessions: TrainingSessions,
    teacher: Choose,
    judge: Judge,
    options: PolicyOptions,
    seed: int = 0,
    progress: Progress = unseen,
) -> tuple[PolicyNetwork, list[dict[str, float]]]:
    """Train the policy of `learner`.

    Args:
        learner: an agent with an untrained policy, as it plays the training sessions (whose base scores come from other
            models and may need another temperature).
        player: makes the agent that plays validation sessions with a policy.
        sessions: the training sessions.
        teacher: whose choices are copied first.
        judge: on validation sessions; the policy with the best objective is kept. Without validation sessions the last
            one is, and all epochs are played.
        options: how to train.
        seed: of the order of the sessions and of the lists that are drawn.
        progress: shows how many epochs are over.

    Returns:
        The policy in double precision, and a row for each epoch: epoch (from 1, those of imitation first), imitation (1
        or 0), what the judge said, and the loss.

    Raises:
        ModelError: a loss that is not finite.
    """
    best = copy.deepcopy(learner.network).double().eval().requires_grad_(False)
    stopping = EarlyStopping(options.patience, maximise=True)
    rows: list[dict[str, float]] = []

    def objective(policy: PolicyNetwork, imitation: bool, loss: float) -> float:
        values = judge(player(policy)) if len(judge.sessions) else {"objective": float(len(rows))}
        rows.append({"epoch": len(rows) + 1.0, "imitation": float(imitation), "loss": loss, **values})
        phase = "epochs of imitation" if imitation else "epochs of the policy gradient"
        progress(len(rows) - before, epochs, f"{phase}, objective {values['objective']:.4f}")
        return values["objective"]

    for imitation, epochs in ((True, options.imitation_epochs), (False, options.epochs)):
        before = len(rows)
        progress(0, epochs, "")
        best = _phase(learner, sessions, teacher if imitation else None, options, seed, objective, stopping, best)
        learner.network.load_state_dict(best.state_dict())
        stopping.renew()
    return best, rows


def _phase(
    learner: PolicyAgent,
    sessions: TrainingSessions,
    teacher: Choose | None,
    options: PolicyOptions,
    seed: int,
    objective: Callable[[PolicyNetwork, bool, float], float],
    stopping: EarlyStopping,
    best: PolicyNetwork,
) -> PolicyNetwork:
    """The best policy after more epochs: of imitation with a teacher, else of the policy gradient."""
    network, imitation = learner.network, teacher is not None
    epochs, rate = (options.imitation_epochs, options.imitation_lr) if imitation else (options.epochs, options.lr)
    optimizer = torch.optim.Adam(network.parameters(), lr=rate)
    steps = max(1, epochs * min(options.steps, len(sessions.prepared.batches)))
    falling = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1.0 if imitation else 1.0 - step / steps)
    average = RunningAverage(network, 1.0 if imitation else _AVERAGING)
    after = (falling.step, average.update)
    remedy = f"lower rivals.{learner.name}.{'imitation_lr' if imitation else 'lr'}"
    descent = Descent(f"the loss of {learner.name}", optimizer, remedy, clip=1.0, after=after)

    def losses(epoch: int) -> Iterator[Tensor]:
        generator = seeded_generator(seed, _IMITATION if imitation else _GRADIENT, epoch)
        network.train()
        for batch, rounds in sessions.epoch(generator, options.steps):
            plays = batch if imitation else batch.repeat(options.rollouts)
            view = sessions.view(plays, rounds)
            note = Learning(generator, teacher)
            outcome = play_batch(learner.start(view, note), view, plays, sessions.user)
            yield _imitation_loss(note, outcome) if imitation else _gradient_loss(note, outcome, options)

    def judged(epoch: int, loss: float) -> float:
        return objective(average.frozen(), imitation, loss)

    return train_epochs(descent, losses, range(epochs), judged, stopping, average.frozen, best)


def _imitation_loss(note: Learning, outcome: Outcome) -> Tensor:
    """Mean negative log-probability of the teacher's lists."""
    log_prob = torch.stack(note.log_prob)
    return -log_prob[outcome.active].mean()


def _gradient_loss(note: Learning, outcome: Outcome, options: PolicyOptions) -> Tensor:
    """REINFORCE with the mean of the other plays of the same session as baseline; plays lie one after the other."""
    log_prob, entropy = torch.stack(note.log_prob), torch.stack(note.entropy)  # [R, L * B]
    total = returns(outcome, options)[0]
    # What earlier rounds gave is the same whatever is listed now, so the whole return serves every round. It is not
    # brought to one scale: where all plays succeed there is next to nothing to learn.
    gain = advantages(total.view(options.rollouts, -1)).flatten()
    surrogate = (gain * log_prob)[outcome.active].mean()
    return -surrogate - options.entropy * entropy[outcome.active].mean()
