"""The folder of a table that is written block by block, and goes on after an interruption."""

from __future__ import annotations

import json
import os
import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..utils import written_whole

try:
    import fcntl
except ImportError:  # no such locks here
    fcntl = None  # type: ignore[assignment]

HEAD, RECORDS = "_table.json", "_blocks"
PARQUET, NPY = "parquet", "npy"
# columns of a Parquet file besides those of the table
ID, POSITION, Y = "id", "position", "y"
FORMAT = 3
# a file that `written_whole` had not finished when its process was killed
_UNFINISHED = re.compile(r"\.[0-9a-f]{16}(\.\w+)?")


@dataclass(frozen=True)
class Head:
    """What is known of a table before its first row."""

    columns: tuple[str, ...]
    dtype: str
    layout: str  # "parquet" or "npy"
    n_inputs: int  # rows, if none is skipped
    block_size: int  # inputs of every block but the last
    id_kind: str  # "text" or "integers"
    y_kind: str | None  # a dtype of NumPy, "text", or None for a table without y
    remark: str = ""
    # by name a text to be shown, and a digest, of all that the rows depend on
    settings: Mapping[str, tuple[str, str]] = field(default_factory=dict)

    @property
    def n_blocks(self) -> int:
        """Number of blocks."""
        return -(-self.n_inputs // self.block_size)

    def inputs(self, k: int) -> slice:
        """Positions of the inputs of block `k`."""
        return slice(k * self.block_size, min((k + 1) * self.block_size, self.n_inputs))

    def to_json(self) -> str:
        """Write it as text, with its checksum."""
        return json.dumps({"format": FORMAT, **vars(self), "checksum": self._checksum()}, indent=1)

    def _checksum(self) -> int:
        """CRC-32 of what it holds, free of how that is laid out."""
        return zlib.crc32(json.dumps(vars(self), sort_keys=True).encode())

    @classmethod
    def read(cls, path: Path) -> Head:
        """Read that of a folder; ValueError if there is none."""
        file = path / HEAD
        try:
            state = json.loads(file.read_text(encoding="utf-8"))
            if state.pop("format") != FORMAT:
                raise ValueError(
                    "another version of hierseg_learn wrote it; describe the images again, into "
                    "another folder"
                )
            checksum = state.pop("checksum")
            state["columns"] = tuple(state["columns"])
            state["settings"] = {name: tuple(pair) for name, pair in state["settings"].items()}
            head = cls(**state)
            if head._checksum() != checksum:
                raise ValueError(
                    "its checksum is not the one recorded; delete the folder, and describe the "
                    "images again"
                )
            return head
        except FileNotFoundError:
            raise ValueError(
                f"path={str(path)!r} holds no table; expected a folder that "
                "SegmentTreeTransformer.describe_to has written."
            ) from None
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"{str(file)!r} is damaged, or no table's: {error}.") from error


@dataclass(frozen=True)
class Record:
    """What is known of a finished block."""

    n_rows: int
    n_bytes: int  # of its file
    checksum: int  # CRC-32 of its file
    inputs_checksum: int  # of what it was made from
    # (position of the input, its id, why it was left out)
    skipped: tuple[tuple[int, Any, str], ...] = ()
    # pixels that were dropped by default, and all pixels read
    drops: tuple[int, int] = (0, 0)


@dataclass(frozen=True)
class Inputs:
    """What a block was made from, input by input, also of those that were left out."""

    ids: list[Any]
    y: list[Any] | None = None
    stamps: list[Any] | None = None
    contents: list[str] | None = None


