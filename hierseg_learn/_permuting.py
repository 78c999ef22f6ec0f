"""How much a score falls if the columns of nodes are permuted among rows."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ._layout import TableLayout


def permutation_drops(
    score: Callable[[np.ndarray], float],
    X: np.ndarray,
    layout: TableLayout,
    n_repeats: int,
    rng: np.random.RandomState,
) -> tuple[float, np.ndarray, np.ndarray]:
    """Permute the columns of every node together, alone and with those of all nodes below it.

    Parameters
    ----------
    score : callable
        ``score(X)`` of a table of the same shape.
    X : ndarray of shape (n_samples, n_features)
        The table.
    layout : TableLayout
        Columns of every node.
    n_repeats : int
        How often.
    rng : RandomState
        Draws one permutation per repeat, the same for all nodes.

    Returns
    -------
    base : float
        The score of X.
    drops_own, drops_below : ndarray of shape (n_repeats, n_nodes)
        What the score loses by permuting a node's own columns, and those of its whole subtree.

    Examples
    --------
    >>> import numpy as np
    >>> from hierseg_learn._layout import read_layout
    >>> from hierseg_learn._permuting import permutation_drops
    >>> X = np.array([[0.0, 0.0], [1.0, 1.0]])
    >>> layout = read_layout("auto", ["photo/sky|a", "photo/sea|a"], 2)
    >>> draws = np.random.RandomState(3)
    >>> base, own, below = permutation_drops(
    ...     lambda table: float((table[:, 0] == [0, 1]).mean()), X, layout, 1, draws
    ... )
    >>> base, own.tolist(), below.tolist()
    (1.0, [[1.0, 0.0, 0.0]], [[1.0, 0.0, 1.0]])
    """
    tree = layout.tree
    base = score(X)
    drops = np.zeros((2, n_repeats, tree.n_nodes))
    for repeat in range(n_repeats):
        order = rng.permutation(len(X))
        for node in tree.bottom_up():
            own = layout.columns[node]
            below = np.concatenate([layout.columns[n] for n in tree.subtree(node)])
            drops[0, repeat, node] = base - _permuted(score, X, own, order) if len(own) else 0.0
            drops[1, repeat, node] = (
                drops[0, repeat, node]
                if len(below) == len(own)
                else base - _permuted(score, X, below, order)
            )
    return base, drops[0], drops[1]


def _permuted(
    score: Callable[[np.ndarray], float], X: np.ndarray, columns: np.ndarray, order: np.ndarray
) -> float:
    table = X.copy()
    table[:, columns] = X[np.ix_(order, columns)]
    return score(table)
