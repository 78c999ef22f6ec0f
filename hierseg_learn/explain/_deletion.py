"""Deletion and insertion: whether an attribution names the segments that the model uses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ._checks import check_numbers

Worth = Callable[[np.ndarray], np.ndarray]


def deletion_curve(worth: Worth, attributions: Any) -> np.ndarray:
    r"""Follow a score while segments are removed, those with the largest attribution first.

    Parameters
    ----------
    worth : callable
        ``worth(kept)`` with `kept` of shape (n_coalitions, n_segments), bool, returns the score of
        the image in which only the kept segments are left, (n_coalitions,): usually the probability
        of the predicted class. How a segment is removed (muted, exchanged, painted over) is up to
        this function, so that all explanations can be judged by the same removal. It is called
        once.
    attributions : array-like of shape (n_segments,)
        What every segment is said to account for; of equal ones the first goes first.

    Returns
    -------
    curve : ndarray of shape (n_segments + 1,), float64
        The score of the whole image, without the first segment, ..., without any.

    Notes
    -----
    With :math:`\pi` the order of decreasing attributions and N all segments, step k is
    :math:`v(N \setminus \{\pi_1, \dots, \pi_k\})` [1]_. The curve of a good attribution
    falls early, so `curve_area` is small.

    References
    ----------
    .. [1] V. Petsiuk, A. Das, K. Saenko. "RISE: Randomized Input Sampling for Explanation of
       Black-box Models". BMVC, 2018. (There single pixels, here segments.)

    Examples
    --------
    >>> import numpy as np
    >>> from hierseg_learn.explain import curve_area, deletion_curve
    >>> def worth(kept):
    ...     return kept @ np.array([0.1, 0.7, 0.2])
    >>> curve = deletion_curve(worth, attributions=[0.0, 5.0, 1.0])
    >>> curve.round(1)
    array([1. , 0.3, 0.1, 0. ])
    >>> round(curve_area(curve), 2)
    0.3
    """
    return _scores(worth, ~_prefixes(attributions))


def insertion_curve(worth: Worth, attributions: Any) -> np.ndarray:
    r"""Follow a score while segments are put in, those with the largest attribution first.

    Parameters
    ----------
    worth : callable
        As in `deletion_curve`.
    attributions : array-like of shape (n_segments,)
        What every segment is said to account for; of equal ones the first goes first.

    Returns
    -------
    curve : ndarray of shape (n_segments + 1,), float64
        The score of the image without any segment, with the first, ..., with all.

    Notes
    -----
    With :math:`\pi` the order of decreasing attributions, step k is
    :math:`v(\{\pi_1, \dots, \pi_k\})` [1]_. The curve of a good attribution rises early, so
    `curve_area` is large.

    References
    ----------
    .. [1] V. Petsiuk, A. Das, K. Saenko. "RISE: Randomized Input Sampling for Explanation of
       Black-box Models". BMVC, 2018.

    Examples
    --------
    >>> import numpy as np
    >>> from hierseg_learn.explain import insertion_curve
    >>> def worth(kept):
    ...     return kept @ np.array([0.1, 0.7, 0.2])
    >>> insertion_curve(worth, attributions=[0.0, 5.0, 1.0]).round(1)
    array([0. , 0.7, 0.9, 1. ])
    """
    return _scores(worth, _prefixes(attributions))


def curve_area(curve: Any) -> float:
    r"""Area under a deletion or insertion curve, whose steps are equally far apart on [0, 1].

    Parameters
    ----------
    curve : array-like of shape (n_segments + 1,)
        As `deletion_curve` or `insertion_curve` returns it.

    Returns
    -------
    area : float
        By the trapezoidal rule, :math:`\frac{1}{n} \sum_{k=1}^{n} (c_{k-1} + c_k) / 2`: in the
        range of the scores, whatever the number of segments.

    Examples
    --------
    >>> from hierseg_learn.explain import curve_area
    >>> curve_area([1.0, 0.0, 0.0])
    0.25
    """
    curve = check_numbers(curve, "curve", ("n_segments + 1",))
    if len(curve) < 2:
        raise ValueError("curve must hold at least two scores, got 1: there is no segment.")
    return float((curve[1:] + curve[:-1]).mean() / 2)


def _prefixes(attributions: Any) -> np.ndarray:
    """Row k holds the k segments with the largest attributions, (n_segments + 1, n_segments)."""
    attributions = check_numbers(attributions, "attributions", ("n_segments",))
    place = np.empty(len(attributions), dtype=np.intp)
    place[np.argsort(-attributions, kind="stable")] = np.arange(len(attributions))
    return place < np.arange(len(attributions) + 1)[:, np.newaxis]


def _scores(worth: Worth, kept: np.ndarray) -> np.ndarray:
    scores = check_numbers(worth(kept), "what worth returns", ("n_coalitions",))
    if len(scores) != len(kept):
        raise ValueError(
            f"worth must return one score per coalition, {len(kept)}, got {len(scores)}."
        )
    return np.array(scores)
