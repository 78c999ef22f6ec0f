"""Shared code of the benchmarks: arguments, data, splits, intervals, tables and JSON results."""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from joblib import Parallel, parallel_config
from scipy import stats
from sklearn.utils import Bunch

import hierseg_learn
from hierseg_learn.datasets import load_segmented_folder, make_portraits

BENCHMARKS = Path(__file__).resolve().parent
RESULTS = BENCHMARKS / "results"
PICTURES = BENCHMARKS.parent / "docs" / "benchmarks"
# exit code where the photos are not there; other failures have Python's 1
NO_DATA = 3
PACKAGES = ("numpy", "scipy", "scikit-learn", "scikit-image", "numba")


def parse_arguments(
    question: str,
    argv: Sequence[str] | None,
    add_options: Callable[[argparse.ArgumentParser], None] | None = None,
) -> argparse.Namespace:
    """Read the options that all benchmarks have, and those that one of them adds."""
    parser = argparse.ArgumentParser(description=question)
    parser.add_argument(
        "--quick",
        action="store_true",
        help="test run on a few generated portraits; the numbers are not meaningful",
    )
    parser.add_argument("--jobs", type=int, default=1, help="processes (default: %(default)s)")
    parser.add_argument(
        "--output",
        type=Path,
        help="folder for JSON and pictures (default: benchmarks/results and docs/benchmarks)",
    )
    if add_options is not None:
        add_options(parser)
    arguments = parser.parse_args(argv)
    if arguments.quick and arguments.output is None:
        parser.error("--quick needs --output, so that it does not overwrite real results")
    arguments.results = arguments.output or RESULTS
    arguments.pictures = arguments.output or PICTURES
    return arguments


def data_folder(name: str) -> Path:
    """Folder of a data set; ends the program where it is missing.

    Data sets lie in the folder that the environment variable HIERSEG_LEARN_DATA names, by default
    in ``shared/data`` beside the checkout.
    """
    default = BENCHMARKS.parents[1] / "shared" / "data"
    folder = Path(os.environ.get("HIERSEG_LEARN_DATA", default)) / name
    if not folder.is_dir():
        sys.stderr.write(
            f"The data set {name!r} was not found. Set HIERSEG_LEARN_DATA to the folder that holds "
            f"{name}/, or try --quick, which needs no data.\n"
        )
        raise SystemExit(NO_DATA)
    return folder


def load_ccp_parts() -> Bunch:
    """655 street photos with part masks, with the positions of both splits."""
    folder = data_folder("ccp_parts")
    data = load_segmented_folder(folder, as_frame=True)
    split = data.frame["split"].to_numpy()
    return Bunch(
        name="ccp_parts",
        images=data.images,
        target=data.target.to_numpy(),
        target_names=data.target_names,
        tree=data.tree,
        ids=data.ids,
        train=np.flatnonzero(split == "train"),
        test=np.flatnonzero(split == "test"),
    )


def load_cifar10_dev() -> Bunch:
    """15,000 photos of 32 × 32 pixels in ten classes, with the positions of both splits."""
    folder = data_folder("cifar10_dev")
    with np.load(folder / "cifar10_dev.npz") as arrays:
        return Bunch(
            name="cifar10_dev",
            images=arrays["images"],
            target=arrays["labels"].astype(np.int64),
            target_names=[str(name) for name in arrays["label_names"]],
            train=np.flatnonzero(arrays["split"] == "train"),
            test=np.flatnonzero(arrays["split"] == "test"),
        )


def load_portraits(n_samples: int, image_size: tuple[int, int] = (48, 40)) -> Bunch:
    """Load portraits whose class shows in hair and clothes, two thirds of them to train with."""
    data = make_portraits(
        n_samples,
        signal=("hair", "clothes"),
        missing=0.2,
        image_size=image_size,
        random_state=0,
    )
    n_train = 2 * n_samples // 3
    return Bunch(
        name="portraits",
        images=data.images,
        target=data.target,
        target_names=data.target_names,
        tree=data.tree,
        ids=data.ids,
        train=np.arange(n_train),
        test=np.arange(n_train, n_samples),
    )


def repeated_cv_interval(
    values: Sequence[float], n_train: float, n_test: float, level: float = 0.95
) -> dict[str, float]:
    """Mean of differences (or scores) over repeated cross-validation, and its interval.

    Training sets overlap, so the variance of the mean is not ``s² / J`` but, after Nadeau and
    Bengio [1]_, ``(1 / J + n_test / n_train) s²``; the t distribution has J - 1 degrees of freedom.

    Parameters
    ----------
    values : sequence of float
        One per fold of every repeat, J in all.
    n_train, n_test : float
        Rows of a training and of a test fold.
    level : float, default=0.95
        Of the interval.

    Returns
    -------
    summary : dict of str to float
        ``mean``, ``se`` (corrected), ``low`` and ``high``.

    References
    ----------
    .. [1] C. Nadeau, Y. Bengio. "Inference for the Generalization Error". Machine Learning 52,
       2003.
    """
    values = np.asarray(values, dtype=float)
    n_values = len(values)
    spread = values.std(ddof=1) if n_values > 1 else float("nan")
    error = spread * np.sqrt(1 / n_values + n_test / n_train)
    return _summary(values.mean(), error, n_values - 1, level)


