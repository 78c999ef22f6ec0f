"""The nearest training photos of a photo, with what sets each apart and what they share."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ._pair import PairExplanation
from ._pipelines import FittedSteps, row, take

_N_NAMED = 3
# smaller shares are not worth a word
_LEAST = 0.05
# alike: the neighbour is so many times closer than the classes are on average
_CLOSER = 4.0
# given training photos that are not those of the fit have other distances
_TOLERANCE = 1e-3


@dataclass(frozen=True)
class Neighbor:
    """One training photo beside the query.

    Parameters
    ----------
    name : str
        What it is called.
    label : str
        Its class.
    explanation : PairExplanation
        Of the query and the neighbour.
    differ : dict of int to float
        The leaves that the squared distance comes from, with their shares, the largest first.
    alike : tuple of int
        The leaves in which it is much closer to the query than the classes are on average.
    photo : ndarray of shape (h, w) or (h, w, 3)
        The photo, floats in [0, 1].
    label_map : ndarray of shape (h, w)
        Leaf of every pixel.
    """

    name: str
    label: str
    explanation: PairExplanation
    differ: dict[int, float]
    alike: tuple[int, ...]
    photo: np.ndarray
    label_map: np.ndarray


def explain_neighbors(
    steps: FittedSteps,
    table: Any,
    X_train: Any,
    labels: np.ndarray,
    distances: np.ndarray,
    indices: np.ndarray,
    name: str,
) -> list[Neighbor]:
    """Explain the query beside each of its neighbours."""
    if indices.max() >= len(labels):
        raise ValueError(
            f"X_train must be what the estimator was fitted on; it holds {len(labels)} photos, but "
            f"number {indices.max()} is a neighbour."
        )
    chosen = take(X_train, indices)
    rows, photos, maps = steps.table(chosen), steps.photos(chosen), steps.label_maps(chosen)
    usual = _usual_contributions(steps, table)
    neighbors = []
    for i, index in enumerate(indices.tolist()):
        pair = steps.classifier.explain_pair(table, row(rows, i))
        if abs(pair.distance - distances[i]) > _TOLERANCE * (1 + distances[i]):
            raise ValueError(
                f"X_train must be what the estimator was fitted on, in the same order: photo "
                f"{index} is at distance {pair.distance:.3g}, but {distances[i]:.3g} was expected."
            )
        neighbors.append(
            Neighbor(
                name=f"training photo {index}",
                label=str(labels[index]),
                explanation=replace(pair, name_a=name, name_b=f"training photo {index}"),
                differ=_differ(pair),
                alike=_alike(pair, usual),
                photo=photos[i],
                label_map=maps[i],
            )
        )
    return neighbors


def _usual_contributions(steps: FittedSteps, table: Any) -> np.ndarray:
    """What every node contributes to the squared distances to the class means, on average."""
    prototypes = steps.classifier.prototypes_
    if hasattr(table, "columns"):
        prototypes = type(table)(prototypes, columns=table.columns)
    pairs = [
        steps.classifier.explain_pair(table, row(prototypes, i)) for i in range(len(prototypes))
    ]
    return np.mean([pair.own for pair in pairs], axis=0)


def _differ(pair: PairExplanation) -> dict[int, float]:
    """Leaves with the largest shares of their own columns."""
    leaves = np.array(pair.tree.leaves)
    order = leaves[np.argsort(-pair.own_share[leaves], kind="stable")][:_N_NAMED].tolist()
    return {node: float(pair.own_share[node]) for node in order if pair.own_share[node] >= _LEAST}


def _alike(pair: PairExplanation, usual: np.ndarray) -> tuple[int, ...]:
    """Leaves that both have and that usually contribute much more, the most telling first."""
    leaves = np.array(pair.tree.leaves)
    tells = usual[leaves] >= _LEAST * np.abs(usual).sum()
    close = np.abs(pair.own[leaves]) * _CLOSER < usual[leaves]
    both = ~np.isin(leaves, list(_differ(pair)))
    if pair.present_a is not None and pair.present_b is not None:
        both &= pair.present_a[leaves] & pair.present_b[leaves]
    found = leaves[tells & close & both]
    return tuple(found[np.argsort(-usual[found], kind="stable")][:_N_NAMED].tolist())
