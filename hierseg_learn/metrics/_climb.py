"""Rows on their way up a tree, in coordinates in which the identity is what was learned so far."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.linalg import solve_triangular

from ..utils._spread import varies
from ._discriminants import ClassScatter, Discriminants
from ._krylov import N_STEPS, ClassMoments, KrylovDiscriminants

if TYPE_CHECKING:
    from ..tree import SegmentTree
    from ._lda import ShrinkageLDA


class Climb:
    """Whitened rows, block by block from the leaves up.

    First every node's own columns are whitened by their shrunk scatter within classes. Then a node
    may be whitened again with everything below it, before its parent is looked at.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        The table.
    codes : ndarray of shape (n_samples,), int
        Classes.
    tree : SegmentTree
        The tree.
    columns : tuple of ndarray of int, length n_nodes
        Own columns of every node.
    learners : list of ShrinkageLDA, length n_nodes
        How far the scatter of own columns is shrunk.
    rows : ndarray of int
        Rows to learn from.
    asked : ndarray of int
        Further rows that come along.

    Attributes
    ----------
    Y : ndarray of shape (len(rows) + len(asked), n_whitened), float32
        The rows; columns below one node lie side by side.
    codes : ndarray of shape (len(rows),), int
        Classes of the rows to learn from.
    """

    def __init__(
        self,
        X: np.ndarray,
        codes: np.ndarray,
        tree: SegmentTree,
        columns: tuple[np.ndarray, ...],
        learners: list[ShrinkageLDA],
        rows: np.ndarray,
        asked: np.ndarray,
    ) -> None:
        self.tree, self.codes = tree, codes[rows]
        self._n_features = X.shape[1]
        used = [_varying(X, rows, block) for block in columns]
        self._spans, self._own = _places(tree, [len(block) for block in used])
        self.Y = np.empty((len(rows) + len(asked), sum(map(len, used))), dtype=np.float32)
        self._used, self._maps = used, []
        everyone = np.concatenate([rows, asked])
        for learner, block, place in zip(learners, used, self._own, strict=True):
            own = X[np.ix_(everyone, block)].astype(np.float64)
            own -= own[: len(rows)].mean(axis=0)
            scale = own[: len(rows)].std(axis=0)
            own /= scale
            whitener = _own_whitener(learner, own[: len(rows)], self.codes)
            self.Y[:, place] = own @ whitener.T
            self._maps.append(whitener / scale)
        self._whiteners: dict[int, np.ndarray] = {}

    def discriminants(self, node: int) -> KrylovDiscriminants:
        """Discriminants of what is below a node; those of a leaf only for a shrinkage of 1."""
        n_steps = 0 if self.tree.is_leaf[node] else N_STEPS
        return KrylovDiscriminants(self._moments(node), n_steps)

    def along(self, node: int, axes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Rows to learn from and those asked about, along axes of shape (n_axes, n_below)."""
        coordinates = self.Y[:, self._spans[node]] @ axes.T
        return coordinates[: len(self.codes)], coordinates[len(self.codes) :]

    def whiten(self, node: int, shrinkage: float) -> None:
        """Whiten everything below a node by its scatter, shrunk towards what it was."""
        if shrinkage == 1 or node == self.tree.root:
            return
        scatter = self._moments(node).covariance() * (1 - shrinkage)
        scatter[np.diag_indices_from(scatter)] += shrinkage
        root = np.linalg.cholesky(scatter)
        inverse = solve_triangular(root, np.eye(len(root)), lower=True)
        span = self._spans[node]
        self.Y[:, span] = self.Y[:, span] @ inverse.T.astype(np.float32)
        self._whiteners[node] = inverse

    def components(self, node: int, directions: np.ndarray) -> np.ndarray:
        """Map over the table of directions in a node's coordinates, before it is whitened.

        Parameters
        ----------
        node : int
            A node.
        directions : ndarray of shape (n_directions, n_below)
            Over the columns of Y below it.

        Returns
        -------
        components : ndarray of shape (n_directions, n_features), float64
        """
        whole = np.zeros((len(directions), self.Y.shape[1]))
        whole[:, self._spans[node]] = directions
        components = np.zeros((len(directions), self._n_features))
        # parents before their children: the last whitening is undone first
        for below in self.tree.subtree(node)[::-1]:
            span = self._spans[below]
            if below != node and below in self._whiteners:
                whole[:, span] = whole[:, span] @ self._whiteners[below]
            components[:, self._used[below]] = whole[:, self._own[below]] @ self._maps[below]
        return components

    def _moments(self, node: int) -> ClassMoments:
        return ClassMoments(self.Y[: len(self.codes), self._spans[node]], self.codes)


def _places(tree: SegmentTree, widths: list[int]) -> tuple[list[slice], list[slice]]:
    """For every node the columns of its subtree, side by side, and at their end its own."""
    totals = list(widths)
    for node in range(tree.root):
        totals[tree.parents[node]] += totals[node]
    starts = [0] * tree.n_nodes
    for node in reversed(range(tree.n_nodes)):
        start = starts[node]
        for child in tree.children(node):
            starts[child] = start
            start += totals[child]
    stops = [start + total for start, total in zip(starts, totals, strict=True)]
    spans = [slice(start, stop) for start, stop in zip(starts, stops, strict=True)]
    own = [slice(stop - width, stop) for stop, width in zip(stops, widths, strict=True)]
    return spans, own


def _varying(X: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """The columns that are not constant."""
    own = X[np.ix_(rows, columns)].astype(np.float64)
    return columns[varies(own, own.std(axis=0), X.dtype)]


def _own_whitener(learner: ShrinkageLDA, rows: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Map of standardised rows under which their shrunk scatter within classes is the identity."""
    if not rows.shape[1]:
        return np.zeros((0, 0))
    scatter = ClassScatter.of(rows, codes, int(codes.max()) + 1)
    shrinkage = learner.choose_shrinkage([(slice(None), rows)], codes, scatter)
    return Discriminants(scatter).whitener(shrinkage)
