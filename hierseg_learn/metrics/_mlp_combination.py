"""Combination of perceptrons: a parent goes on training those of its children, side by side."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from joblib import Parallel, delayed
from scipy.linalg import block_diag
from sklearn.utils import check_random_state

from ..kernels.threads import single_blas_thread
from ._combination import (
    MAX_QUERIES,
    MAX_REFERENCES,
    Combination,
    FittedNode,
    NodeOutcome,
    Score,
    reported,
    subsample,
)
from ._mlp_training import Layer, Network, find_device, to_metric
from ._training import Rows
from .cross_fitting import held_out_folds
from .lift import NO_EMBEDDING, Lift, NodeEmbedding
from .mlp import MLPMetric, Perceptron
from .posteriors import HeldOut

if TYPE_CHECKING:
    from ..tree import SegmentTree


class MLPCombination(Combination):
    r"""A parent goes on training the perceptrons of its children, from their trained weights.

    The embedding of node v is linear in hidden layers that belong to one node each:
    :math:`e_v = \sum_u A_{vu} h_{vu}(x_u)`, the sum over all nodes u at or below v, with their own
    columns :math:`x_u`. A node first trains a perceptron on its own columns. A parent then starts
    from the perceptrons of its children and its own, side by side, so that its squared distance is
    the sum of theirs, and trains all layers together: the hidden layers, which stay apart, and the
    output layer, which combines them. Early stopping never goes below the start.

    Since nothing that is not linear sees two nodes, contributions of nodes stay exact, at every
    level of the tree.

    Parameters
    ----------
    cv : int, default=3
        Number of folds on whose held-out rows nodes are scored; every node is fitted ``1 + cv``
        times.
    warm_start : bool, default=True
        Whether parents start from the trained weights of their children, or from random ones.

    Notes
    -----
    Nodes are fitted by `MLPMetric`. Every node holds out the same rows for early stopping.

    References
    ----------
    .. [1] E. Andrews, P. Mishra. "Explainable Metric Learning for Deflating Data Bias".
       arXiv:2407.04866, 2024. (The idea that combinations start from the weights of the children.
       Hidden layers that stay apart are this package's own design.)

    Examples
    --------
    >>> from hierseg_learn.metrics import MLPCombination
    >>> MLPCombination(cv=5)
    MLPCombination(cv=5)
    """

    _parameter_constraints: dict = {**Combination._parameter_constraints, "warm_start": ["boolean"]}

    def __init__(self, *, cv: int = 3, warm_start: bool = True) -> None:
        super().__init__(cv=cv)
        self.warm_start = warm_start

    def n_steps(self, n_nodes: int) -> int:
        """Count the nodes to fit, those of the folds included."""
        return (1 + self.cv) * n_nodes

    def fit_nodes(
        self,
        X: np.ndarray,
        codes: np.ndarray,
        tree: SegmentTree,
        columns: tuple[np.ndarray, ...],
        learners: list[Any],
        *,
        score: Score,
        n_jobs: int | None,
        random_state: int,
        on_step: Callable[[], None],
        groups: np.ndarray | None = None,
    ) -> list[FittedNode]:
        """Fit the metrics of all nodes; see `Combination.fit_nodes`."""
        for learner in learners:
            if not isinstance(learner, MLPMetric):
                raise ValueError(
                    f"combination='mlp' needs node_metric='mlp' or an MLPMetric, got {learner!r}; "
                    "the other combinations take any node metric."
                )
            learner._validate_params()
        folds = held_out_folds(codes, self.cv, random_state, groups)

        def climb(fold: np.ndarray) -> list[FittedNode]:
            rows = np.delete(np.arange(len(X)), fold)
            seed = check_random_state(random_state).randint(2**31)
            return _climb(
                X[rows], codes[rows], tree, columns, learners, self.warm_start, seed, on_step
            )

        def score_fold(fold: np.ndarray) -> tuple[list[float], HeldOut]:
            known = subsample(np.delete(np.arange(len(X)), fold), MAX_REFERENCES)
            asked, report, scores = subsample(fold, MAX_QUERIES), reported(score), []
            for node in climb(fold):
                points = _embed(node, X[known]), _embed(node, X[asked])
                held_out = HeldOut(points[0], codes[known], points[1], codes[asked])
                scores.append(report(points[0], codes[known], points[1], codes[asked]))
            return scores, held_out

        # threads, since the time goes into torch; each climb has its own seeds
        threads = Parallel(n_jobs=n_jobs, prefer="threads")
        tasks = [delayed(climb)(np.arange(0)), *(delayed(score_fold)(fold) for fold in folds)]
        nodes, *found = threads(tasks)
        scores = np.full(tree.n_nodes, np.nan)
        if found:
            sizes = [min(len(fold), MAX_QUERIES) for fold in folds]
            scores = np.average([values for values, _ in found], axis=0, weights=sizes)
        nodes = [replace(node, score=float(v)) for node, v in zip(nodes, scores, strict=True)]
        return [*nodes[:-1], replace(nodes[-1], held_out=tuple(of_root for _, of_root in found))]


@dataclass(frozen=True)
class _Climbed:
    """A network with a block for every node that it takes columns of."""

    nodes: list[int]  # in the order of the blocks
    network: Network

    @classmethod
    def beside(cls, parts: list[_Climbed]) -> _Climbed:
        """Several side by side: their squared distances add up."""
        networks = [part.network for part in parts]
        output = Layer(
            block_diag(*(network.output.weights for network in networks)).astype(np.float32),
            np.concatenate([network.output.intercepts for network in networks]),
        )
        widths = [width for network in networks for width in network.widths]
        hidden = [block for network in networks for block in network.hidden]
        return cls([node for part in parts for node in part.nodes], Network(widths, hidden, output))


def _climb(
    X: np.ndarray,
    codes: np.ndarray,
    tree: SegmentTree,
    columns: tuple[np.ndarray, ...],
    learners: list[MLPMetric],
    warm_start: bool,
    seed: int,
    on_step: Callable[[], None],
) -> list[FittedNode]:
    """Fit all nodes on all rows of X, (n_samples, n_features), children before their parents."""
    # the same for all nodes: a parent must not be scored on rows that a child was trained on
    split = learners[0].split(codes, check_random_state(seed))
    climbed: list[_Climbed | None] = []
    nodes = []
    with single_blas_thread():
        for node, learner in enumerate(learners):
            random_state = check_random_state(learner.random_state)
            train = partial(_train, X, codes, columns, learner, split, random_state)
            parts = [part for child in tree.children(node) if (part := climbed[child]) is not None]
            if len(columns[node]):
                drawn = learner.draw([len(columns[node])], random_state)
                parts.append(train(_Climbed([node], drawn)))
            found, method = None, "leaf" if tree.is_leaf[node] else "start"
            if parts:
                found = start = _Climbed.beside(parts)
            if len(parts) > 1:
                if not warm_start:
                    drawn = learner.draw(start.network.widths, random_state)
                    start = _Climbed(start.nodes, drawn)
                found = train(start)
                moved = (found.network.output.weights != start.network.output.weights).any()
                method = "mlp" if moved or not warm_start else "start"
            climbed.append(found)
            nodes.append(_over_the_table(found, X, columns, learner, method, tree.n_nodes))
            on_step()
    return nodes


def _train(
    X: np.ndarray,
    codes: np.ndarray,
    columns: tuple[np.ndarray, ...],
    learner: MLPMetric,
    split: tuple[np.ndarray, np.ndarray],
    random_state: np.random.RandomState,
    start: _Climbed,
) -> _Climbed:
    """Train all layers of a network."""
    rows = Rows(X[:, np.concatenate([columns[node] for node in start.nodes])])
    device = find_device(learner.device, rows.X.size)
    trained = learner.train(start.network, rows, codes, split, random_state, device)
    return _Climbed(start.nodes, trained.network)


def _over_the_table(
    climbed: _Climbed | None,
    X: np.ndarray,
    columns: tuple[np.ndarray, ...],
    learner: MLPMetric,
    method: str,
    n_nodes: int,
) -> FittedNode:
    """The metric of a node: hidden layers as embeddings of nodes, the output layer as the map."""
    embeddings = [NO_EMBEDDING] * n_nodes
    if climbed is None:
        lift = Lift(tuple(embeddings))
        return FittedNode(np.zeros((0, 0)), np.nan, NodeOutcome("constant"), lift)
    for node, layers in zip(climbed.nodes, climbed.network.hidden, strict=True):
        own = Rows(X[:, columns[node]])
        n_own = len(columns[node])
        standard = np.zeros(n_own), np.ones(n_own)
        hidden = Perceptron(*standard, tuple(layers), learner.activation, len(layers))
        size = layers[-1].weights.shape[1] if layers else n_own
        embeddings[node] = NodeEmbedding(columns[node], own.mean, own.scale, hidden, size)
    lift = Lift(tuple(embeddings))
    # blocks are in the order of the climb, the lifted table in that of the nodes
    places = np.concatenate([lift.places[node] for node in climbed.nodes])
    output = to_metric(climbed.network.output.weights, learner.loss).T
    components = np.zeros((len(output), lift.n_columns))
    components[:, places] = output
    return FittedNode(components, np.nan, NodeOutcome(method), lift)


def _embed(node: FittedNode, rows: np.ndarray) -> np.ndarray:
    return (node.lift(rows) @ node.components.T).astype(np.float32)
