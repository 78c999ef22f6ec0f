"""How alike the learned metrics of several nodes are."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def metric_similarity(components: Sequence[np.ndarray]) -> np.ndarray:
    r"""Cosine of learned metrics: whether they look at the same directions, as strongly.

    For metrics :math:`M = L^\top L` of nodes with the same columns, the similarity of two is
    :math:`\langle M_a, M_b \rangle / (\|M_a\| \|M_b\|)` with Frobenius' product, the RV coefficient
    of [1]_. It needs no d × d matrix, as the product is :math:`\|L_a L_b^\top\|^2`.

    Parameters
    ----------
    components : sequence of ndarray of shape (n_components, n_features)
        The map L of every node, in the same unit for every column; the numbers of components may
        differ. No rows for a node that learned nothing.

    Returns
    -------
    similarity : ndarray of shape (n_nodes, n_nodes), float64
        In [0, 1]: 1 for metrics that are equal up to scale, such as on the diagonal, 0 for those
        that look at orthogonal directions; 0 to a node that learned nothing.

    Raises
    ------
    ValueError
        If the maps are not over the same number of columns.

    References
    ----------
    .. [1] P. Robert, Y. Escoufier. "A Unifying Tool for Linear Multivariate Statistical Methods:
       The RV-Coefficient". Journal of the Royal Statistical Society C 25, 1976.

    Examples
    --------
    >>> import numpy as np
    >>> from hierseg_learn.metrics import metric_similarity
    >>> hue, twice, size = np.array([[1.0, 0]]), np.array([[2.0, 0]]), np.array([[0, 1.0]])
    >>> metric_similarity([hue, twice, size])
    array([[1., 1., 0.],
           [1., 1., 0.],
           [0., 0., 1.]])
    """
    maps = [np.atleast_2d(np.asarray(L, dtype=np.float64)) for L in components]
    widths = {L.shape[1] for L in maps}
    if len(widths) > 1:
        raise ValueError(
            f"components must be maps over the same columns, got {sorted(widths)} columns."
        )
    products = np.array([[((a @ b.T) ** 2).sum() for b in maps] for a in maps])
    products = products.reshape(len(maps), len(maps))
    norms = np.sqrt(np.diag(products))
    scale = np.outer(norms, norms)
    similarity = np.divide(products, scale, out=np.zeros(scale.shape), where=scale > 0)
    np.fill_diagonal(similarity, 1.0)
    return np.clip(similarity, 0.0, 1.0)
