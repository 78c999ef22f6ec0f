"""Signal-to-noise distances of two samples, node by node."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..metrics import snr_distance
from ..table.checks import check_row

if TYPE_CHECKING:
    import pandas as pd


def node_snr_distances(model: Any, a: Any, b: Any) -> pd.DataFrame:
    """Measure two rows by the asymmetric signal-to-noise distance, in the space of every node.

    The distance of a query q to a reference x is ``var(q - x) / var(q)`` [1]_, the variance taken
    over the components of a node's space: how strong the difference is, as noise, relative to the
    query, as signal. Rows are taken about the mean of the model's class prototypes, because a
    constant that all rows have in common is no signal.

    Both directions have the same noise, so their ratio is that of the two signals:
    ``snr_ab / snr_ba = var(b) / var(a)``. The distance is smaller from the sample that deviates
    more from the mean. Below 1, a difference is smaller than the query's own deviation from the
    mean; for the mean as reference it is 1.

    It does not explain predictions: it is no Mahalanobis distance, the values of the nodes do not
    add up, and a difference that is the same in all components has no variance.

    Parameters
    ----------
    model : HierarchicalMetricClassifier
        A fitted model.
    a, b : array-like of shape (n_features,) or (1, n_features)
        Two rows like those of `fit`; also a Series, or a DataFrame of one row.

    Returns
    -------
    DataFrame
        One row per node, by path: `snr_ab`, with a as the query and b as the reference; `snr_ba`,
        the other way round; `n_components` of the node's space, which covers everything below the
        node; `defined`, False where both are not; and `reason`: "" or why a value is NaN, "absent"
        (a sample lacks the node), "fewer than 2 components", or "no signal" (a query without
        variance, which may hold for one direction only).

    Raises
    ------
    NotFittedError, ValueError
        If the model is not fitted, or a row is not like those of `fit`.

    References
    ----------
    .. [1] T. Yuan, W. Deng, J. Tang, Y. Tang, B. Chen. "Signal-to-Noise Ratio: A Robust Distance
       Metric for Deep Metric Learning". CVPR 2019, equation (5).

    Examples
    --------
    >>> import pandas as pd
    >>> from hierseg_learn import HierarchicalMetricClassifier
    >>> from hierseg_learn.classifier import node_snr_distances
    >>> from sklearn.datasets import load_iris
    >>> X, y = load_iris(return_X_y=True)
    >>> names = [f"iris/{part}|{size}" for part in ("sepal", "petal") for size in ("l", "w")]
    >>> X = pd.DataFrame(X, columns=names)
    >>> model = HierarchicalMetricClassifier(random_state=0).fit(X, y)
    >>> node_snr_distances(model, X.iloc[0], X.iloc[60])["n_components"]
    node
    iris/sepal    2
    iris/petal    2
    iris          2
    Name: n_components, dtype: int64
    """
    import pandas as pd

    rows = [check_row(model, row, name) for row, name in ((a, "a"), (b, "b"))]
    rows = np.concatenate(rows)
    tree, presence = model.tree_, model._presence(rows)
    both = np.ones(tree.n_nodes, dtype=bool) if presence is None else presence.all(axis=0)
    records = []
    for node in tree.bottom_up():
        points = _about_the_classes(model, rows, node)
        values, reason = (np.nan, np.nan), ""
        if not both[node]:
            reason = "absent"
        elif points.shape[1] < 2:
            reason = "fewer than 2 components"
        else:
            values, reason = _both_ways(points)
        defined = not np.isnan(values).all()
        records.append((*values, points.shape[1], defined, reason))
    columns = ["snr_ab", "snr_ba", "n_components", "defined", "reason"]
    return pd.DataFrame(records, columns=columns, index=pd.Index(tree.paths, name="node"))


def _about_the_classes(model: Any, rows: np.ndarray, node: int) -> np.ndarray:
    """Rows in the space of a node, about the mean of the class means, (n_rows, n_components)."""
    components, lift = model._metric.components(node), model._metric.lifts[node]
    if lift is None:
        return (rows - model.prototypes_.mean(axis=0)) @ components.T
    model._require_rows("node_snr_distances()")
    lifted = lift(model._X)
    means = [lifted[model._codes == code].mean(axis=0) for code in range(len(model.classes_))]
    return (lift(rows) - np.mean(means, axis=0)) @ components.T


def _both_ways(points: np.ndarray) -> tuple[tuple[float, float], str]:
    """Distances of the first point to the second and back, and why one is missing."""
    there, back = snr_distance(points[:1], points[1:]), snr_distance(points[1:], points[:1])
    values = float(there[0, 0]), float(back[0, 0])
    return values, "no signal" if np.isnan(values).any() else ""