class TableFolder:
    """A folder to which a table is written, block by block.

    A block is a file with its rows, one with what they were made from, and a record, which is
    written last: without it the block does not exist.
    """

    def __init__(self, path: Path, head: Head) -> None:
        self.path, self.head = path, head

    @classmethod
    def create(cls, path: Any, head: Head) -> TableFolder:
        """Begin a table in a new or empty folder, or go on with the same one.

        Raises ValueError if the folder holds another table, and says what is different; or OSError
        if it cannot be written.
        """
        path = _check_folder(path)
        if (path / HEAD).exists():
            known = Head.read(path)
            if different := _differences(known, head):
                raise ValueError(
                    f"path={str(path)!r} holds another table: {'; '.join(different)}. Expected "
                    "the same, or another folder."
                )
            return cls(path, known)
        path.mkdir(exist_ok=True)
        files = set(os.listdir(path))
        if RECORDS in files and not os.listdir(path / RECORDS):  # a run that has just begun
            files.remove(RECORDS)
        if strange := sorted(file for file in files if not _UNFINISHED.fullmatch(file)):
            raise ValueError(
                f"path={str(path)!r} holds {strange[0]!r} and no table; expected a new or an empty "
                "folder, or one with a table that is to be finished."
            )
        (path / RECORDS).mkdir(exist_ok=True)
        _write_text(path / HEAD, head.to_json())
        return cls(path, head)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Context in which no other process writes to this folder; removes what a killed one left.

        Raises BlockingIOError if another one does.
        """
        if fcntl is None:
            yield
            return
        number, is_free = os.open(self.path, os.O_RDONLY), True
        try:
            # some file systems have none
            with suppress(OSError):
                try:
                    fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    self._clean()
                except BlockingIOError:
                    is_free = False
            if not is_free:
                raise BlockingIOError(
                    f"path={str(self.path)!r} is being written by another process; expected one "
                    "at a time."
                )
            yield
        finally:
            os.close(number)

    def _clean(self) -> None:
        """Remove what a killed process left."""
        for folder in (self.path, self.path / RECORDS):
            for file in filter(_UNFINISHED.fullmatch, os.listdir(folder)):
                os.remove(folder / file)

    def file(self, k: int) -> Path:
        """File of the rows of block `k`."""
        return self.path / f"block-{k:06}.{self.head.layout}"

    def record(self, k: int) -> Record | None:
        """What is known of block `k`; None if it is not finished, or its files are damaged."""
        try:
            state = json.loads(self._beside(k, "json").read_text(encoding="utf-8"))
            state["skipped"] = tuple(map(tuple, state["skipped"]))
            found = Record(**state | {"drops": tuple(state["drops"])})
            self._beside(k, "inputs.json").stat()
            return found if self.file(k).stat().st_size == found.n_bytes else None
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def is_whole(self, k: int, record: Record) -> bool:
        """Whether the files of block `k` hold what was written; reads all of them."""
        inputs = self._beside(k, "inputs.json").read_bytes()
        checksums = _checksum(self.file(k)), zlib.crc32(inputs)
        return checksums == (record.checksum, record.inputs_checksum)

    def inputs(self, k: int, record: Record) -> Inputs:
        """What finished block `k` was made from."""
        file = self._beside(k, "inputs.json")
        try:
            text = file.read_bytes()
            if zlib.crc32(text) != record.inputs_checksum:
                raise ValueError("its checksum is not the one recorded")
            return Inputs(**json.loads(text))
        except (OSError, ValueError) as error:
            raise ValueError(
                f"{str(file)!r} is damaged: {error}; call describe_to again with the same images: "
                "it makes this block again."
            ) from error

    def write(
        self,
        k: int,
        rows: np.ndarray,
        inputs: Inputs,
        *,
        skipped: Sequence[tuple[int, Any, str]] = (),
        drops: tuple[int, int] = (0, 0),
    ) -> None:
        """Write block `k`; `rows`, (n_rows, n_columns), lack those of the inputs that are skipped.

        If it fails or is interrupted, the block does not exist.
        """
        rows = np.ascontiguousarray(rows, dtype=self.head.dtype)
        with written_whole(self.file(k)) as beside:
            if self.head.layout == NPY:
                with open(beside, "wb") as stream:
                    np.save(stream, rows)
            else:
                _write_parquet(beside, rows, self.head, k, inputs, skipped)
            n_bytes, checksum = beside.stat().st_size, _checksum(beside)
        text = json.dumps(vars(inputs))
        _write_text(self._beside(k, "inputs.json"), text)
        checksums = checksum, zlib.crc32(text.encode())
        record = Record(len(rows), n_bytes, *checksums, tuple(skipped), drops)
        _write_text(self._beside(k, "json"), json.dumps(vars(record)))

    def _beside(self, k: int, suffix: str) -> Path:
        return self.path / RECORDS / f"{k:06}.{suffix}"


def positions_of(head: Head, k: int, skipped: Sequence[tuple[int, Any, str]]) -> np.ndarray:
    """Positions of the inputs whose rows block `k` holds, (n_rows,) int64."""
    span = head.inputs(k)
    left_out = np.array([position for position, *_ in skipped], dtype=np.int64)
    return np.setdiff1d(np.arange(span.start, span.stop, dtype=np.int64), left_out)


def as_column(values: Sequence[Any], kind: str) -> np.ndarray:
    """Ids or classes as an array: of objects for text, else of a dtype of NumPy."""
    if kind != "text":
        return np.array(values, dtype=np.int64 if kind == "integers" else kind)
    found = np.empty(len(values), dtype=object)
    found[:] = values
    return found


def _check_folder(path: Any) -> Path:
    """Check the name of a folder that is to be written."""
    if not isinstance(path, str | os.PathLike) or isinstance(os.fspath(path), bytes):
        raise TypeError(f"path must be a str or a path, got {path!r}.")
    folder = Path(path)
    if not os.fspath(path):
        raise ValueError("path='' must be the name of a folder.")
    if folder.exists() and not folder.is_dir():
        raise NotADirectoryError(f"path={str(folder)!r} must be a folder, but it is a file.")
    if not folder.absolute().parent.is_dir():
        raise FileNotFoundError(
            f"path={str(folder)!r} must be a folder in an existing one, but there is no folder "
            f"{str(folder.absolute().parent)!r}."
        )
    return folder


def _differences(known: Head, head: Head) -> list[str]:
    """What another table has otherwise, in words."""
    found = []
    names = {
        "n_inputs": "number of images",
        "block_size": "block_size",
        "layout": "layout",
        "dtype": "dtype",
        "id_kind": "kind of ids",
        "y_kind": "kind of y",
    }
    for name, words in names.items():
        there, here = getattr(known, name), getattr(head, name)
        if there != here:
            found.append(f"its {words} is {there!r}, here {here!r}")
    there, here = known.settings, head.settings
    for name in {**there, **here}:
        (old, old_digest), (new, new_digest) = (
            settings.get(name, ("missing", "")) for settings in (there, here)
        )
        if old_digest != new_digest:
            found.append(
                f"its {name} differs" if old == new else f"its {name} is {old}, here {new}"
            )
    return found or (["its columns differ"] if known.columns != head.columns else [])


def _checksum(file: Path) -> int:
    """CRC-32 of a file that is not empty."""
    return zlib.crc32(np.memmap(file, mode="r"))


def _write_text(file: Path, text: str) -> None:
    with written_whole(file) as beside:
        beside.write_text(text, encoding="utf-8")


def _write_parquet(
    file: Path,
    rows: np.ndarray,
    head: Head,
    k: int,
    inputs: Inputs,
    skipped: Sequence[tuple[int, Any, str]],
) -> None:
    """Write a block that tools other than this package read, too."""
    import pandas as pd
    import pyarrow as pa
    from pyarrow import parquet

    positions = positions_of(head, k, skipped)
    here = (positions - head.inputs(k).start).tolist()
    schema = [(name, pa.from_numpy_dtype(head.dtype)) for name in head.columns]
    ids = pd.Index(as_column([inputs.ids[i] for i in here], head.id_kind), name=ID)
    frame = pd.DataFrame(rows, columns=list(head.columns), index=ids)
    extra = {POSITION: positions}
    if head.y_kind is not None and inputs.y is not None:
        extra[Y] = as_column([inputs.y[i] for i in here], head.y_kind)
    frame = pd.concat([frame, pd.DataFrame(extra, index=ids)], axis=1)
    if head.remark:
        frame.attrs["remark"] = head.remark
    kinds = {"text": pa.string(), "integers": pa.int64()}
    schema += [(POSITION, pa.int64())]
    if Y in extra:
        schema += [(Y, kinds.get(head.y_kind) or pa.from_numpy_dtype(head.y_kind))]
    schema += [(ID, kinds[head.id_kind])]
    table = pa.Table.from_pandas(frame, schema=pa.schema(schema), preserve_index=True)
    # hardly a number comes twice: a dictionary of them would take a third more
    parquet.write_table(table, file, use_dictionary=False, write_statistics=False)
