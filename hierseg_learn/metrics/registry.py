"""Node learners and combinations by name."""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np
from sklearn.base import clone

from ._combination import Combination
from ._landmarks import KernelDiscriminant
from ._lda import ShrinkageLDA
from ._logistic import LogisticCombination
from ._mlp_combination import MLPCombination
from ._projection import ProjectionCombination
from ._scatter import ScatterCombination
from ._weighted import WeightedCombination
from .gradient_metrics import LMNN, NCA, SNRMetric, TripletMargin
from .mlp import MLPMetric

# chosen on training data by benchmarks/bench_defaults.py
N_EXTRA_DIRECTIONS = 24

NODE_METRICS = {
    "lda": ShrinkageLDA,
    "nca": NCA,
    "lmnn": LMNN,
    "triplet": TripletMargin,
    "snr": SNRMetric,
    "kernel": KernelDiscriminant,
    "mlp": MLPMetric,
}
COMBINATIONS = {
    "projection": ProjectionCombination,
    "weighted": WeightedCombination,
    "scatter": ScatterCombination,
    "logistic": LogisticCombination,
    "mlp": MLPCombination,
}


def make_node_metric(spec: Any, *, device: str = "auto") -> Any:
    """Return the learner of a name, with its defaults and on a device, or the estimator given."""
    if isinstance(spec, str) and spec in NODE_METRICS:
        if spec in ("lda", "kernel"):
            return NODE_METRICS[spec](n_extra_directions=N_EXTRA_DIRECTIONS)
        learner = NODE_METRICS[spec]()
        takes_device = "device" in learner.get_params()
        return learner.set_params(device=device) if takes_device else learner
    is_learner = hasattr(spec, "fit") and hasattr(spec, "transform")
    if isinstance(spec, str | type) or not is_learner:
        raise _unknown("node_metric", spec, NODE_METRICS, "an estimator with fit and transform")
    return spec


def is_discriminant(spec: Any) -> bool:
    """Whether the learner of a name, or the one given, is that of linear discriminants."""
    return isinstance(spec, ShrinkageLDA) or (isinstance(spec, str) and spec == "lda")


def make_combination(spec: Any) -> Combination:
    """Return the combination of a name, with its defaults, or the validated object given."""
    if isinstance(spec, str) and spec in COMBINATIONS:
        spec = COMBINATIONS[spec]()
    if not isinstance(spec, Combination):
        raise _unknown("combination", spec, COMBINATIONS, "a Combination")
    spec._validate_params()
    return spec


def seeded_learners(learner: Any, paths: tuple[str, ...], seed: int) -> list[Any]:
    """Clone a learner for every node, with a seed that depends on the node's path only."""
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
    """Return the error for an unknown name or an object of the wrong type."""
    error = ValueError if isinstance(spec, str) else TypeError
    return error(f"{name} must be one of {', '.join(map(repr, known))} or {other}, got {spec!r}.")
