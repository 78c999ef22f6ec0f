"""Measures of faithfulness: completeness, stability, randomization, pointing, deletion curves.

Every measure takes plain arrays with one column per segment, or functions that return them, so that
explanations from any source can be compared.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.stats import rankdata
from sklearn.utils import Bunch, check_random_state

from ..utils.labels import check_labels
from ..utils.numbers import check_integer
from .explanation import check_numbers

Explain = Callable[[Any], np.ndarray]


def completeness_error(attributions: Any, explained: Any) -> np.ndarray:
    r"""Error of the sum of attributions, relative to their size.

    Parameters
    ----------
    attributions : array-like of shape (n_images, n_segments) or (n_segments,)
        Attributions of the segments.
    explained : array-like of shape (n_images,) or float
        What they should sum to: a squared distance, a difference of such, or for a game the worth
        of all segments minus that of none.

    Returns
    -------
    error : ndarray of shape (n_images,) or float, float64
        Relative to the attributions' absolute sum. Where all attributions are 0 it is 0 if there
        is nothing to explain, and infinite otherwise.

    Notes
    -----
    The axiom is called completeness [1]_, for Shapley values efficiency.

    References
    ----------
    .. [1] M. Sundararajan, A. Taly, Q. Yan. "Axiomatic Attribution for Deep Networks". ICML, 2017.

    Examples
    --------
    >>> from hierseg_learn.explain import completeness_error
    >>> completeness_error([[2.0, -1.0, 1.0], [1.0, 1.0, 0.0]], [2.0, 1.5])
    array([0.  , 0.25])
    """
    values = _check_rows(attributions, "attributions")
    explained = np.asarray(explained, dtype=np.float64)
    if explained.shape != values.shape[:-1]:
        raise ValueError(
            f"explained must have one number per row of attributions, shape {values.shape[:-1]}, "
            f"got shape {explained.shape}."
        )
    missed = np.abs(values.sum(axis=-1) - explained)
    scale = np.abs(values).sum(axis=-1)
    error = np.where(missed > 0, np.inf, 0.0)
    np.divide(missed, scale, out=error, where=scale > 0)
    return error if error.ndim else float(error)


def rank_correlation(a: Any, b: Any) -> np.ndarray:
    r"""Spearman's rank correlation of attributions, image by image.

    Parameters
    ----------
    a, b : array-like of shape (n_images, n_segments) or (n_segments,)
        Two attributions of the same images. Equal values share their mean rank.

    Returns
    -------
    correlation : ndarray of shape (n_images,) or float, float64
        As in [1]_; NaN where all values of one attribution are equal, which have no order.

    References
    ----------
    .. [1] C. Spearman. "The Proof and Measurement of Association between Two Things". American
       Journal of Psychology 15, 1904.

    Examples
    --------
    >>> from hierseg_learn.explain import rank_correlation
    >>> rank_correlation([[1.0, 2.0, 9.0], [1.0, 2.0, 3.0]], [[0.0, 5.0, 6.0], [3.0, 2.0, 1.0]])
    array([ 1., -1.])
    """
    ranks = []
    for values, name in ((a, "a"), (b, "b")):
        rank = rankdata(_check_rows(values, name), axis=-1)
        ranks.append(rank - rank.mean(axis=-1, keepdims=True))
    first, second = ranks
    if first.shape != second.shape:
        raise ValueError(f"a and b must have the same shape, got {first.shape} and {second.shape}.")
    norm = np.sqrt((first**2).sum(axis=-1) * (second**2).sum(axis=-1))
    correlation = np.full(norm.shape, np.nan)
    np.divide((first * second).sum(axis=-1), norm, out=correlation, where=norm > 0)
    return correlation if correlation.ndim else float(correlation)


def noise_stability(
    explain: Explain,
    image: Any,
    *,
    scale: float = 0.01,
    n_repeats: int = 10,
    random_state: Any = None,
) -> Bunch:
    r"""Change of an explanation by a little noise on its image.

    Parameters
    ----------
    explain : callable
        ``explain(image)`` returns attributions of shape (n_segments,). The segments must be those
        of the image without noise.
    image : array-like of float
        The pixels, or the numbers of a row of the table.
    scale : float, default=0.01
        Standard deviation of the normal noise, in the units of `image`. Nothing is clipped, which
        would shift the mean at the borders of the range.
    n_repeats : int, default=10
        How many noisy images.
    random_state : int, RandomState instance or None, default=None
        Seeds the noise.

    Returns
    -------
    stability : Bunch
        change : ndarray of shape (n_repeats,)
            The Euclidean change of the explanation relative to the explanation.
        rank_correlation : ndarray of shape (n_repeats,)
            Of the explanations with and without noise, as in `rank_correlation`.

    Notes
    -----
    The largest change is the sensitivity of [1]_, estimated from below. It also measures the model:
    neighbors may change with the noise.

    References
    ----------
    .. [1] C.-K. Yeh, C.-Y. Hsieh, A. S. Suggala, D. I. Inouye, P. Ravikumar. "On the (In)fidelity
       and Sensitivity of Explanations". NeurIPS, 2019.

    Examples
    --------
    >>> import numpy as np
    >>> from hierseg_learn.explain import noise_stability
    >>> stability = noise_stability(lambda x: 2 * x, np.array([1.0, 2.0, 4.0]), random_state=0)
    >>> bool(stability.change.max() < 0.01), stability.rank_correlation.min().item()
    (True, 1.0)
    """
    if scale < 0:
        raise ValueError(f"scale must be at least 0, got {scale}.")
    check_integer(n_repeats, "n_repeats")
    image = np.asarray(image, dtype=np.float64)
    rng = check_random_state(random_state)
    plain = _returned(explain(image), "explain", "n_segments")
    noisy = np.stack(
        [
            _returned(
                explain(image + scale * rng.standard_normal(image.shape)), "explain", *plain.shape
            )
            for _ in range(n_repeats)
        ]
    )
    moved, size = np.linalg.norm(noisy - plain, axis=1), np.linalg.norm(plain)
    change = np.where(moved > 0, np.inf, 0.0) if size == 0 else moved / size
    correlation = rank_correlation(noisy, np.broadcast_to(plain, noisy.shape))
    return Bunch(change=change, rank_correlation=correlation)


def randomization_check(
    fit_explain: Callable[[np.ndarray, int], np.ndarray],
    y: Any,
    *,
    n_permutations: int = 1,
    random_state: Any = None,
) -> Bunch:
    r"""Compare explanations of a model with those of one that learned from permuted labels.

    Parameters
    ----------
    fit_explain : callable
        ``fit_explain(y, seed)`` fits a model on the labels y, every random step of it seeded by
        `seed`, and returns attributions of always the same images, (n_images, n_segments).
    y : array-like of shape (n_samples,)
        The true labels.
    n_permutations : int, default=1
        How many permutations of the labels to learn from.
    random_state : int, RandomState instance or None, default=None
        Seeds the permutations and the models.

    Returns
    -------
    check : Bunch
        permuted : ndarray of shape (n_permutations, n_images)
            Rank correlations of explanations from true and from permuted labels; the seed is the
            same.
        reseeded : ndarray of shape (n_images,)
            Rank correlations of explanations from true labels with two seeds. It is 1 where
            nothing is drawn at random.

    Notes
    -----
    The data randomization test of [1]_: an explanation that is the same when labels are permuted
    shows the image, not what was learned. Compare `permuted` with `reseeded`.

    References
    ----------
    .. [1] J. Adebayo, J. Gilmer, M. Muelly, I. Goodfellow, M. Hardt, B. Kim. "Sanity Checks for
       Saliency Maps". NeurIPS, 2018.

    Examples
    --------
    >>> import numpy as np
    >>> from hierseg_learn.explain import randomization_check
    >>> X = np.array([[5.0, 1.0, 0.0], [4.0, 2.0, 0.0]])
    >>> check = randomization_check(lambda y, seed: X, [0, 1], random_state=0)
    >>> check.permuted, check.reseeded  # depends on the images alone: it fails the check
    (array([[1., 1.]]), array([1., 1.]))
    """
    check_integer(n_permutations, "n_permutations")
    y = check_labels(y, "y")
    rng = check_random_state(random_state)
    seed, other = rng.randint(np.iinfo(np.int32).max, size=2).tolist()
    true = fit_explain(y, seed)
    permuted = [
        rank_correlation(true, fit_explain(rng.permutation(y), seed)) for _ in range(n_permutations)
    ]
    return Bunch(
        permuted=np.stack(permuted), reseeded=rank_correlation(true, fit_explain(y, other))
    )


def pointing_game(attributions: Any, planted: Any) -> np.ndarray:
    r"""Check whether the segment with the largest attribution is one that is known to matter.

    Parameters
    ----------
    attributions : array-like of shape (n_images, n_segments)
        Attributions of the segments.
    planted : array-like of bool, shape (n_images, n_segments) or (n_segments,)
        Which segments are known to carry the class.

    Returns
    -------
    hit : ndarray of shape (n_images,), float64
        1 where the largest attribution is that of a planted segment, 0 where it is not; of several
        largest ones the share that is planted.

    Notes
    -----
    The mean over images is the accuracy of the pointing game [1]_, with segments in the place of
    pixels.

    References
    ----------
    .. [1] J. Zhang, Z. Lin, J. Brandt, X. Shen, S. Sclaroff. "Top-down Neural Attention by
       Excitation Backprop". ECCV, 2016.

    Examples
    --------
    >>> from hierseg_learn.explain import pointing_game
    >>> pointing_game([[3.0, 1.0], [1.0, 2.0], [1.0, 1.0]], [True, False])
    array([1. , 0. , 0.5])
    """
    values = check_numbers(attributions, "attributions", ("n_images", "n_segments"))
    planted = np.asarray(planted)
    if planted.dtype != bool or planted.shape not in (values.shape, values.shape[1:]):
        raise ValueError(
            f"planted must hold a bool per segment, shape {values.shape[1:]} or {values.shape}, "
            f"got {planted.dtype} of shape {planted.shape}."
        )
    largest = values == values.max(axis=1, keepdims=True)
    return (largest & planted).sum(axis=1) / largest.sum(axis=1)


def _check_rows(values: Any, name: str) -> np.ndarray:
    """Check finite numbers of one or two dimensions."""
    shape = ("n_images", "n_segments")[2 - min(max(np.ndim(values), 1), 2) :]
    return check_numbers(values, name, shape)


def _returned(values: Any, function: str, *shape: int | str) -> np.ndarray:
    """Check the numbers that a function returned."""
    return check_numbers(values, f"what {function} returns", shape)


Worth = Callable[[np.ndarray], np.ndarray]


def deletion_curve(worth: Worth, attributions: Any) -> np.ndarray:
    r"""Follow a score while segments are removed, those with the largest attribution first.

    Parameters
    ----------
    worth : callable
        ``worth(kept)`` with `kept` of shape (n_coalitions, n_segments), bool, returns the score of
        the image in which only the kept segments are left, (n_coalitions,): usually the probability
        of the predicted class. How a segment is removed (ablated, swapped, painted over) is up to
        this function, so that all explanations can be compared by the same removal. It is called
        once.
    attributions : array-like of shape (n_segments,)
        Attributions of the segments; of equal ones the first goes first.

    Returns
    -------
    curve : ndarray of shape (n_segments + 1,), float64
        The score of the whole image, without the first segment, ..., without any.

    Notes
    -----
    The curve of a good attribution falls early [1]_, so `curve_area` is small.

    References
    ----------
    .. [1] V. Petsiuk, A. Das, K. Saenko. "RISE: Randomized Input Sampling for Explanation of
       Black-box Models". BMVC, 2018. (There single pixels, here segments.)

    Examples
    --------
    >>> import numpy as np
    >>> from hierseg_learn.explain import curve_area, deletion_curve
    >>> weights = np.array([0.1, 0.7, 0.2])
    >>> curve = deletion_curve(lambda kept: kept @ weights, attributions=[0.0, 5.0, 1.0])
    >>> curve.round(1), round(curve_area(curve), 2)
    (array([1. , 0.3, 0.1, 0. ]), 0.3)
    """
    return _scores(worth, ~_prefixes(attributions))


def insertion_curve(worth: Worth, attributions: Any) -> np.ndarray:
    r"""Follow a score while segments are put in, those with the largest attribution first.

    Parameters
    ----------
    worth : callable
        As in `deletion_curve`.
    attributions : array-like of shape (n_segments,)
        Attributions of the segments; of equal ones the first goes first.

    Returns
    -------
    curve : ndarray of shape (n_segments + 1,), float64
        The score of the image without any segment, with the first, ..., with all.

    Notes
    -----
    The curve of a good attribution rises early [1]_, so `curve_area` is large.

    References
    ----------
    .. [1] V. Petsiuk, A. Das, K. Saenko. "RISE". BMVC, 2018.

    Examples
    --------
    >>> import numpy as np
    >>> from hierseg_learn.explain import insertion_curve
    >>> weights = np.array([0.1, 0.7, 0.2])
    >>> insertion_curve(lambda kept: kept @ weights, attributions=[0.0, 5.0, 1.0]).round(1)
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
    scores = _returned(worth(kept), "worth", "n_coalitions")
    if len(scores) != len(kept):
        raise ValueError(
            f"worth must return one score per coalition, {len(kept)}, got {len(scores)}."
        )
    return np.array(scores)
