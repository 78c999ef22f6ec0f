"""Discriminant directions in coordinates that are already nearly right."""

from __future__ import annotations

import numpy as np


def discriminant_basis(
    U: np.ndarray, codes: np.ndarray, shrinkage: float
) -> tuple[np.ndarray, int]:
    r"""Basis in which the within-class scatter is the identity and the first rows tell classes apart.

    The within-class covariance is shrunk towards the identity times its mean variance,
    :math:`(1 - s) W + s \\, \\bar{w} I`: in coordinates made of the trained metrics of the children,
    the identity *is* the children's metrics side by side, so `shrinkage` says how much of them stays.

    Parameters
    ----------
    U : ndarray of shape (n_samples, n_features)
        Rows in the coordinates of the start.
    codes : ndarray of shape (n_samples,), int
        Classes.
    shrinkage : float
        Between 0 and 1.

    Returns
    -------
    basis : ndarray of shape (n_features, n_features), float64
        Rows are directions; first the discriminants by their between-class variance, then the
        others by their total variance.
    n_discriminants : int
        Number of discriminants: at most the number of classes less one.

    References
    ----------
    .. [1] J. H. Friedman. "Regularized Discriminant Analysis". JASA 84, 1989.

    Examples
    --------
    >>> import numpy as np
    >>> from hierseg_learn.metrics._discriminants import discriminant_basis
    >>> U = np.array([[0.0, 1.0], [1.0, -1.0], [4.0, 1.0], [5.0, -1.0]])
    >>> basis, n_discriminants = discriminant_basis(U, np.array([0, 0, 1, 1]), shrinkage=1.0)
    >>> n_discriminants
    1
    """
    U = np.asarray(U, dtype=np.float64)
    classes, codes = np.unique(codes, return_inverse=True)
    counts = np.bincount(codes)
    means = np.stack([U[codes == c].mean(axis=0) for c in range(len(classes))])
    residuals = U - means[codes]
    within = residuals.T @ residuals / max(len(U) - len(classes), 1)
    mean_variance = np.trace(within) / len(within)
    within = (1 - shrinkage) * within + shrinkage * mean_variance * np.eye(len(within))
    variances, vectors = np.linalg.eigh(within)
    # A direction without scatter has no scale; it must not get an infinite one.
    floor = max(variances[-1], np.finfo(float).tiny) * 1e-10
    whitening = vectors / np.sqrt(np.maximum(variances, floor))
    centre = counts @ means / len(U)
    between = np.sqrt(counts / len(U))[:, None] * (means - centre) @ whitening
    _, sizes, directions = np.linalg.svd(between, full_matrices=True)
    n_discriminants = int((sizes > 1e-10 * max(sizes[0], np.finfo(float).tiny)).sum())
    n_discriminants = min(n_discriminants, len(classes) - 1)
    rest = directions[n_discriminants:]
    if len(rest):
        spread = (U - centre) @ whitening @ rest.T
        _, turn = np.linalg.eigh(spread.T @ spread)
        rest = turn[:, ::-1].T @ rest
    basis = np.concatenate([directions[:n_discriminants], rest]) @ whitening.T
    return _fix_signs(basis), n_discriminants


def _fix_signs(basis: np.ndarray) -> np.ndarray:
    """Make the entry of largest size in every row positive: the same basis on any LAPACK."""
    largest = np.argmax(np.abs(basis), axis=1)
    return basis * np.where(basis[np.arange(len(basis)), largest] < 0, -1.0, 1.0)[:, None]
