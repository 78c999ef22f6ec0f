"""Node metrics on a GPU: against Numba on all cores, in stacks against one by one, by kernel.

Fits are timed as whole calls on NumPy arrays, including transfers; first calls, which compile, are
timed separately. Rates of a kernel are shares of the rates of a copy and of a large float32 product
on the same GPU.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from _gpu import Device, best_rates, counted_transfers, open_gpu
from _harness import Progress, parse_arguments, print_table, record
from _sized import SEED, make_sized

from hierseg_learn.kernels import _pair_losses, get_backend, searches
from hierseg_learn.metrics import LMNN, NCA, SNRMetric, TripletMargin
from hierseg_learn.metrics._stacked_fit import fit_stacked
from hierseg_learn.metrics.node import fit_node_map

NAME = "gpu"
CASES = ("flat", "tree", "kernels", "agreement")
LEARNERS = {"NCA": NCA, "LMNN": LMNN, "TripletMargin": TripletMargin, "SNRMetric": SNRMetric}
FULL = {
    "flat": (100_000, 100),
    "nodes": 60,
    "node": (5_000, 40),
    "batch": 1000,
    "queries": 2000,
    "points": 50_000,
    "pixels": 2_000_000,
}
QUICK = {
    "flat": (600, 30),
    "nodes": 3,
    "node": (200, 5),
    "batch": 40,
    "queries": 20,
    "points": 150,
    "pixels": 500,
}
N_NEIGHBORS, N_COMPONENTS, N_CHANNELS, N_REGIONS = 5, 50, 24, 200
Sizes = dict[str, Any]


def main(argv: Sequence[str] | None = None) -> None:
    arguments = parse_arguments(__doc__, argv, add_options)
    try:
        device = open_gpu()
    except RuntimeError as error:
        print(f"Nothing was measured: {error}")
        return
    run(arguments, device)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options that the other benchmarks do not have."""
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--repeats", type=int, default=3, help="calls (default: %(default)s)")


def run(arguments: argparse.Namespace, device: Device) -> dict[str, Any]:
    """Measure the cases that were asked for, print them and write them down."""
    sizes, say = QUICK if arguments.quick else FULL, Progress()
    measure = {
        "flat": time_flat,
        "tree": time_tree,
        "kernels": time_kernels,
        "agreement": compare_results,
    }
    results = {}
    for case in arguments.cases:
        say(f"case {case}")
        results[case] = measure[case](device, sizes, arguments.repeats)
        print_table(results[case]["rows"], case)
    settings = {"gpu": device.model, "repeats": arguments.repeats, "seed": SEED, "sizes": sizes}
    record(arguments, NAME, __doc__.partition("\n")[0], settings, results)
    return results


def time_flat(device: Device, sizes: Sizes, repeats: int) -> dict[str, Any]:
    """Fit every learner on one large table, on the device and by Numba on all cores."""
    n_rows, n_columns = sizes["flat"]
    table = make_sized(n_rows, n_columns, n_test=min(4000, n_rows))
    X, y = table["X"], table["y"]
    rows = []
    for name, learner in LEARNERS.items():
        row = {"learner": name}
        for where, label in ((device.name, "gpu"), ("cpu", "cpu")):
            fit = partial(learner(random_state=SEED, device=where).fit, X, y)
            row[f"{label}_first"] = device.seconds(fit, 1)
            row[f"{label}_seconds"] = device.seconds(fit, repeats)
        row["ratio"] = row["cpu_seconds"] / row["gpu_seconds"]
        with counted_transfers(device) as transfers:
            learner(random_state=SEED, device=device.name).fit(X, y)
        row |= {f"{way}_mb": n_bytes / 1e6 for way, n_bytes in transfers.n_bytes.items()}
        row["n_transfers"] = sum(transfers.counts.values())
        rows.append(row)
    return {"rows": rows, "cores": os.cpu_count()}


def time_tree(device: Device, sizes: Sizes, repeats: int) -> dict[str, Any]:
    """Fit many nodes in stacks, one by one on the device, and one by one by Numba."""
    n_nodes, (n_rows, n_columns) = sizes["nodes"], sizes["node"]
    table = make_sized(n_rows, max(n_columns, 30) * 2, n_test=100)
    X, codes = table["X"].astype(np.float64), table["y"]
    rng = np.random.default_rng(SEED)
    columns = tuple(np.sort(rng.permutation(X.shape[1])[:n_columns]) for _ in range(n_nodes))
    names = tuple(f"node {node}" for node in range(n_nodes))
    tasks = [(np.arange(n_rows), node) for node in range(n_nodes)]

    def learners(where: str) -> list[NCA]:
        return [NCA(random_state=node, device=where) for node in range(n_nodes)]

    def in_stacks() -> list:
        arguments = (X, codes, tasks, columns, learners(device.name), names, device.backend)
        return fit_stacked(*arguments, n_jobs=-1, on_fit=lambda: None)

    def one_by_one(where: str) -> list:
        fits = zip(learners(where), columns, names, strict=True)
        return [fit_node_map(learner, X[:, own], codes, name=name) for learner, own, name in fits]

    ways = {
        "stacks": in_stacks,
        "one by one": partial(one_by_one, device.name),
        "one by one, Numba": partial(one_by_one, "cpu"),
    }
    rows = []
    for way, fit in ways.items():
        row = {"way": way, "first": device.seconds(fit, 1), "seconds": device.seconds(fit, repeats)}
        with counted_transfers(device) as transfers:
            fit()
        rows.append(row | {"mb": sum(transfers.n_bytes.values()) / 1e6})
    return {"rows": rows, "times_faster": rows[1]["seconds"] / rows[0]["seconds"]}


