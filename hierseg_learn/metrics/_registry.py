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
    "nca": ("_nca", "NCA"),
    "lmnn": ("_lmnn", "LMNN"),
    "triplet": ("_triplet_margin", "TripletMargin"),
    "snr": ("_snr", "SNRMetric"),
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
    TypeError
        If an object has no `fit` and `transform`.

    Examples
    --------
    >>> from hierseg_learn.metrics import make_node_metric
    >>> make_node_metric("lda")
    ShrinkageLDA(n_whitened=24)
    """
    if not isinstance(spec, str):
        if isinstance(spec, type) or not (hasattr(spec, "fit") and hasattr(spec, "transform")):
            raise TypeError(
                f"node_metric must be one of {', '.join(map(repr, NODE_METRICS))} or an estimator "
                f"with fit and transform, got {spec!r}."
            )
        return spec
    learner = _load(*NODE_METRICS[spec])()
    if spec == "lda":
        return learner.set_params(n_whitened=N_WHITENED)
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
    ValueError
        If a parameter of an object is not what it should be.

    Examples
    --------
    >>> from hierseg_learn.metrics import make_combination
    >>> make_combination("weighted")
    WeightedCombination()
    """
    combination = _load(*COMBINATIONS[spec])() if isinstance(spec, str) else spec
    combination._validate_params()
    return combination


def seeded_learners(learner: Any, paths: tuple[str, ...], seed: int) -> list[Any]:
    """Clone a learner for every node, with a seed of its own derived from the node's path.

    Parameters
    ----------
    learner : estimator
        A `random_state` that it has already is kept.
    paths : tuple of str
        Paths of the nodes.
    seed : int
        Of the whole tree.

    Returns
    -------
    learners : list of estimators
        The same for a node, whatever other nodes there are.

    Examples
    --------
    >>> from hierseg_learn.metrics import make_node_metric
    >>> from hierseg_learn.metrics._registry import seeded_learners
    >>> seeded_learners(make_node_metric("lda"), ("photo/sky", "photo"), seed=0)
    [ShrinkageLDA(n_whitened=24), ShrinkageLDA(n_whitened=24)]
    """
    learners = [clone(learner) for _ in paths]
    params = learner.get_params(deep=False) if hasattr(learner, "get_params") else {}
    if "random_state" in params and params["random_state"] is None:
        for path, copy in zip(paths, learners, strict=True):
            entropy = [seed, zlib.crc32(path.encode())]
            state = np.random.SeedSequence(entropy).generate_state(1)[0]
            copy.set_params(random_state=int(state) >> 1)
    return learners


def _load(module: str, name: str) -> type:
    return getattr(import_module(f".{module}", __package__), name)
