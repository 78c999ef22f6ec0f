"""Rows in the space of any node, in the container that the user asked for."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils._set_output import _get_container_adapter

from .metrics._mahalanobis import map_rows


class NodeSpacesMixin:
    """Adds `transform` to a classifier that has a linear map for every node.

    scikit-learn wraps the `transform` in a class body and then names columns after the root's
    components, which fails for a node with more or fewer of them. An inherited `transform` is left
    alone and names its columns itself.
    """

    def transform(self, X: Any, node: int | str | None = None) -> np.ndarray:
        """Map rows into the space in which the Euclidean distance is the metric.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows like those of `fit`.
        node : int or str, default=None
            A node of `tree_` by id, path or unique name: the space of its metric over everything
            below it. None takes the root.

        Returns
        -------
        embedding : ndarray of shape (n_samples, n_components)
            Or a data frame, if `set_output` asks for one.
        """
        rows = self._check_rows(X)
        components = self.components_ if node is None else self.node_components(node)
        embedding = map_rows(components, rows)
        adapter = _get_container_adapter("transform", self)
        if adapter is None:
            return embedding
        prefix = type(self).__name__.lower()
        names = [f"{prefix}{i}" for i in range(len(components))]
        return adapter.create_container(embedding, X, columns=names)
