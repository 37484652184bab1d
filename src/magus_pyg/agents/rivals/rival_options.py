"""What the rivals can be set to: plain dataclasses with simple types."""

from dataclasses import dataclass, field

from magus_pyg.options import above, at_least, at_most, between, check_options

__all__ = ["EarOptions", "MaxEntropyOptions", "PolicyOptions", "RecurrentAgentOptions", "RivalOptions"]


_WIDEST = 65_536


@dataclass
class RecurrentAgentOptions:
    """`recurrent`.

    Attributes:
        hidden: length of the recurrent state.
        feedback: length of the learned vectors for a positive and a negative answer.
        rank: length of the vectors in which the state meets a node.
        epochs: passes over the training sessions, at most.
        batch_size: sessions in a training step.
        steps: training steps in an epoch, at most.
        lr: learning rate of Adam at the start; it falls to 0 in a line.
        weight_decay: L2 penalty of Adam.
        patience: epochs without a lower validation loss before training stops.
        query_weight: weight of the queries' loss beside that of the items.
    """

    hidden: int = 64
    feedback: int = 16
    rank: int = 32
    epochs: int = 25
    batch_size: int = 64
    steps: int = 150
    lr: float = 3e-3
    weight_decay: float = 1e-5
    patience: int = 4
    query_weight: float = 0.5

    def __post_init__(self) -> None:
        counts = ("hidden", "feedback", "rank", "epochs", "batch_size", "steps", "patience")
        rules = {"lr": above(0), "weight_decay": at_least(0), "query_weight": at_least(0)}
        check_options(self, **dict.fromkeys(counts, at_least(1)), **rules)
        limits = {"hidden": _WIDEST, "feedback": _WIDEST, "rank": _WIDEST, "steps": 1_000_000, "epochs": 1_000_000}
        check_options(self, **{name: at_most(high) for name, high in limits.items()})


@dataclass
class MaxEntropyOptions:
    """`max_entropy`.

    Attributes:
        literal: whether the agent named so is `max_entropy_literal`, the paper's description and nothing more
            (reading 34).
    """

    literal: bool = False

    def __post_init__(self) -> None:
        check_options(self)


@dataclass
class PolicyOptions:
    """A policy that is trained by imitation of `max_entropy`, then by policy gradient.

    Attributes:
        hidden: units of the hidden layer.
        imitation_epochs: passes over the training sessions that copy `max_entropy`, at most.
        epochs: passes of the policy gradient, at most.
        batch_size: sessions in a training step.
        steps: training steps in an epoch, at most.
        rollouts: how often each session of a step is played; their mean is the baseline. At least 2.
        imitation_lr: learning rate of Adam while copying.
        lr: learning rate of Adam for the policy gradient at the start; it falls to 0 in a line.
        entropy: weight of the policy's entropy, which keeps it exploring.
        patience: epochs without a better result on validation sessions before training stops.
        success: reward for a target item.
        clicked: reward for a query that is clicked.
        turn: reward (negative: cost) of every round without success.
        quit: reward (negative: cost) of a session without success.
        discount: a reward r rounds ahead counts discount ** r, in (0, 1].
    """

    hidden: int = 32
    imitation_epochs: int = 4
    epochs: int = 12
    batch_size: int = 64
    steps: int = 60
    rollouts: int = 4
    imitation_lr: float = 5e-3
    lr: float = 4e-3
    entropy: float = 1e-4
    patience: int = 5
    success: float = 1.0
    clicked: float = 0.0
    turn: float = -0.005
    quit: float = 0.0
    discount: float = 1.0

    def __post_init__(self) -> None:
        check_options(
            self,
            **dict.fromkeys(("hidden", "batch_size", "steps", "patience"), at_least(1)),
            **dict.fromkeys(("imitation_epochs", "epochs", "entropy"), at_least(0)),
            **dict.fromkeys(("lr", "imitation_lr"), above(0)),
            rollouts=at_least(2),
            discount=between(0, 1, "(]"),
        )
        check_options(self, hidden=at_most(_WIDEST), rollouts=at_most(1000))


@dataclass
class EarOptions(PolicyOptions):
    """`ear`: a policy as above, with the rewards of its paper, on an estimation that is trained first.

    Attributes:
        rank: length of the vectors in which answers meet nodes.
        estimation_epochs: passes of the estimation over the training sessions, at most.
        estimation_lr: learning rate of Adam for the estimation.
        estimation_decay: L2 penalty of Adam for the estimation.
        reflection_rates: step sizes of the reflection that are tried on validation sessions beside 0.
        reflection_steps: gradient steps after a round.
    """

    clicked: float = 0.005
    quit: float = -0.3
    rank: int = 16
    estimation_epochs: int = 20
    estimation_lr: float = 3e-3
    estimation_decay: float = 1e-4
    reflection_rates: list[float] = field(default_factory=lambda: [0.1, 0.3, 1.0])
    reflection_steps: int = 2

    def __post_init__(self) -> None:
        super().__post_init__()
        check_options(
            self,
            **dict.fromkeys(("rank", "reflection_steps"), at_least(1)),
            **dict.fromkeys(("estimation_epochs", "estimation_decay"), at_least(0)),
            **dict.fromkeys(("estimation_lr", "reflection_rates"), above(0)),
        )
        check_options(self, rank=at_most(_WIDEST), reflection_steps=at_most(10_000))


@dataclass
class RivalOptions:
    """The rival agents and the sessions that they learn from.

    Attributes:
        folds: base models that are trained for out-of-fold scores of the training sessions, at least 2.
        per_user: training sessions of each user from each fold, and validation sessions of each user.
        sessions: training sessions, at most.
        max_entropy: of `max_entropy`.
        recurrent: of `recurrent`.
        crm: of `crm`.
        ear: of `ear`.
    """

    folds: int = 3
    per_user: int = 4
    sessions: int = 10_000
    max_entropy: MaxEntropyOptions = field(default_factory=MaxEntropyOptions)
    recurrent: RecurrentAgentOptions = field(default_factory=RecurrentAgentOptions)
    crm: PolicyOptions = field(default_factory=PolicyOptions)
    ear: EarOptions = field(default_factory=EarOptions)

    def __post_init__(self) -> None:
        check_options(self, folds=at_least(2), per_user=at_least(1), sessions=at_least(1))
        check_options(self, folds=at_most(100), per_user=at_most(1000), sessions=at_most(10_000_000))
