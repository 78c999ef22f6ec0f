r"""Decision by linear discriminants in the root's embedding, and what nodes contribute to it.

Classes are normal around their means :math:`\mu_c`, with one covariance :math:`\Sigma` in the
root's embedding :math:`z = L x` [1]_. With :math:`M = L^T \Sigma^{-1} L`, the log-odds of the
classes a and b are

.. math::

    \log \frac{p(a \mid x)}{p(b \mid x)}
    = (\mu_a - \mu_b)^T M \Big(x - \frac{\mu_a + \mu_b}{2}\Big) + \log \frac{\pi_a}{\pi_b}

The last term are the log-odds of the priors. The first is the log-likelihood ratio: linear in the
row, zero in the middle between the means, and half the difference of the squared distances
:math:`(x - \mu)^T M (x - \mu)` to the two. So it is a sum over the nodes v, with
:math:`w = M (\mu_a - \mu_b)` and the middle m:

.. math:: \varphi_v = w_v^T (x_v - m_v)

The temperature that held-out rows choose (see `posteriors`) divides both terms: :math:`\Sigma` is
multiplied by it, and the logarithms of the classes' shares of the training rows are divided by it.
Priors that differ from these shares add the logarithms of their ratios, by Bayes' rule.

A softmax regression may have offsets, constants of its classes that are no priors, where its space
has too few dimensions for anchors that do without them. Then m is where the likelihoods of the two
classes are equal on the line through their anchors, so that offsets are never taken for priors.

References
----------
.. [1] R. A. Fisher. "The Use of Multiple Measurements in Taxonomic Problems". Annals of Eugenics 7,
   1936.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from ..kernels.threads import single_blas_thread
from ..metrics.contributions import sum_by_node
from .votes import Prototypes, Queries, block_rows, to_proba

# share of the largest squared length of a mean, below which those of two classes are the same
SAME_MEANS = 1e-12


class LogOdds(NamedTuple):
    """Log-odds of two classes each for rows, less those of the priors, and where they come from."""

    direct: np.ndarray  # (n_rows, n_nodes): contributions to the log-likelihood ratio
    # (n_rows, 2): to the means of the two classes, moved together to where offsets say nothing
    squared_distances: np.ndarray
    of_priors: np.ndarray  # (n_rows,): log-odds of the priors


@dataclass(frozen=True)
class Linear(Prototypes):
    """Posteriors of normal classes with a shared covariance, the identity along `components`."""

    # (n_directions, n_components): makes `components` of the root's map
    whitening: np.ndarray = field(kw_only=True)
    # (n_classes,): constants of the log-likelihoods of the classes
    offsets: np.ndarray = field(kw_only=True)

    is_linear = True

    def scores_of(self, queries: Queries) -> np.ndarray:
        """Log posteriors but for one constant a row, (n_rows, n_classes)."""
        return self._scores(queries.points)

    def proba_of_mapped(self, mapped: np.ndarray) -> np.ndarray:
        """Posteriors for rows that are mapped by the root's map, (n_rows, n_components)."""
        points = mapped @ self.whitening.T - self.components @ self.center
        return to_proba(self._scores(points))

    def runners_up(self, queries: Queries, codes: np.ndarray) -> np.ndarray:
        """Most probable class besides that of `codes`, (n_queries,) int."""
        scores = self.scores_of(queries)
        scores[np.arange(len(queries)), codes] = -np.inf
        leads = scores >= scores.max(axis=1, keepdims=True)
        return np.where(leads, self.order.classes, np.inf).argmin(axis=1)

    def log_odds(
        self,
        queries: Queries,
        targets: np.ndarray,
        foils: np.ndarray,
        split: Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray] | None = None,
    ) -> LogOdds:
        """Log-odds of one class each against another, (n_queries,) int.

        ``split(rows, means, weights)`` replaces what the nodes' own columns contribute to weighted
        sums of the differences of rows and means.
        """
        tree, columns, rows = self.layout.tree, self.layout.column_nodes, queries.rows
        direct, means = np.empty((len(rows), tree.n_nodes)), self.embedding.points
        squared = self.squared_distances(queries, np.stack([targets, foils], axis=1))
        of_priors = self.log_priors[targets] - self.log_priors[foils]
        size = block_rows(rows.shape[1], tree.n_nodes, split)
        for start in range(0, len(rows), size):
            block = slice(start, start + size)
            pairs, which = np.unique(
                np.stack([targets[block], foils[block]]), axis=1, return_inverse=True
            )
            apart = means[pairs[0]] - means[pairs[1]]
            with single_blas_thread():
                weights = apart @ self.components
            mine, theirs = self.prototypes[pairs[0]], self.prototypes[pairs[1]]
            # along the line through the two means, from their middle to where likelihoods are equal
            heights, lengths = self.offsets[pairs[0]] - self.offsets[pairs[1]], (apart**2).sum(1)
            differ = lengths > SAME_MEANS * np.einsum("ij,ij->i", means, means).max()
            slide = np.divide(heights, lengths, out=np.zeros_like(lengths), where=differ)
            middles = (mine + theirs) / 2 - slide[:, None] * (mine - theirs)
            # where the means are the same, nothing but the class tells the two apart
            of_priors[block] += np.where(differ, 0.0, heights)[which]
            for side, codes in enumerate((targets[block], foils[block])):
                along = ((queries.points[block] - means[codes]) * apart[which]).sum(axis=1)
                moved = 2 * along + (slide * lengths)[which]
                squared[block, side] += slide[which] * moved
            if split is None:
                shares = (rows[block] - middles[which]) * weights[which]
                direct[block] = sum_by_node(shares, columns, tree.n_nodes)
            else:
                direct[block] = split(rows[block], middles[which], weights[which])
        return LogOdds(direct, squared, of_priors)

    def _scores(self, points: np.ndarray) -> np.ndarray:
        means = self.embedding.points
        with single_blas_thread():
            products = points @ means.T
        scores = products - np.einsum("ij,ij->i", means, means) / 2
        scores += self.log_priors + self.offsets
        return self._settled(scores)


def temper_priors(priors: np.ndarray, shares: np.ndarray, temperature: float) -> np.ndarray:
    """Logarithms of priors, where shares of the training rows count less: (n_classes,)."""
    return np.log(priors) - np.log(shares) + np.log(shares) / temperature


def check_priors(priors: Any, counts: np.ndarray) -> np.ndarray | None:
    """Return a probability for every class, (n_classes,), if any are given."""
    if priors is None:
        return None
    try:
        found = np.asarray(priors, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"priors must hold one probability for each of {len(counts)} classes, got {priors!r}."
        ) from error
    if found.shape != counts.shape:
        raise ValueError(
            f"priors must hold one probability for each of {len(counts)} classes, got shape "
            f"{found.shape}."
        )
    if not (found > 0).all() or abs(found.sum() - 1) > 1e-5:
        raise ValueError(
            f"priors must be positive and sum to 1, got {found.tolist()[:10]} with the sum "
            f"{found.sum():.6g}."
        )
    return found / found.sum()
