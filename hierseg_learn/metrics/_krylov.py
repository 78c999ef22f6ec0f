"""Discriminants of many columns for every shrinkage at once, without their covariance."""

from __future__ import annotations

import numpy as np

from ._discriminants import FLOOR

# steps of the Krylov space; twelve give the discriminants to about a hundredth of a percent at
# shrinkages of a tenth and more, where the coordinates are whitened block by block
N_STEPS = 12
# what is left of a block of directions below this share of it is rounding in float32
RESIDUE = 1e-4


class ClassMoments:
    """Class means of rows, and products with their covariance within classes.

    Parameters
    ----------
    Y : ndarray of shape (n_samples, n_features), float32
        Rows with mean zero. They are not copied.
    codes : ndarray of shape (n_samples,), int
        Classes.

    Examples
    --------
    >>> import numpy as np
    >>> from hierseg_learn.metrics._krylov import ClassMoments
    >>> Y = np.array([[-3.0], [-1.0], [1.0], [3.0]], dtype=np.float32)
    >>> ClassMoments(Y, np.array([0, 0, 1, 1])).within(np.eye(1, dtype=np.float32))
    array([[2.]], dtype=float32)
    """

    def __init__(self, Y: np.ndarray, codes: np.ndarray) -> None:
        self.Y = Y
        seen, places = np.unique(codes, return_inverse=True)
        self.counts = np.bincount(places).astype(np.float32)
        self.means = np.stack([Y[places == place].mean(axis=0) for place in range(len(seen))])
        self.freedom = max(len(Y) - len(seen), 1)

    def within(self, directions: np.ndarray) -> np.ndarray:
        """Covariance within classes times directions of shape (n_features, k)."""
        sums = self.Y.T @ (self.Y @ directions)
        sums -= self.means.T @ (self.counts[:, None] * (self.means @ directions))
        return sums / np.float32(self.freedom)

    def covariance(self) -> np.ndarray:
        """Covariance within classes: (n_features, n_features), float64."""
        sums = (self.Y.T @ self.Y).astype(np.float64)
        means = np.sqrt(self.counts)[:, None] * self.means.astype(np.float64)
        return (sums - means.T @ means) / self.freedom

    def between_factor(self) -> np.ndarray:
        """Return B, (n_classes, n_features), with ``B.T @ B`` the covariance of the class means."""
        shares = self.counts / self.counts.sum()
        return np.sqrt(shares)[:, None] * (self.means - shares @ self.means)


class KrylovDiscriminants:
    r"""Discriminants of the scatter within classes, shrunk towards the identity by any amount.

    With W that scatter and B the factor of the class means, the discriminants span
    :math:`((1 - s) W + s I)^{-1} B^T`. The Krylov space of W and :math:`B^T` is the same for all
    shrinkages s [1]_, so a few products of W with as many directions as there are classes give all
    of them, and W itself is never formed.

    Parameters
    ----------
    moments : ClassMoments
        Of rows in coordinates in which the identity is what to shrink to.
    n_steps : int
        Number of products; 0 is enough for a shrinkage of 1.

    Attributes
    ----------
    axes : ndarray of shape (n_axes, n_features), float32
        Orthonormal directions that hold all discriminants.

    References
    ----------
    .. [1] A. Frommer, U. Glässner. "Restarted GMRES for Shifted Linear Systems". SIAM Journal on
       Scientific Computing 19, 1998, section 2.

    Examples
    --------
    >>> import numpy as np
    >>> from hierseg_learn.metrics._krylov import ClassMoments, KrylovDiscriminants
    >>> Y = np.array([[-3.0, 1], [-1, -1], [1, 1], [3, -1]], dtype=np.float32)
    >>> found = KrylovDiscriminants(ClassMoments(Y, np.array([0, 0, 1, 1])))
    >>> np.abs(found.leading(shrinkage=1.0) @ found.axes).round(3)
    array([[1., 0.]])
    """

    def __init__(self, moments: ClassMoments, n_steps: int = N_STEPS) -> None:
        between = moments.between_factor()
        self._most = len(between) - 1
        basis, products = _krylov(moments, between.T, n_steps)
        inner = basis.T.astype(np.float64) @ products
        self._variances, turn = np.linalg.eigh((inner + inner.T) / 2)
        self._variances = np.maximum(self._variances, 0.0)
        self.axes = (basis @ turn.astype(np.float32)).T
        self._between = between.astype(np.float64) @ self.axes.T

    def leading(self, shrinkage: float) -> np.ndarray:
        """Return the discriminants along `axes`, largest first.

        Parameters
        ----------
        shrinkage : float
            Above 0, at most 1.

        Returns
        -------
        directions : ndarray of shape (n_leading, n_axes), float64
            At most as many as classes less one. The shrunk scatter is the identity along them.
        """
        whitening = 1 / np.sqrt((1 - shrinkage) * self._variances + shrinkage)
        _, sizes, turns = np.linalg.svd(self._between * whitening, full_matrices=False)
        kept = np.flatnonzero(sizes > FLOOR * max(sizes.max(initial=0.0), np.finfo(float).tiny))
        return turns[kept[: self._most]] * whitening


def _krylov(
    moments: ClassMoments, start: np.ndarray, n_steps: int
) -> tuple[np.ndarray, np.ndarray]:
    """Orthonormal basis of the block Krylov space, and the scatter within classes times it."""
    basis = np.empty((len(start), 0), dtype=np.float32)
    products = basis
    block = start
    for _ in range(n_steps + 1):
        block = _new_directions(basis, block)
        if not block.shape[1]:
            break
        product = moments.within(block) if n_steps else np.zeros_like(block)
        basis = np.concatenate([basis, block], axis=1)
        products = np.concatenate([products, product], axis=1)
        block = product
    return basis, products


def _new_directions(basis: np.ndarray, block: np.ndarray) -> np.ndarray:
    """Orthonormal directions of a block that a basis does not hold, float32."""
    least = (RESIDUE**2) * float(np.square(block, dtype=np.float64).sum(axis=0).max(initial=0.0))
    for _ in range(2):  # once more, for what rounding left
        block = block - basis @ (basis.T @ block)
        gram = block.T.astype(np.float64) @ block
        sizes, turn = np.linalg.eigh(gram)
        kept = sizes > max(least, np.finfo(np.float32).tiny)
        block = (block @ (turn[:, kept] / np.sqrt(sizes[kept]))).astype(np.float32)
        least = 0.5  # by now all have length one
    return block
