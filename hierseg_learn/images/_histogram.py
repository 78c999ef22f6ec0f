"""Ids of label maps that a lossy format or interpolation has changed, and their histogram."""

from __future__ import annotations

import numpy as np

_SHOWN = 8
# a share of the pixels that a part has in a set of photos, and the ids at borders have not
_COMMON = 0.01
# so many ids, mostly in single pixels, are no parts
_MANY = 12


def describe_ids(ids: np.ndarray, counts: np.ndarray) -> str:
    """Put a histogram into words, the most frequent ids first."""
    order = np.argsort(-counts, kind="stable")[:_SHOWN]
    shares = counts[order] / counts.sum()
    shown = ", ".join(f"{k} ({100 * share:.2g}%)" for k, share in zip(ids[order], shares))
    return f"{len(ids)} ids: {shown}" + (", ..." if len(ids) > _SHOWN else "")


def nearest_ids(ids: np.ndarray, counts: np.ndarray) -> str:
    """Name the ids that were there before a lossy format: frequent ones, apart from each other."""
    kept: list[int] = []
    for place in np.argsort(-counts, kind="stable"):
        share = counts[place] / counts.sum()
        if share >= _COMMON and all(abs(int(ids[place]) - other) > 8 for other in kept):
            kept.append(int(ids[place]))
    return ", ".join(map(str, sorted(kept)))


def lonely_pixels(labels: np.ndarray) -> np.ndarray:
    """Mark the pixels of a label map with fewer than two neighbors of their id: (h, w) bool."""
    same = np.zeros(labels.shape, dtype=np.int8)
    for a, b in (
        ((slice(1, None), slice(None)), (slice(None, -1), slice(None))),
        ((slice(None), slice(1, None)), (slice(None), slice(None, -1))),
    ):
        equal = labels[a] == labels[b]
        same[a] += equal
        same[b] += equal
    return same < 2


def look_interpolated(counts: np.ndarray, lonely: np.ndarray) -> bool:
    """Say whether most ids look like traces of a lossy format or of interpolation.

    `counts` has the pixels of every id, `lonely` those with fewer than two neighbors of their id.
    """
    rare = counts < _COMMON * counts.sum()
    n_rare = np.count_nonzero(rare)
    return (
        n_rare >= _MANY
        and n_rare > 2 * np.count_nonzero(~rare)
        and lonely[rare].sum() > 0.5 * counts[rare].sum()
    )
