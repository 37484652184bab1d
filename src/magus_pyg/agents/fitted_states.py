"""What agents learned beyond the base recommender, as tensors, and read back from them.

Every state is saved by its `tensors` and read back by its `of_tensors`, which checks what it reads.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, fields
from math import isfinite
from typing import Any, ClassVar, Protocol, Self, TypeVar

import torch
from torch import Tensor, nn
from torch_geometric.data import HeteroData

from magus_pyg.errors import ConfigError, RunError
from magus_pyg.options import Rule, check_options

__all__ = [
    "AgentState",
    "FittedState",
    "FittedValues",
    "Rules",
    "network_tensors",
    "read_network",
    "require_keys",
    "values_text",
]

AgentState = dict[str, Tensor]
"""What an agent has learned, as it lies in a run folder."""

Rules = Mapping[str, Rule]
"""Field -> what its value has to be."""

_Network = TypeVar("_Network", bound=nn.Module)


class FittedState(Protocol):
    """What a session can be given of what an agent has fitted."""

    def check(self) -> Self:
        """The state itself; ConfigError where a value is not real, not finite or out of range."""
        ...

    def tensors(self) -> AgentState:
        """The state as tensors, to be saved."""
        ...

    @classmethod
    def of_tensors(cls, tensors: Mapping[str, Tensor], graph: HeteroData) -> Self:
        """What `tensors` gave; RunError where something is missing, out of range or of another graph."""
        ...


class FittedValues:
    """Base class of states that are numbers and switches: a dataclass, saved as one float64 a value; also whole numbers
    one after the other (int64) and texts (their bytes).

    Attributes:
        called: how messages call it where it was read.
        group: what stands before the name of a value in messages; the class if None.
        rules: field -> what its value has to be, beside its type.
        later: the fields that run folders of earlier releases lack; they then have their defaults.
    """

    called: ClassVar[str] = "what the run has fitted"
    group: ClassVar[str | None] = None
    rules: ClassVar[Rules] = {}
    later: ClassVar[frozenset[str]] = frozenset()

    def __str__(self) -> str:
        return values_text(self)

    def check(self) -> Self:
        """The state itself, if all values are in range.

        Raises:
            ConfigError: naming the value.
        """
        check_options(self, self.group, **self.rules)
        return self

    def tensors(self) -> AgentState:
        """The values as tensors, to be saved."""
        values: Any = self
        return {name: _as_tensor(value) for name, value in asdict(values).items()}

    @classmethod
    def of_tensors(cls, tensors: Mapping[str, Tensor], graph: HeteroData | None = None) -> Self:
        """What `tensors` gave; other keys are passed over.

        Args:
            tensors: of a run folder.
            graph: of the run; values hold for any.

        Raises:
            RunError: a value is missing, no single number, or out of range.
        """
        state: Any = cls
        names = {entry.name for entry in fields(state)}
        require_keys(tensors, *(names - cls.later), what=cls.called)
        found: Any = cls()
        for name in sorted(names & set(tensors)):
            setattr(found, name, _from_tensor(tensors[name], type(getattr(found, name))))
        try:
            checked: Self = found.check()
        except ConfigError as error:
            raise RunError(f"{cls.called} is damaged: {error}; train again with this agent") from error
        return checked


def values_text(values: Any) -> str:
    """The fields of a dataclass for a person, by their names; empty ones are left out."""
    told = [(entry.name.replace("_", " "), getattr(values, entry.name)) for entry in fields(values)]
    return ", ".join(f"{name} {_for_people(value)}" for name, value in told if value not in ("", (), []))


def _for_people(value: Any) -> str:
    if isinstance(value, list | tuple):
        return " and ".join(map(_for_people, value))
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _as_tensor(value: Any) -> Tensor:
    if isinstance(value, str):
        return torch.tensor(list(value.encode()), dtype=torch.uint8)
    if isinstance(value, list | tuple):
        return torch.tensor(value, dtype=torch.int64)
    return torch.tensor(float(value), dtype=torch.float64)


def _from_tensor(tensor: Tensor, kind: type) -> Any:
    """The value of `_as_tensor`, if it is one of its kind; else what `check` will name."""
    value: Any = tensor.tolist()
    if kind is str:
        return bytes(value).decode(errors="replace") if tensor.dtype == torch.uint8 and tensor.ndim == 1 else value
    if kind is tuple:
        return tuple(value) if isinstance(value, list) else value
    whole = isinstance(value, int | float) and isfinite(value) and kind(value) == value
    return kind(value) if whole else value


def require_keys(tensors: Mapping[str, Tensor], *names: str, what: str) -> None:
    """Raise RunError unless all names are among what was saved."""
    missing = set(names) - set(tensors)
    if missing:
        raise RunError(f"{what} lacks {', '.join(sorted(missing))}: train again with this agent")


def network_tensors(network: nn.Module, prefix: str) -> AgentState:
    """The weights of a network, to be saved beside others."""
    return {f"{prefix}{key}": value for key, value in network.state_dict().items()}


def read_network(
    make: Callable[[Mapping[str, Tensor]], _Network], tensors: Mapping[str, Tensor], prefix: str, what: str
) -> _Network:
    """The network whose `network_tensors` were saved, in double precision and without gradients.

    Args:
        make: makes an untrained one of the sizes that its weights have.
        tensors: what was saved.
        prefix: of its weights.
        what: names it in messages.

    Raises:
        RunError: a weight is missing, of another shape, or not finite.
    """
    own = {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}
    try:
        network = make(own)
        network.load_state_dict(own)
    except (KeyError, RuntimeError, IndexError, ValueError) as error:
        raise RunError(f"{what} cannot be used ({error}): train again with this agent") from error
    for key, value in own.items():
        if not bool(torch.isfinite(value).all()):
            raise RunError(f"{what} cannot be used ({key} is not finite): train again with this agent")
    return network.double().eval().requires_grad_(False)
