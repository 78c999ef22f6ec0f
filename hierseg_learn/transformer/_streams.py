"""Photos described in blocks that go to a folder one by one, so that a killed run can go on."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from numbers import Integral, Real
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from joblib import Parallel, delayed, effective_n_jobs
from sklearn.utils import gen_batches
from sklearn.utils._param_validation import (
    Interval,
    StrOptions,
    validate_parameter_constraints,
)

from .._version import __version__
from ..images import ImageBatch
from ..table import StoredTable, open_table
from ..table.folder import HEAD, NPY, PARQUET, Head, Inputs, TableFolder
from ..utils import fingerprint
from ..utils.labels import TEXT, check_labels, label_kind
from ..utils.progress import ProgressBar
from .describe import TreeDescriber, chunk_size, fill_missing

N_NAMED = 3
# what an unreadable or unfit image, or its label map, is told by
_ERRORS = (ValueError, TypeError, OSError)


class Request(NamedTuple):
    """Where a table goes, and how."""

    path: Any
    layout: str
    block_size: int
    on_error: str
    max_errors: float
    n_jobs: int | None
    verbose: int


_CONSTRAINTS: dict[str, list] = {
    "layout": [StrOptions({"auto", PARQUET, NPY})],
    "block_size": [Interval(Integral, 1, None, closed="left")],
    "on_error": [StrOptions({"raise", "skip"})],
    "max_errors": [
        Interval(Integral, 0, None, closed="left"),
        Interval(Real, 0, 1, closed="both"),
    ],
}


def check_request(
    path: Any,
    *,
    layout: str,
    block_size: int,
    on_error: str,
    max_errors: float,
    n_jobs: int | None,
    verbose: int,
) -> Request:
    """Check the parameters of `describe_to`; layout "auto" is resolved."""
    given = {
        "layout": layout,
        "block_size": block_size,
        "on_error": on_error,
        "max_errors": max_errors,
    }
    validate_parameter_constraints(_CONSTRAINTS, given, caller_name="describe_to")
    has_pyarrow = find_spec("pyarrow") is not None
    if layout == "auto":
        layout = PARQUET if has_pyarrow else NPY
        if isinstance(path, str | Path) and (Path(path) / HEAD).is_file():
            layout = Head.read(Path(path)).layout
    if layout == PARQUET and not has_pyarrow:
        raise ImportError(
            "layout='parquet' needs pyarrow: pip install 'hierseg-learn[parquet]', or pass "
            "layout='npy'."
        )
    return Request(path, layout, int(block_size), on_error, max_errors, n_jobs, verbose)


def check_ids(ids: Any, batch: ImageBatch) -> tuple[list[Any], str]:
    """Ids of the images and their kind: those given, row labels, names of files, or positions."""
    name = "ids" if ids is not None else "the index of X"
    ids = batch.index if ids is None else ids
    if ids is None:
        names = batch.names()
        return (list(range(len(batch))), "integers") if names is None else (names, "text")
    values = check_labels(np.asarray(ids), name, len(batch), noun="id")
    if values.dtype.kind in "iu":
        return _fit_int64(values, name).tolist(), "integers"
    if label_kind(values) != TEXT:
        raise ValueError(
            f"{name} must hold text or whole numbers, got {values[0]!r} at position 0; pass ids=."
        )
    return list(map(str, values)), "text"


def check_targets(y: Any, n_images: int) -> tuple[list[Any] | None, str | None]:
    """Classes or numbers to be stored beside the rows, and their kind."""
    if y is None:
        return None, None
    values = check_labels(y, "y", n_images)
    if values.dtype.kind in "biuf":
        kinds = {"b": "bool", "f": "float64"}
        kind = kinds.get(values.dtype.kind, "int64")
        _fit_int64(values, "y")
        return values.astype(kind).tolist(), kind
    if label_kind(values) != TEXT:
        raise ValueError(f"y must hold text, numbers or booleans, got {values[0]!r} at position 0.")
    return list(map(str, values)), "text"


def _fit_int64(values: np.ndarray, name: str) -> np.ndarray:
    """Refuse whole numbers that would be other ones as int64."""
    if values.dtype == np.uint64 and len(large := np.flatnonzero(values > np.iinfo(np.int64).max)):
        raise ValueError(
            f"{name} must hold numbers below 2**63, got {values[large[0]]} at position {large[0]}; "
            "pass them as text."
        )
    return values


def _refuse_broken_text(values: list[Any] | None, name: str) -> None:
    """Refuse text that Parquet cannot hold, such as names of files that are no Unicode."""
    for i, value in enumerate(values or ()):
        try:
            str(value).encode()
        except UnicodeEncodeError:
            raise ValueError(
                f"{name} must hold text that is Unicode in a table of Parquet, got {value!a} at "
                f"position {i}; pass other ones, or layout='npy'."
            ) from None


class Describing:
    """A table that is being made: what describes the images, the images, and where it goes."""

    def __init__(
        self,
        request: Request,
        describer: TreeDescriber,
        batch: ImageBatch,
        head: Head,
        ids: list[Any],
        y: list[Any] | None,
        fill_values: np.ndarray | None,
    ) -> None:
        self.request, self.describer, self.batch = request, describer, batch
        self.ids, self.y, self.fill_values = ids, y, fill_values
        if head.layout == PARQUET:
            _refuse_broken_text(ids, "ids")
            _refuse_broken_text(y, "y")
        self.folder = TableFolder.create(request.path, head)

    def run(self) -> StoredTable:
        """Make the blocks that are not there."""
        request, folder, head = self.request, self.folder, self.folder.head
        with folder.locked():
            waiting = [k for k in range(head.n_blocks) if not self._is_there(k)]
            there = sorted(set(range(head.n_blocks)) - set(waiting))
            skipped = [entry for k in there for entry in folder.record(k).skipped]
            done = sum(head.inputs(k).stop - head.inputs(k).start for k in there)
            self._check_skipped(skipped)
            with ProgressBar(
                head.n_inputs, "Describing images", request.verbose, unit="photos", done=done
            ) as bar:
                results = self._results(waiting)
                for k in waiting:
                    self._make_block(k, results, skipped, bar)
                next(results, None)  # otherwise joblib takes it for stopped half-way
        return open_table(folder.path)

    def _make_block(
        self,
        k: int,
        results: Iterator[Described],
        skipped: list[tuple[int, Any, str]],
        bar: ProgressBar,
    ) -> None:
        """Write the next block from the results of its images."""
        head, span = self.folder.head, self.folder.head.inputs(k)
        found, errors = [], []
        for _ in self._chunks(k):
            found.append(next(results))
            errors += [(i, self.ids[i], message) for i, message in found[-1].errors]
            self._check_skipped([*skipped, *errors])
            bar.advance(len(found[-1].stamps))
        skipped += errors
        rows = np.concatenate([one.rows for one in found]).astype(head.dtype, copy=False)
        if self.fill_values is not None:
            fill_missing(rows, self.fill_values)
        drops = np.sum([one.drops for one in found], axis=0)
        self.batch.drops[span.start] = drops
        inputs = Inputs(
            self.ids[span],
            None if self.y is None else self.y[span],
            [stamp for one in found for stamp in one.stamps],
            [content for one in found for content in one.contents],
        )
        self.folder.write(k, rows, inputs, skipped=errors, drops=tuple(drops.tolist()))

    def _chunks(self, k: int) -> list[slice]:
        """Images of a block that are described together."""
        span = self.folder.head.inputs(k)
        chunks = gen_batches(span.stop - span.start, chunk_size(self.describer))
        return [slice(span.start + chunk.start, span.start + chunk.stop) for chunk in chunks]

    def _results(self, waiting: Sequence[int]) -> Iterator[Described]:
        """What is found in all images of some blocks, chunk by chunk, in order."""
        n_jobs, skips = self.request.n_jobs, self.request.on_error == "skip"
        subsets = (self.batch.subset(chunk) for k in waiting for chunk in self._chunks(k))
        if effective_n_jobs(n_jobs) == 1:
            return (describe_some(self.describer, subset, skips) for subset in subsets)
        return Parallel(n_jobs=n_jobs, return_as="generator")(
            delayed(describe_some)(self.describer, subset, skips) for subset in subsets
        )

    def _is_there(self, k: int) -> bool:
        """Whether block `k` is finished; ValueError if it was made from other images."""
        record = self.folder.record(k)
        if record is None or not self.folder.is_whole(k, record):
            return False
        self.batch.drops[self.folder.head.inputs(k).start] = record.drops
        known, span = self.folder.inputs(k, record), self.folder.head.inputs(k)
        left_out = {position for position, *_ in record.skipped}
        for place, i in enumerate(range(span.start, span.stop)):
            if known.ids[place] != self.ids[i]:
                raise self._other(i, "id", known.ids[place], self.ids[i])
            if known.y is not None and self.y is not None and known.y[place] != self.y[i]:
                raise self._other(i, "y", known.y[place], self.y[i])
            stamp = self.batch.stamp(i)
            if stamp and stamp == known.stamps[place]:
                continue
            if self.batch.content(i) == known.contents[place]:
                continue
            if i in left_out:  # somebody has mended it
                return False
            raise ValueError(
                f"path={str(self.folder.path)!r} holds a table of other images: image {i} "
                f"({self.ids[i]!r}) has changed since it was described. Expected the same images, "
                "or another folder."
            )
        return True

    def _other(self, i: int, what: str, there: Any, here: Any) -> ValueError:
        return ValueError(
            f"path={str(self.folder.path)!r} holds a table of other images: {what} of image {i} is "
            f"{there!r} there, and {here!r} here. Expected the same, or another folder."
        )

    def _check_skipped(self, skipped: Sequence[tuple[int, Any, str]]) -> None:
        """Raise if images were skipped that may not be, or too many."""
        given, n_images = self.request.max_errors, len(self.batch)
        if self.request.on_error == "raise":
            if skipped:
                raise ValueError(
                    f"path={str(self.folder.path)!r} holds a table without {len(skipped)} of "
                    f"{n_images} images: {skipped[0][2]} Mend them, pass on_error='skip', or "
                    "another folder."
                )
            return
        limit = given if isinstance(given, Integral) else math.ceil(given * n_images)
        if len(skipped) > limit:
            shown = " ".join(message for *_, message in skipped[-N_NAMED:])
            raise ValueError(
                f"{len(skipped)} of {n_images} images cannot be described, and max_errors={given} "
                f"allows {limit}. The last of them: {shown}"
            )


class Described(NamedTuple):
    """What is found in some images."""

    rows: np.ndarray  # (n_described, n_columns) float64
    drops: np.ndarray  # (2,) int: pixels dropped by default, and pixels read
    errors: list[tuple[int, str]]  # positions of images that cannot be described, and why
    stamps: list[list[int]]
    contents: list[str]


def describe_some(describer: TreeDescriber, batch: ImageBatch, skips: bool) -> Described:
    """Describe images, also in another process; with `skips`, leave out those that cannot be."""
    # before they are read, so that what changes meanwhile is noticed
    stamps = [batch.stamp(i) for i in range(len(batch))]
    contents = [batch.content(i) for i in range(len(batch))]
    errors: list[tuple[int, str]] = []
    try:
        rows = describer.rows(batch)
        drops = batch.drops
    except _ERRORS:
        if not skips:
            raise
        found, drops = [np.empty((0, len(describer.columns.names)))], np.zeros((1, 2), dtype=int)
        for i in range(len(batch)):
            one = batch.subset([i])
            try:
                found.append(describer.rows(one))
                drops += one.drops
            except _ERRORS as error:
                errors.append((batch.position(i), str(error)))
        rows = np.concatenate(found)
    return Described(rows, drops.sum(axis=0), errors, stamps, contents)


def settings_of(transformer: Any) -> dict[str, tuple[str, str]]:
    """What the rows depend on besides the images: by name a text, and a digest."""
    describer = transformer._describer()
    values = {
        name: (getattr(transformer, name), repr(getattr(transformer, name)))
        for name in ("describe_inner", "erosion", "missing", "device")
    }
    values |= {
        f"descriptor {name!r}": (descriptor, repr(descriptor))
        for name, descriptor in transformer.descriptors_
    }
    values |= {
        "tree_": (transformer.tree_, f"one of {transformer.tree_.n_nodes} nodes"),
        "segmenter_": (transformer.segmenter_, repr(transformer.segmenter_)),
        "encoding_": (transformer.encoding_, repr(transformer.encoding_)),
        "layout of parts": (describer.layouts, ""),
        "fill_values_": (transformer.fill_values_ if transformer.missing == "mean" else None, ""),
        "version of hierseg_learn": (__version__, __version__),
    }
    return {name: (text, fingerprint(value)) for name, (value, text) in values.items()}


def reading_of(batch: ImageBatch) -> dict[str, tuple[str, str]]:
    """How files are read, where the images come from files."""
    recipes = batch.recipes()
    shown = ", ".join(type(recipe).__name__ for recipe in recipes) or "none"
    return {"way of reading files": (shown, fingerprint(recipes))}
