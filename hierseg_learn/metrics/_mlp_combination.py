"""Combination of perceptrons: a parent goes on training those of its children, side by side."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
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
    subsample,
)
from ._mlp_training import Layer, find_device, to_metric
from ._training import Rows
from .cross_fitting import held_out_folds
from .lift import NO_EMBEDDING, Lift, NodeEmbedding
from .mlp import MLPMetric, Perceptron

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

        def score_fold(fold: np.ndarray) -> list[float]:
            nodes = climb(fold)
            rows = subsample(np.delete(np.arange(len(X)), fold), MAX_REFERENCES)
            asked = subsample(fold, MAX_QUERIES)
            return [
                score(_embed(node, X[rows]), codes[rows], _embed(node, X[asked]), codes[asked])
                for node in nodes
            ]

        # threads, since the time goes into torch; each climb has its own seeds
        threads = Parallel(n_jobs=n_jobs, prefer="threads")
        tasks = [delayed(climb)(np.arange(0)), *(delayed(score_fold)(fold) for fold in folds)]
        nodes, *found = threads(tasks)
        scores = np.full(tree.n_nodes, np.nan)
        if found:
            sizes = [min(len(fold), MAX_QUERIES) for fold in folds]
            scores = np.average(found, axis=0, weights=sizes)
        return [
            FittedNode(node.components, float(value), node.outcome, node.lift)
            for node, value in zip(nodes, scores, strict=True)
        ]


@dataclass(frozen=True)
class _Blocks:
    """A perceptron whose hidden layers are blocks, one per node, and whose output layer is not."""

    nodes: list[int]  # nodes with columns, in the order of the blocks
    hidden: list[list[Layer]]  # hidden layers of every block
    output: Layer  # (n_hidden of all blocks, n_outputs)

    @classmethod
    def beside(cls, parts: list[_Blocks]) -> _Blocks:
        """Several side by side: their squared distances add up."""
        output = Layer(
            block_diag(*(part.output.weights for part in parts)).astype(np.float32),
            np.concatenate([part.output.intercepts for part in parts]),
        )
        nodes = [node for part in parts for node in part.nodes]
        return cls(nodes, [layers for part in parts for layers in part.hidden], output)

    def layers(self) -> tuple[list[Layer], list[np.ndarray]]:
        """The same as one perceptron, and where its weights are free."""
        layers, masks = [], []
        for several in zip(*self.hidden, strict=True):
            weights = [layer.weights for layer in several]
            intercepts = np.concatenate([layer.intercepts for layer in several])
            layers.append(Layer(block_diag(*weights).astype(np.float32), intercepts))
            masks.append(block_diag(*(np.ones_like(block, dtype=bool) for block in weights)))
        return [*layers, self.output], [*masks, np.ones_like(self.output.weights, dtype=bool)]

    def replaced(self, layers: list[Layer]) -> _Blocks:
        """The same blocks with the weights of one perceptron."""
        hidden: list[list[Layer]] = [[] for _ in self.hidden]
        for place, layer in enumerate(layers[:-1]):
            row = column = 0
            for block, before in zip(hidden, self.hidden, strict=True):
                n_rows, n_columns = before[place].weights.shape
                rows, columns = slice(row, row + n_rows), slice(column, column + n_columns)
                block.append(Layer(layer.weights[rows, columns].copy(), layer.intercepts[columns]))
                row, column = rows.stop, columns.stop
        return _Blocks(self.nodes, hidden, layers[-1])


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
    climbed: list[_Blocks | None] = []
    nodes = []
    with single_blas_thread():
        for node, learner in enumerate(learners):
            random_state = check_random_state(learner.random_state)
            parts = [climbed[child] for child in tree.children(node)]
            if len(columns[node]):
                drawn = learner.draw(len(columns[node]), random_state)
                own = _Blocks([node], [drawn[:-1]], drawn[-1])
                own, _ = _trained(own, X, codes, columns, learner, split, random_state)
                parts.append(own)
            parts = [part for part in parts if part is not None]
            blocks, method = None, "leaf" if tree.is_leaf[node] else "start"
            if parts:
                blocks = _Blocks.beside(parts)
            if len(parts) > 1:
                if not warm_start:
                    blocks = _redrawn(blocks, learner, random_state)
                blocks, moved = _trained(blocks, X, codes, columns, learner, split, random_state)
                method = "mlp" if moved or not warm_start else "start"
            climbed.append(blocks)
            nodes.append(_over_the_table(blocks, X, columns, learner, method, tree.n_nodes))
            on_step()
    return nodes


def _trained(
    blocks: _Blocks,
    X: np.ndarray,
    codes: np.ndarray,
    columns: tuple[np.ndarray, ...],
    learner: MLPMetric,
    split: tuple[np.ndarray, np.ndarray],
    random_state: np.random.RandomState,
) -> tuple[_Blocks, bool]:
    """Train all layers of some blocks; also returns whether the start was left."""
    rows = Rows(X[:, np.concatenate([columns[node] for node in blocks.nodes])])
    device = find_device(learner.device, rows.X.size)
    start, masks = blocks.layers()
    found = learner.train(start, rows, codes, split, random_state, device, masks).layers
    moved = any((a.weights != b.weights).any() for a, b in zip(start, found, strict=True))
    return blocks.replaced(found), moved


def _redrawn(blocks: _Blocks, learner: MLPMetric, random_state: np.random.RandomState) -> _Blocks:
    """The same blocks with random weights."""
    hidden = []
    for layers in blocks.hidden:
        n_columns = len(layers[0].weights) if layers else 0
        hidden.append(learner.draw(n_columns, random_state)[:-1])
    bound = np.sqrt(6 / sum(blocks.output.weights.shape))
    weights = random_state.uniform(-bound, bound, blocks.output.weights.shape)
    output = Layer(weights.astype(np.float32), np.zeros_like(blocks.output.intercepts))
    return _Blocks(blocks.nodes, hidden, output)


def _over_the_table(
    blocks: _Blocks | None,
    X: np.ndarray,
    columns: tuple[np.ndarray, ...],
    learner: MLPMetric,
    method: str,
    n_nodes: int,
) -> FittedNode:
    """The metric of a node: hidden layers as embeddings of nodes, the output layer as the map."""
    if blocks is None:
        lift = Lift((NO_EMBEDDING,) * n_nodes)
        return FittedNode(np.zeros((0, 0)), np.nan, NodeOutcome("constant"), lift)
    embeddings = [NO_EMBEDDING] * n_nodes
    for node, layers in zip(blocks.nodes, blocks.hidden, strict=True):
        own = Rows(X[:, columns[node]])
        size = layers[-1].weights.shape[1] if layers else len(columns[node])
        hidden = Perceptron(
            np.zeros(own.X.shape[1]),
            np.ones(own.X.shape[1]),
            tuple(layers),
            learner.activation,
            len(layers),
        )
        embeddings[node] = NodeEmbedding(columns[node], own.mean, own.scale, hidden, size)
    lift = Lift(tuple(embeddings))
    # blocks are in the order of the climb, the lifted table in that of the nodes
    sizes = [embeddings[node].n_components for node in blocks.nodes]
    output = to_metric(blocks.output.weights, learner.loss).T.astype(np.float64)
    components = np.zeros((len(output), lift.n_columns))
    starts = np.cumsum([0, *sizes])
    for node, start, size in zip(blocks.nodes, starts, sizes, strict=False):
        components[:, lift.places[node]] = output[:, start : start + size]
    return FittedNode(components, np.nan, NodeOutcome(method), lift)


def _embed(node: FittedNode, rows: np.ndarray) -> np.ndarray:
    return (node.lift(rows) @ node.components.T).astype(np.float32)
