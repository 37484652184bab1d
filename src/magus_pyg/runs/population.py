"""The users of a run in one compact file, so that a run folder answers without the data set."""

import json
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from magus_pyg.data import RecDataset
from magus_pyg.errors import DataError, RunError
from magus_pyg.files import parse_json, whole
from magus_pyg.models import Interactions, TrainingData, profile_values
from magus_pyg.ragged import Ragged
from magus_pyg.training import TrainOptions
from magus_pyg.training.training_rows import users_that_train

__all__ = ["Population", "load_population", "population_of", "save_population"]

_FORMAT = "magus_pyg population 2"


@dataclass(frozen=True, eq=False)
class Population:
    """Users, their profiles, their rows of the log, and what they searched. U users, n rows.

    Attributes:
        user_ids: [U] texts.
        user_ptr: int64 [U + 1]; the rows of user u are `user_ptr[u]:user_ptr[u + 1]`.
        item: int32 [n].
        label: int8 [n].
        part: int8 [n], 0 train, 1 validation, 2 test.
        action: int8 [n], index into `actions`; empty where the log has one kind of action.
        actions: the names of the kinds of action.
        ordered: whether the order of a user's rows is that of events.
        profiles: [U] rows of profile-value ids.
        n_profiles: number of profile values.
        searched: [U] rows of query nodes, the user's last searches before the test part.
    """

    user_ids: tuple[str, ...]
    user_ptr: Tensor
    item: Tensor
    label: Tensor
    part: Tensor
    action: Tensor
    actions: tuple[str, ...]
    ordered: bool
    profiles: Ragged
    n_profiles: int
    searched: Ragged

    def __contains__(self, user_id: object) -> bool:
        """Whether there is such a user."""
        return str(user_id) in self._numbers

    def user(self, user_id: str) -> int:
        """The index of a user.

        Raises:
            DataError: if there is no such user.
        """
        found = self._numbers.get(str(user_id))
        if found is None:
            some = ", ".join(self.user_ids[:5])
            raise DataError(f"there is no user {user_id!r}: the run has {len(self.user_ids)} users: {some}, ...")
        return found

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return {user_id: number for number, user_id in enumerate(self.user_ids)}

    def touched(self, user: int) -> Tensor:
        """The items that a user has a row with, int64, ascending."""
        items: Tensor = torch.unique(self.item[self.user_ptr[user] : self.user_ptr[user + 1]].to(torch.int64))
        return items

    def training_data(self, options: TrainOptions) -> TrainingData:
        """The rows that were trained on by these options, and those of validation; graph models, histories and tasks
        are built on them."""
        user = torch.repeat_interleave(torch.arange(len(self.user_ids)), self.user_ptr.diff())
        rows = (user.numpy(), self.label.numpy(), self.part.numpy())
        users = users_that_train(*rows, len(self.user_ids), options)
        action = self.action.to(torch.int64) if self.actions else None
        log = Interactions(user, self.item, self.label, self.ordered, action, self.actions)
        train, validation = (log.take((self.part == part) & torch.from_numpy(users)[user]) for part in (0, 1))
        return TrainingData(train, validation)


def population_of(data: RecDataset, searched: Ragged) -> Population:
    """Collect the users of a data set; `searched`: [U] rows of query nodes."""
    values, profiles = profile_values(data)
    return Population(
        user_ids=tuple(str(user) for user in data.user_ids),
        user_ptr=torch.from_numpy(data.user_ptr),
        item=torch.from_numpy(data.item.astype(np.int32)),
        label=torch.from_numpy(data.label.copy()),
        part=torch.from_numpy(data.part.copy()),
        action=torch.zeros(0, dtype=torch.int8) if data.action is None else torch.from_numpy(data.action.copy()),
        actions=data.actions,
        ordered=data.ordered,
        profiles=profiles,
        n_profiles=len(values),
        searched=searched,
    )


def save_population(population: Population, path: Path) -> None:
    """Write the file whole or not at all.

    Raises:
        RunError: if it cannot be written.
    """
    encoded = [user.encode() for user in population.user_ids]
    tensors = {
        "user_id_bytes": torch.from_numpy(np.frombuffer(b"".join(encoded), dtype=np.uint8).copy()),
        "user_id_ptr": torch.from_numpy(np.cumsum([0, *map(len, encoded)], dtype=np.int64)),
        "user_ptr": population.user_ptr,
        "item": population.item,
        "label": population.label,
        "part": population.part,
        "action": population.action,
        "profiles_ptr": population.profiles.ptr,
        "profiles_index": population.profiles.index,
        "searched_ptr": population.searched.ptr,
        "searched_index": population.searched.index,
    }
    values = {"n_profiles": population.n_profiles, "actions": population.actions, "ordered": population.ordered}
    header = {"format": _FORMAT, "values": json.dumps(values)}
    with whole(path) as fresh:
        save_file({key: value.contiguous() for key, value in tensors.items()}, fresh, header)


def load_population(path: Path) -> Population:
    """Read the file.

    Raises:
        RunError: a missing, damaged or foreign file.
    """
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
            if header.get("format") != _FORMAT:
                raise RunError(f"{path} has the format {header.get('format')!r}, not {_FORMAT!r}; train again")
            found = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - not a dict
    except (SafetensorError, OSError) as error:
        raise RunError(f"{path} is missing, cut off or damaged ({error}); train again") from error
    data, ends = found["user_id_bytes"].numpy().tobytes(), found["user_id_ptr"].tolist()
    values = parse_json(header["values"])
    return Population(
        user_ids=tuple(data[start:end].decode() for start, end in pairwise(ends)),
        user_ptr=found["user_ptr"],
        item=found["item"],
        label=found["label"],
        part=found["part"],
        action=found["action"],
        actions=tuple(values["actions"]),
        ordered=bool(values["ordered"]),
        profiles=Ragged(found["profiles_ptr"], found["profiles_index"]),
        n_profiles=int(values["n_profiles"]),
        searched=Ragged(found["searched_ptr"], found["searched_index"]),
    )