def time_kernels(device: Device, sizes: Sizes, repeats: int) -> dict[str, Any]:
    """Time every kernel, and the array operations that it replaces, on arrays of the device."""
    rates = best_rates(device, size=min(8192, 8 * sizes["batch"]))
    rows = []
    for name, (arguments, n_bytes, operations) in kernel_cases(device, sizes).items():
        kernel = partial(getattr(device.backend, name), *arguments)
        composed = partial(composed_kernel(name), *arguments)
        row = {"kernel": name, "first": device.seconds(kernel, 1)}
        row["seconds"] = device.seconds(kernel, max(repeats, 5))
        row["composed"] = _seconds_or_none(device, composed, repeats)
        row["share_of_copy"] = n_bytes / row["seconds"] / rates["bytes_per_second"]
        row["share_of_product"] = operations / row["seconds"] / rates["operations_per_second"]
        rows.append(row)
    return {"rows": rows, "rates": rates}


def kernel_cases(device: Device, sizes: Sizes) -> dict[str, tuple[tuple, int, int]]:
    """Arguments of every kernel, and the bytes and operations that no method could do without.

    A block of pairs counts as written by the product, read and written by the step, and read by the
    product that follows; arguments count once.
    """
    rng = np.random.default_rng(SEED)
    n, queries, points, pixels = (sizes[key] for key in ("batch", "queries", "points", "pixels"))
    n_stack, k = sizes["nodes"], N_COMPONENTS

    def floats(*shape: int) -> Any:
        return device.backend.asarray(rng.normal(size=shape).astype(np.float32))

    def integers(high: int, *shape: int) -> Any:
        return device.backend.asarray(rng.integers(0, high, shape))

    full = device.backend.asarray(np.full(n_stack, n))
    pairs, three_products = 4 * 4 * n * n, 3 * 2 * n * n * k
    searched = 2 * queries * points * k
    pooled = 4 * pixels * N_CHANNELS + 8 * pixels
    listed = 4 * n * k * (3 + 10)
    # squared distances up to the mean of random points
    ranges = [device.backend.asarray(np.full(queries, end)) for end in (0.0, 2.0 * k)]
    Z, codes, lists = floats(n, k), integers(8, n), integers(n, n, 13)
    regions = integers(N_REGIONS, pixels)
    return {
        "region_sums": ((floats(pixels, N_CHANNELS), regions, N_REGIONS), pooled, 0),
        "nearest": (
            (floats(queries, k), floats(points, k), N_NEIGHBORS),
            2 * 4 * queries * points,
            searched,
        ),
        "count_classes": (
            (floats(queries, k), floats(points, k), integers(8, points), 8, *ranges),
            2 * 4 * queries * points,
            searched,
        ),
        "nca_loss_grad": ((Z, codes), pairs, three_products),
        "stacked_nca_loss_grad": (
            (floats(n_stack, n, k), integers(8, n_stack, n), full),
            n_stack * pairs,
            n_stack * three_products,
        ),
        "triplet_loss_grad": ((Z, codes, 1.0), pairs, three_products),
        "snr_loss_grad": ((Z, codes, 0.5), pairs, three_products),
        "snr_distances": ((Z, Z), 3 * 4 * n * n, 2 * n * n * k),
        "lmnn_loss_grad": ((Z, lists[:, :3], lists[:, 3:], 0.5), 2 * listed, 0),
    }


def composed_kernel(name: str) -> Callable:
    """The kernel as a chain of array operations."""
    return getattr(searches, name, None) or getattr(_pair_losses, name)


def compare_results(device: Device, sizes: Sizes, repeats: int) -> dict[str, Any]:
    """Compare losses, gradients and neighbor lists with those of Numba on the same numbers."""
    cpu, rows = get_backend("cpu"), []
    for name, (arguments, _, _) in kernel_cases(device, sizes).items():
        here = device.backend.to_numpy
        arrays = [here(a) if hasattr(a, "dtype") else a for a in arguments]
        found = _as_tuple(getattr(device.backend, name)(*arguments), here)
        again = _as_tuple(getattr(device.backend, name)(*arguments), here)
        expected = _as_tuple(getattr(cpu, name)(*arrays), np.asarray)
        row = {"kernel": name, "same_bits": all(map(np.array_equal, found, again))}
        row["same_lists"] = None
        if name == "nearest":
            row["same_lists"] = float(np.mean(np.all(found[0] == expected[0], axis=1)))
        row["first_difference"] = relative_difference(found[0], expected[0])
        row["last_difference"] = relative_difference(found[-1], expected[-1])
        rows.append(row)
    return {"rows": rows}


def relative_difference(found: np.ndarray, expected: np.ndarray) -> float:
    """Largest difference, over the largest number expected."""
    size = np.max(np.abs(expected), initial=np.finfo(np.float32).tiny)
    return float(np.max(np.abs(found - expected), initial=0.0) / size)


def _as_tuple(result: Any, to_numpy: Callable) -> tuple[np.ndarray, ...]:
    parts = result if isinstance(result, tuple) else (result,)
    return tuple(np.asarray(p) if isinstance(p, float) else to_numpy(p) for p in parts)


def _seconds_or_none(device: Device, function: Callable, repeats: int) -> float | None:
    """Median time, or None where a call takes so long that one is enough to know."""
    start = time.perf_counter()
    first = device.seconds(function, 1)
    return first if time.perf_counter() - start > 20 else device.seconds(function, repeats)


if __name__ == "__main__":
    main()
