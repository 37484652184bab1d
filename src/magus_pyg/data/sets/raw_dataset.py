"""Data sets in their original files: found, fetched where an open address exists, processed once, read back quickly.

The classes follow those of PyTorch Geometric: `raw_file_names`, `download`, `process`, `processed_dir`, `force_reload`.
"""

import hashlib
import json
import logging
from abc import ABC, abstractmethod
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

from magus_pyg._version import __version__
from magus_pyg.data.assemble import PreparedData, finish
from magus_pyg.data.dataset import RecDataset
from magus_pyg.data.dataset_options import LogOptions, check_log_options
from magus_pyg.data.reading.download import cache_folder
from magus_pyg.data.reading.findings import Findings
from magus_pyg.data.sets.processed import (
    PREPARED_FORMAT,
    processed_files,
    read_meta,
    read_prepared,
    write_prepared,
)
from magus_pyg.errors import DataError
from magus_pyg.files import home_expanded, locked, parse_json, write_json

__all__ = ["RawDataset", "RawOptions"]

logger = logging.getLogger(__name__)

# What changes no processed file: it is applied, or only needed, when the files are read.
_NOT_PROCESSED = {
    "name", "word_fields", "profile_fields", "max_words", "max_share", "min_support", "max_queries", "title_field",
    "path", "download", "force_reload",
}  # fmt: skip


@dataclass
class RawOptions(LogOptions):
    """Options of data sets in their original files.

    Attributes:
        path: the folder of the files, inside the data root, or an absolute path; "" looks where the class says.
        download: whether missing files are fetched, where they have an open address.
        force_reload: process the files again, whatever was kept.
    """

    path: str = ""
    download: bool = False
    force_reload: bool = False


Options = TypeVar("Options", bound=RawOptions)


