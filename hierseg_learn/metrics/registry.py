"""From the parameters `node_metric` and `combination` to objects."""

from __future__ import annotations

import zlib
from importlib import import_module
from typing import Any

import numpy as np
from sklearn.base import clone

from ._combination import Combination

# Directions beyond the discriminants that the default node metric offers to its parents; chosen on
# training data by benchmarks/bench_defaults.py.
N_WHITENED = 24

NODE_METRICS = {
    "lda": ("_lda", "ShrinkageLDA"),
    "nca": ("gradient_metrics", "NCA"),
    "lmnn": ("gradient_metrics", "LMNN"),
    "triplet": ("gradient_metrics", "TripletMargin"),
    "snr": ("gradient_metrics", "SNRMetric"),
}
COMBINATIONS = {
    "projection": ("_projection", "ProjectionCombination"),
    "weighted": ("_weighted", "WeightedCombination"),
    "scatter": ("_scatter", "ScatterCombination"),
}


def make_node_metric(spec: Any, *, device: str = "auto") -> Any:
    """Make the node learner that a parameter stands for.

    Parameters
    ----------
    spec : {"lda", "nca", "lmnn", "triplet", "snr"} or estimator
        A name stands for the learner with its defaults, on `device` where it has a choice.
    device : {"auto", "cpu", "cuda"}, default="auto"
        For learners given by name.

    Returns
    -------
    learner : estimator
        A new one, or the object given, which is not copied.

    Raises
    ------
    TypeError, ValueError
        If an object has no `fit` and `transform`, or there is no learner of that name.

    Examples
    --------
    >>> from hierseg_learn.metrics import make_node_metric
    >>> make_node_metric("lda")
    ShrinkageLDA(n_extra_directions=24)
    """
    if not isinstance(spec, str):
        if isinstance(spec, type) or not (hasattr(spec, "fit") and hasattr(spec, "transform")):
            raise _unknown("node_metric", spec, NODE_METRICS, "an estimator with fit and transform")
        return spec
    if spec not in NODE_METRICS:
        raise _unknown("node_metric", spec, NODE_METRICS, "an estimator with fit and transform")
    learner = _load(*NODE_METRICS[spec])()
    if spec == "lda":
        return learner.set_params(n_extra_directions=N_WHITENED)
    return learner.set_params(device=device)


def make_combination(spec: Any) -> Combination:
    """Make the combination that a parameter stands for.

    Parameters
    ----------
    spec : {"projection", "weighted", "scatter"} or Combination
        A name stands for the combination with its defaults.

    Returns
    -------
    combination : Combination
        A new one, or the object given, which is not copied.

    Raises
    ------
    TypeError, ValueError
        If there is no such combination, or a parameter of an object is not what it should be.

    Examples
    --------
    >>> from hierseg_learn.metrics import make_combination
    >>> make_combination("weighted")
    WeightedCombination()
    """
    if isinstance(spec, str) and spec in COMBINATIONS:
        spec = _load(*COMBINATIONS[spec])()
    if not isinstance(spec, Combination):
        raise _unknown("combination", spec, COMBINATIONS, "a Combination")
    spec._validate_params()
    return spec


def seeded_learners(learner: Any, paths: tuple[str, ...], seed: int) -> list[Any]:
    """Clone a learner for every node, with a seed of its own derived from the node's path.

    Returns `learners`: the same for a node, whatever other nodes there are.
    """
    learners = [clone(learner) for _ in paths]
    params = learner.get_params() if hasattr(learner, "get_params") else {}
    # those of the steps of a pipeline, too
    unset = [
        name
        for name, value in sorted(params.items())
        if value is None and name.rpartition("__")[2] == "random_state"
    ]
    for path, copy in zip(paths, learners, strict=True):
        seeds = {name: _seed_of(path + name.removesuffix("random_state"), seed) for name in unset}
        if seeds:
            copy.set_params(**seeds)
    return learners


def _seed_of(path: str, seed: int) -> int:
    entropy = [seed, zlib.crc32(path.encode())]
    return int(np.random.SeedSequence(entropy).generate_state(1)[0]) >> 1


def _unknown(name: str, spec: Any, known: dict[str, Any], other: str) -> Exception:
    """Return the error for what stands for nothing: a wrong name or a wrong object."""
    error = ValueError if isinstance(spec, str) else TypeError
    return error(f"{name} must be one of {', '.join(map(repr, known))} or {other}, got {spec!r}.")


def _load(module: str, name: str) -> type:
    return getattr(import_module(f".{module}", __package__), name)
