"""A loss over lists of target neighbours and impostors, searched anew as the map moves."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..kernels import Backend
from ._rows import Batches, Rows

N_IMPOSTORS = 10


class ListObjective:
    """The loss of large margin nearest neighbours over the lists of a batch.

    Lists are searched for every batch, since old ones cost more accuracy than they save time.

    Parameters
    ----------
    backend : Backend
    rows : Rows
    codes : ndarray of shape (n_samples,), int
    batches : Batches
    n_targets : int
        Most target neighbours of a row.
    regularization : float
        Weight of the pull.
    margin : float
        Squared distance by which impostors must be farther than targets.
    """

    def __init__(
        self,
        backend: Backend,
        rows: Rows,
        codes: np.ndarray,
        batches: Batches,
        n_targets: int,
        regularization: float,
        margin: float = 1.0,
    ) -> None:
        self._backend, self._rows, self._codes, self._batches = backend, rows, codes, batches
        self._n_targets, self._regularization = n_targets, regularization
        self._margin, self.n_batches = margin, batches.n_batches

    def draw(self, L: np.ndarray) -> None:
        """Take the next batch and search its lists under the map."""
        indices = self._batches.next()
        self._U = self._backend.asarray(self._rows.take(indices))
        Z = self._backend.to_numpy(self._embed(L))
        lists = neighbor_lists(self._backend, Z, self._codes[indices], self._n_targets, N_IMPOSTORS)
        self._lists = [self._backend.asarray(array) for array in lists]

    def loss_grad(self, L: np.ndarray) -> tuple[float, np.ndarray]:
        """Loss and gradient over the lists: with Z = UL' the gradient by L is (dloss/dZ)'U."""
        # the kernel's margin is 1, so the map is measured in units of the margin
        unit = np.sqrt(self._margin)
        loss, gradient = self._backend.lmnn_loss_grad(
            self._embed(L / unit), *self._lists, self._regularization
        )
        by_map = self._backend.to_numpy(gradient.T @ self._U).astype(np.float64)
        return float(loss) * self._margin, by_map * unit

    def _embed(self, L: np.ndarray) -> Any:
        return self._U @ self._backend.asarray(L.astype(np.float32)).T


def neighbor_lists(
    backend: Backend, Z: np.ndarray, codes: np.ndarray, n_targets: int, n_impostors: int
) -> tuple[np.ndarray, np.ndarray]:
    """Find the nearest mates and the nearest rows of other classes of every row.

    Parameters
    ----------
    backend : Backend
    Z : ndarray of shape (n_samples, n_components), float32
        Embedded rows.
    codes : ndarray of shape (n_samples,), int
        Classes.
    n_targets, n_impostors : int
        Most entries of a list.

    Returns
    -------
    targets : ndarray of shape (n_samples, n_targets), int64
    impostors : ndarray of shape (n_samples, n_impostors), int64
        Row numbers, nearest first; -1 where there are fewer.

    Examples
    --------
    >>> import numpy as np
    >>> from hierseg_learn.kernels import get_backend
    >>> from hierseg_learn.metrics._neighbor_lists import neighbor_lists
    >>> Z = np.array([[0.0], [1.0], [3.0]], dtype=np.float32)
    >>> neighbor_lists(get_backend("cpu"), Z, np.array([0, 0, 1]), 1, 2)[0].ravel()
    array([ 1,  0, -1])
    """
    targets = np.full((len(Z), n_targets), -1, dtype=np.int64)
    impostors = np.full((len(Z), n_impostors), -1, dtype=np.int64)
    for code in np.unique(codes):
        own, others = np.flatnonzero(codes == code), np.flatnonzero(codes != code)
        queries = backend.asarray(Z[own])
        n_near, n_far = min(n_targets, len(own) - 1), min(n_impostors, len(others))
        if n_near:
            itself = backend.asarray(np.arange(len(own)))
            found, _ = backend.nearest(queries, queries, n_near, itself)
            targets[own, :n_near] = own[backend.to_numpy(found)]
        if n_far:
            found, _ = backend.nearest(queries, backend.asarray(Z[others]), n_far)
            impostors[own, :n_far] = others[backend.to_numpy(found)]
    return targets, impostors