class RawDataset(ABC, Generic[Options]):
    """A data set in its original files.

    The files are looked for in `<root>/<path>`, or else in `<root>/<folder>` and in the root itself, each time in the
    sub-folders that the class names (`raw` first), then in the cache folder, where downloads go. What `process` makes
    of them is kept in the cache folder (`MAGUS_CACHE`), under a name that stands for the settings and the raw folder.
    It is made again if the settings, the contents of the raw files, or a version change.

    Args:
        root: the data root; None where none is known.
        options: the settings; those of the class if None.
        force_reload: process the files again, whatever was kept.

    Attributes:
        folder: class attribute, the folder of the set inside a data root, and inside the cache.
        page: class attribute, where a person gets the files.
        version: class attribute, to be raised when `process` gives other results from the same files.
    """

    folder: ClassVar[str]
    page: ClassVar[str]
    version: ClassVar[int] = 1
    subfolders: ClassVar[tuple[str, ...]] = ("raw", "")
    options_class: ClassVar[type[RawOptions]]

    def __init__(
        self, root: Path | str | None = None, options: Options | None = None, *, force_reload: bool = False
    ) -> None:
        self.root = None if root is None else home_expanded(root)
        self.options: Options = options if options is not None else self.options_class()  # type: ignore[assignment]
        self.force_reload = force_reload or self.options.force_reload

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self.root)!r}, {self.options!r})"

    @property
    @abstractmethod
    def raw_file_names(self) -> list[str]:
        """The files that are needed."""

    def variants(self, name: str) -> list[str]:
        """The names that a needed file may have."""
        return [name, name.removesuffix(".gz") if name.endswith(".gz") else f"{name}.gz"]

    def download(self) -> None:
        """Fetch the missing files into the cache folder.

        Raises:
            DataError: if they have no open address, or cannot be fetched.
        """
        raise DataError(f"{', '.join(self.raw_file_names)} have no open address")

    @abstractmethod
    def process(self, findings: Findings) -> PreparedData:
        """Read, check, filter, sort and split the raw files.

        Raises:
            DataError: at anything that cannot be used.
        """

    @property
    def download_dir(self) -> Path:
        """Where downloads go."""
        return cache_folder() / self.folder

    @property
    def places(self) -> list[Path]:
        """The folders that raw files are looked for in, in this order."""
        named = home_expanded(self.options.path) if self.options.path else None
        bases: list[Path]
        if named is not None:
            bases = [named] if named.is_absolute() or self.root is None else [self.root / named]
        else:
            bases = [] if self.root is None else [self.root / self.folder, self.root]
        places = [base / inner if inner else base for base in bases for inner in self.subfolders]
        # Archives bring a folder of their own.
        return [*places, self.download_dir / self.folder, self.download_dir]

    @cached_property
    def raw_paths(self) -> list[Path]:
        """The needed files, in the order of `raw_file_names`; fetched if they are nowhere and the options allow it.

        Raises:
            DataError: naming the files, the folders that were looked in, and the page they come from.
        """
        found = self._find()
        if found is not None:
            return found
        needed = ", ".join(self.raw_file_names)
        looked = ", ".join(str(folder) for folder in self.places)
        message = (
            f"dataset {self.options.name!r}: the files {needed} were looked for in {looked}. Get them from "
            f"{self.page}, and set `paths.data=` or the variable MAGUS_DATA to the folder above theirs, or "
            "`dataset.path=` to theirs"
        )
        if not self.options.download:
            closed = type(self).download is RawDataset.download
            raise DataError(message if closed else f"{message} (`dataset.download` is off)")
        try:
            self.download()
        except DataError as error:
            raise DataError(f"{message}. Fetching it failed: {error}") from error
        found = self._find()
        if found is None:
            raise DataError(f"{message}. What was fetched into {self.download_dir} does not hold them")
        return found

    @property
    def raw_dir(self) -> Path:
        """The folder of the raw files."""
        return self.raw_paths[0].parent

    @property
    def processed_file_names(self) -> list[str]:
        """The files of the processed data set."""
        return processed_files()

    @property
    def processed_dir(self) -> Path:
        """Where the processed data set is kept: one folder for each raw folder and each settings."""
        key = json.dumps([self._settings(), str(self.raw_dir.resolve())], sort_keys=True)
        name = f"{self.folder}-{hashlib.sha256(key.encode()).hexdigest()[:16]}"
        return cache_folder() / "processed" / name

    def load(self, findings: Findings | None = None) -> RecDataset:
        """The data set: read back if it was processed before, else processed and kept.

        Args:
            findings: where problems go. Where they are collected, the files are read in any case, and nothing is kept.

        Raises:
            ConfigError: at an option that has no such value.
            DataError: at missing files or anything in them that cannot be used.
        """
        self.check()
        if findings is not None and findings.collect:
            return finish(self.options, self.process(findings))
        return finish(self.options, self._prepared(findings if findings is not None else Findings()))

    def check(self) -> None:
        """Check the options.

        Raises:
            ConfigError: naming the option and its value.
        """
        check_log_options(self.options)

    def _find(self) -> list[Path] | None:
        for place in self.places:
            held = {name: self._held(place, name) for name in self.raw_file_names}
            missing = [name for name, path in held.items() if path is None]
            if not missing:
                return [path for path in held.values() if path is not None]
            # Where files may be fetched, a folder that lacks some is passed over.
            if len(missing) < len(held) and not self.options.download:
                names = ", ".join(path.name for path in held.values() if path is not None)
                raise DataError(
                    f"{place} holds {names} but not {', '.join(missing)}; all of {', '.join(held)} are needed. Get "
                    f"them from {self.page}{self._without(missing)}"
                )
        return None

    def _held(self, place: Path, name: str) -> Path | None:
        found = [place / variant for variant in self.variants(name) if (place / variant).is_file()]
        if len(found) > 1:
            raise DataError(f"{place} holds {' and '.join(path.name for path in found)}; keep one of them")
        return found[0] if found else None

    def _without(self, missing: list[str]) -> str:
        """What to set to go on without some files, for the message."""
        return ""

    def _settings(self) -> dict[str, Any]:
        values = {key: value for key, value in asdict(self.options).items() if key not in _NOT_PROCESSED}
        return {"loader": type(self).__name__, "version": self.version, "format": PREPARED_FORMAT, "options": values}

    def _prepared(self, findings: Findings) -> PreparedData:
        folder, marks = self.processed_dir, _marks(self.raw_paths)
        with ExitStack() as stack:
            try:
                stack.enter_context(locked(folder, DataError))
            except DataError as error:
                return self._unkept(folder, error, self.process(findings))
            kept = None if self.force_reload else self._kept(folder)
            if kept is not None:
                return kept
            prepared = self.process(findings)
            meta = {**self._settings(), "package": __version__, "raw": self._contents()}
            if _marks(self.raw_paths) != marks:
                logger.warning("%s: the raw files changed while they were read; nothing is kept", self.options.name)
                return prepared
            try:
                write_prepared(prepared, meta, folder)
                _write_marks(folder, marks)
            except DataError as error:
                return self._unkept(folder, error, prepared)
        logger.info("%s: processed files kept in %s", self.options.name, folder)
        return prepared

    def _unkept(self, folder: Path, error: DataError, prepared: PreparedData) -> PreparedData:
        # A cache that cannot be written costs time at the next start, nothing else.
        logger.warning("%s: processed files cannot be kept in %s (%s)", self.options.name, folder, error)
        return prepared

    def _kept(self, folder: Path) -> PreparedData | None:
        """The processed data set, if it comes from the raw files as they are now and is whole."""
        if not self._is_current(folder):
            return None
        try:
            return read_prepared(folder)
        except DataError as error:
            logger.warning("%s; the raw files are processed again", error)
            return None

    def _contents(self) -> list[dict[str, Any]]:
        return [{"name": path.name, "size": path.stat().st_size, "sha256": _sha256(path)} for path in self.raw_paths]

    def _is_current(self, folder: Path) -> bool:
        """Whether the processed files come from the raw files as they are now."""
        meta = read_meta(folder)
        if meta is None or any(meta.get(key) != value for key, value in self._settings().items()):
            return False
        marks = _marks(self.raw_paths)
        if _read_marks(folder) == marks:
            return True
        # Another time or another place on disk: the contents decide.
        if meta.get("raw") != self._contents():
            logger.info("%s: the raw files have changed since they were processed", self.options.name)
            return False
        _write_marks(folder, marks)
        return True


def _sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _marks(paths: list[Path]) -> list[list[Any]]:
    """What changes whenever somebody writes to the files."""
    states = [path.stat() for path in paths]
    return [[path.name, state.st_size, state.st_mtime_ns, state.st_ctime_ns, state.st_ino] for path, state in zip(
        paths, states, strict=True)]  # fmt: skip


def _read_marks(folder: Path) -> list[list[Any]] | None:
    try:
        marks = parse_json(folder.with_name(f"{folder.name}.marks.json").read_text())
    except (OSError, ValueError):
        return None
    return marks if isinstance(marks, list) else None


def _write_marks(folder: Path, marks: list[list[Any]]) -> None:
    write_json(folder.with_name(f"{folder.name}.marks.json"), marks, DataError)