def paired_test_interval(
    right_a: np.ndarray, right_b: np.ndarray, level: float = 0.95
) -> dict[str, float]:
    """Difference of two accuracies on the same test rows, and its interval.

    It is about this test set and this training set: that other training rows would have given
    other models is not in it.
    """
    differences = np.asarray(right_a, dtype=float) - np.asarray(right_b, dtype=float)
    error = differences.std(ddof=1) / np.sqrt(len(differences))
    return _summary(differences.mean(), error, len(differences) - 1, level)


def _summary(mean: float, error: float, freedom: int, level: float) -> dict[str, float]:
    half = stats.t.ppf((1 + level) / 2, freedom) * error if freedom > 0 else float("nan")
    return {
        "mean": float(mean),
        "se": float(error),
        "low": float(mean - half),
        "high": float(mean + half),
    }


def print_table(rows: Sequence[Mapping[str, Any]], title: str = "") -> None:
    """Print rows as a table; numbers with three decimals."""
    columns = list(rows[0])
    cells = [[_cell(row.get(column)) for column in columns] for row in rows]
    widths = [max(map(len, column)) for column in zip(columns, *cells)]
    right = [isinstance(rows[0].get(column), float | int) for column in columns]
    lines = [
        "  ".join(
            cell.rjust(width) if flush else cell.ljust(width)
            for cell, width, flush in zip(line, widths, right)
        ).rstrip()
        for line in ([*columns], *cells)
    ]
    lines.insert(1, "-" * max(map(len, lines)))
    print("\n".join(["", title, *lines] if title else ["", *lines]), flush=True)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def record(
    arguments: argparse.Namespace,
    name: str,
    question: str,
    settings: Mapping[str, Any],
    results: Mapping[str, Any],
) -> Path:
    """Write the results of a benchmark to NAME.json, with settings and versions."""
    content = {
        "name": name,
        "question": question,
        "quick": arguments.quick,
        "date": datetime.date.today().isoformat(),
        "versions": {
            "python": platform.python_version(),
            **{package: version(package) for package in PACKAGES},
            "hierseg_learn": hierseg_learn.__version__,
        },
        "machine": describe_machine(),
        "settings": dict(settings),
        "results": dict(results),
    }
    arguments.results.mkdir(parents=True, exist_ok=True)
    file = arguments.results / f"{name}.json"
    text = json.dumps(_rounded(content), indent=1, ensure_ascii=False)
    file.write_text(text + "\n", encoding="utf-8")
    print(f"\nwrote {file.name}", flush=True)
    return file


def results_on_record(arguments: argparse.Namespace, name: str) -> dict[str, Any]:
    """Return the results that earlier runs have written to NAME.json, if any have."""
    file = arguments.results / f"{name}.json"
    if not file.is_file():
        return {}
    return json.loads(file.read_text(encoding="utf-8"))["results"]


def describe_machine() -> dict[str, Any]:
    """Model of the processor, cores and memory; nothing that identifies the machine."""
    processor = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        lines = cpuinfo.read_text().splitlines()
        models = [line for line in lines if line.startswith("model name")]
        processor = models[0].split(":", 1)[1].strip() if models else processor
    memory = None
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        memory = round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30, 1)
    return {"cpu": processor, "cores": os.cpu_count(), "memory_gib": memory}


def _rounded(value: Any) -> Any:
    """Plain Python values, floats with five digits."""
    if isinstance(value, Mapping):
        return {str(key): _rounded(item) for key, item in value.items()}
    if isinstance(value, np.ndarray | list | tuple):
        return [_rounded(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        return round(value, 5) if np.isfinite(value) else None
    return value


class Progress:
    """Progress messages on stderr, with elapsed times."""

    def __init__(self) -> None:
        self.started = time.perf_counter()

    def __call__(self, text: str) -> None:
        """Say that something is done."""
        sys.stderr.write(f"[{time.perf_counter() - self.started:6.0f} s] {text}\n")
        sys.stderr.flush()


def mean_of(rows: Iterable[Mapping[str, float]], key: str) -> float:
    """Mean of one entry of several rows."""
    return float(np.mean([row[key] for row in rows]))


def workers(n_jobs: int) -> Parallel:
    """Run tasks in processes of one thread each; results come one by one, in their order."""
    with parallel_config(backend="loky", inner_max_num_threads=1):
        return Parallel(n_jobs=n_jobs, return_as="generator")
