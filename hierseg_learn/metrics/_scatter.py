"""Parents that know how their children vary together, drawn towards each child by itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from joblib import Parallel, delayed

from ._climb import Climb
from ._combination import MAX_QUERIES, MAX_REFERENCES, Combination, FittedNode, Score, thin
from ._cross_fit import held_out_folds
from ._discriminants import fix_signs
from ._lda import ShrinkageLDA

if TYPE_CHECKING:
    from ..tree import SegmentTree
    from ._krylov import KrylovDiscriminants

# how much of a parent's scatter is that of its children, each by itself; the start comes first
SHRINKAGES = (1.0, 0.95, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1)


class ScatterCombination(Combination):
    r"""A parent's scatter within classes is drawn towards that of its children, each by itself.

    The metric of node v is that of the linear discriminants of all columns below it. What they need
    is the covariance within classes, which few rows tell badly for many columns [1]_. So the
    covariance :math:`W_v` below v is shrunk towards what the children learned, which says nothing
    of how they vary together:

    .. math::

        \Sigma_v = (1 - s_v) W_v + s_v
        \operatorname{diag}(\Sigma_{c_1}, \dots, \Sigma_{c_k}, \Sigma_v^\text{own})

    with the children :math:`c_1, \dots, c_k` of v and its own columns, whose covariance
    :class:`ShrinkageLDA` shrinks. Neighbours of held-out rows choose every :math:`s_v`; at 1 the
    children stay as they are.

    Parameters
    ----------
    cv : int, default=3
        Number of folds that judge the shrinkages; every node is fitted ``1 + cv`` times.

    Notes
    -----
    Nothing is learned from embeddings that overfit, so nothing is cross-fitted. The covariance of
    the root is never formed: memory is that of the table and of the squares of the other nodes.
    Nodes are fitted by `ShrinkageLDA`, of which only `shrinkage` counts.

    References
    ----------
    .. [1] J. H. Friedman. "Regularized Discriminant Analysis". JASA 84, 1989. (Towards a multiple
       of the identity. The target that the tree gives is this package's own design.)

    Examples
    --------
    >>> from hierseg_learn.metrics import ScatterCombination
    >>> ScatterCombination(cv=5)
    ScatterCombination(cv=5)
    """

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
        copies: np.ndarray | None = None,
    ) -> list[FittedNode]:
        """Fit the metrics of all nodes; see `Combination.fit_nodes`."""
        for learner in learners:
            if not isinstance(learner, ShrinkageLDA):
                raise ValueError(
                    "combination='scatter' needs node_metric='lda' or a ShrinkageLDA, got "
                    f"{learner!r}; the other combinations take any node metric."
                )
            learner._validate_params()
        folds = held_out_folds(codes, self.cv, random_state, copies)

        def judge(fold: np.ndarray) -> list[np.ndarray]:
            rows = np.delete(np.arange(len(X)), fold)
            asked = thin(fold, MAX_QUERIES)
            climb = Climb(X, codes, tree, columns, learners, rows, asked)
            return _judge(climb, codes[asked], score, on_step)

        # threads, since the time goes into BLAS
        judged = Parallel(n_jobs=n_jobs, prefer="threads")(delayed(judge)(fold) for fold in folds)
        sizes = [min(len(fold), MAX_QUERIES) for fold in folds]
        scores = _average(judged, sizes, tree.n_nodes)
        climb = Climb(X, codes, tree, columns, learners, np.arange(len(X)), np.arange(0))
        return _fit(climb, scores, on_step)


def _average(judged: list[list[np.ndarray]], sizes: list[int], n_nodes: int) -> list[np.ndarray]:
    """For every node the score of every shrinkage on the rows of all folds; NaN without folds."""
    if not judged:
        return [np.full(1, np.nan)] * n_nodes
    by_node = zip(*judged, strict=True)
    return [np.average(scores, axis=0, weights=sizes) for scores in by_node]


def _judge(
    climb: Climb, asked_codes: np.ndarray, score: Score, on_step: Callable[[], None]
) -> list[np.ndarray]:
    """Score every shrinkage of every node on the rows that are held out, going on with the best."""
    found = []
    for node in climb.tree.bottom_up():
        learned = climb.discriminants(node)
        known, asked = climb.along(node, learned.axes)
        references = thin(np.arange(len(known)), MAX_REFERENCES)
        scores = [
            score(known[references] @ down, climb.codes[references], asked @ down, asked_codes)
            for down in _maps(learned, climb.tree.is_leaf[node])
        ]
        found.append(np.array(scores))
        climb.whiten(node, SHRINKAGES[int(np.argmax(scores))])
        on_step()
    return found


def _maps(learned: KrylovDiscriminants, is_leaf: bool) -> list[np.ndarray]:
    tried = SHRINKAGES[:1] if is_leaf else SHRINKAGES
    return [learned.leading(shrinkage).T.astype(np.float32) for shrinkage in tried]


def _fit(climb: Climb, scores: list[np.ndarray], on_step: Callable[[], None]) -> list[FittedNode]:
    """Fit every node with the shrinkage of the best score."""
    nodes = []
    for node, tried in enumerate(scores):
        shrinkage = SHRINKAGES[int(np.argmax(tried))]
        learned = climb.discriminants(node)
        directions = learned.leading(shrinkage) @ learned.axes
        components = fix_signs(climb.components(node, directions))
        outcome = "start" if shrinkage == 1 else f"scatter, shrinkage={shrinkage}"
        if climb.tree.is_leaf[node]:
            outcome = "leaf" if len(components) else "constant"
        nodes.append(FittedNode(components, float(tried.max()), outcome))
        climb.whiten(node, shrinkage)
        on_step()
    return nodes
