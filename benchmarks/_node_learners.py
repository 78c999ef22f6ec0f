"""Metric learners that are compared, each as a function from rows and classes to a linear map."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any

import numpy as np

# rows, classes, n_components, most steps (None: the learner's own), seed
Fit = Callable[[np.ndarray, np.ndarray, int, int | None, int], np.ndarray]

# pytorch-metric-learning: the best of a few settings tried on the table of 5,000 × 50
TRIPLET_MARGIN, TRIPLET_BATCH, TRIPLET_STEP, TRIPLET_EPOCHS = 1.0, 128, 1e-3, 10
# NCA in a tenth of the time: small batches, and no rows held out to evaluate the steps
FAST_PARAMS = {"batch_size": 250, "early_stopping": False}


@dataclass(frozen=True)
class Learner:
    """One row of the comparison.

    Parameters
    ----------
    load : callable
        Imports what the learner needs and returns its fit, a `Fit`.
    package : str
        What has to be installed, as it is imported.
    ours : bool
        Whether it is this package's.
    grid : tuple of int
        Most steps along the curve of accuracy over time, ascending; empty: not on the curve.
    params : dict
        Of the learner, for the record.
    """

    load: Callable[[dict[str, Any]], Fit]
    package: str
    ours: bool = False
    grid: tuple[int, ...] = ()
    params: dict[str, Any] = field(default_factory=dict)

    @property
    def is_installed(self) -> bool:
        """Whether the package can be imported."""
        return find_spec(self.package) is not None


def load_ours(name: str) -> Callable[[dict[str, Any]], Fit]:
    """Return the loader of a gradient-trained learner of this package."""

    def load(params: dict[str, Any]) -> Fit:
        from hierseg_learn import metrics

        learner = getattr(metrics, name)

        def fit(
            X: np.ndarray, y: np.ndarray, n_components: int, max_iter: int | None, seed: int
        ) -> np.ndarray:
            chosen = params if max_iter is None else {**params, "max_iter": max_iter}
            made = learner(n_components, random_state=seed, device="cpu", **chosen)
            return made.fit(X, y).components_

        return fit

    return load


def load_shrinkage_lda(params: dict[str, Any]) -> Fit:
    """The default learner of a node in a tree: no more components than classes less one."""
    from hierseg_learn.metrics import ShrinkageLDA

    return lambda X, y, n_components, max_iter, seed: ShrinkageLDA(**params).fit(X, y).components_


def load_scikit_learn_nca(params: dict[str, Any]) -> Fit:
    from sklearn.neighbors import NeighborhoodComponentsAnalysis

    def fit(
        X: np.ndarray, y: np.ndarray, n_components: int, max_iter: int | None, seed: int
    ) -> np.ndarray:
        chosen = params if max_iter is None else {**params, "max_iter": max_iter}
        made = NeighborhoodComponentsAnalysis(n_components, random_state=seed, **chosen)
        return made.fit(X, y).components_

    return fit


def load_metric_learn(name: str) -> Callable[[dict[str, Any]], Fit]:
    """Return the loader of an estimator of metric-learn."""

    def load(params: dict[str, Any]) -> Fit:
        import metric_learn

        from hierseg_learn.metrics.node import prepare

        learner = getattr(metric_learn, name)

        def fit(
            X: np.ndarray, y: np.ndarray, n_components: int, max_iter: int | None, seed: int
        ) -> np.ndarray:
            chosen = params if max_iter is None else {**params, "max_iter": max_iter}
            made = learner(n_components=n_components, random_state=seed, **chosen)
            prepare(made)
            return made.fit(X, y).components_

        return fit

    return load


def load_torch_triplets(params: dict[str, Any]) -> Fit:
    """Triplets of pytorch-metric-learning on a linear map that starts as the identity."""
    import torch
    from pytorch_metric_learning import distances, losses, miners

    def fit(
        X: np.ndarray, y: np.ndarray, n_components: int, max_iter: int | None, seed: int
    ) -> np.ndarray:
        torch.manual_seed(seed)
        rows = torch.as_tensor(X, dtype=torch.float32)
        classes = torch.as_tensor(y)
        linear = torch.nn.Linear(X.shape[1], n_components, bias=False)
        torch.nn.init.eye_(linear.weight)
        # what is learned is a linear map, so its rows must not be normalized
        distance = distances.LpDistance(normalize_embeddings=False)
        loss = losses.TripletMarginLoss(TRIPLET_MARGIN, distance=distance)
        miner = miners.TripletMarginMiner(TRIPLET_MARGIN, "semihard", distance=distance)
        optimizer = torch.optim.Adam(linear.parameters(), TRIPLET_STEP)
        n_epochs = TRIPLET_EPOCHS if max_iter is None else max_iter
        n_steps = n_epochs * -(-len(X) // TRIPLET_BATCH)
        fade = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, n_steps)
        for _ in range(n_epochs):
            for batch in torch.randperm(len(X)).split(TRIPLET_BATCH):
                optimizer.zero_grad()
                embedded = linear(rows[batch])
                triplets = miner(embedded, classes[batch])
                loss(embedded, classes[batch], triplets).backward()
                optimizer.step()
                fade.step()
        return linear.weight.detach().numpy().astype(np.float64)

    return fit


def load_discriminants(params: dict[str, Any]) -> Fit:
    """Shrinkage LDA, which has no more components than classes less one."""
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    def fit(
        X: np.ndarray, y: np.ndarray, n_components: int, max_iter: int | None, seed: int
    ) -> np.ndarray:
        made = LinearDiscriminantAnalysis(**params).fit(X, y)
        return made.scalings_[:, : min(n_components, made._max_components)].T

    return fit


def load_nothing(params: dict[str, Any]) -> Fit:
    """Standardized columns as they are."""
    return lambda X, y, n_components, max_iter, seed: np.eye(X.shape[1])


OUR_GRID = (5, 10, 20, 40, 80, 160, 320)
FAST = "NCA, small batches"
SKLEARN_NCA, ML_NCA, ML_LMNN = "scikit-learn NCA", "metric-learn NCA", "metric-learn LMNN"
TRIPLETS, LDA = "pytorch-metric-learning triplets", "scikit-learn LDA, shrinkage"
RAW = "standardized columns"
LEARNERS = {
    "NCA": Learner(load_ours("NCA"), "hierseg_learn", True, OUR_GRID),
    FAST: Learner(load_ours("NCA"), "hierseg_learn", True, OUR_GRID, FAST_PARAMS),
    "LMNN": Learner(load_ours("LMNN"), "hierseg_learn", True, OUR_GRID),
    "TripletMargin": Learner(load_ours("TripletMargin"), "hierseg_learn", True, OUR_GRID),
    "SNRMetric": Learner(load_ours("SNRMetric"), "hierseg_learn", True, OUR_GRID),
    "ShrinkageLDA": Learner(load_shrinkage_lda, "hierseg_learn", True),
    RAW: Learner(load_nothing, "sklearn"),
    LDA: Learner(load_discriminants, "sklearn", params={"solver": "eigen", "shrinkage": "auto"}),
    TRIPLETS: Learner(
        load_torch_triplets, "pytorch_metric_learning", grid=(1, 3, TRIPLET_EPOCHS, 30)
    ),
    SKLEARN_NCA: Learner(load_scikit_learn_nca, "sklearn", grid=(5, 10, 20, 50)),
    ML_NCA: Learner(load_metric_learn("NCA"), "metric_learn", grid=(10, 30, 100)),
    ML_LMNN: Learner(load_metric_learn("LMNN"), "metric_learn", grid=(100, 300, 1000)),
}
DEFAULT = "NCA"
OURS = [name for name, learner in LEARNERS.items() if learner.ours]
