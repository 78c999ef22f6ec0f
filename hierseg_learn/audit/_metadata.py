"""Prediction of the class from size, format and mask coverage alone, without looking at a photo."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from numbers import Integral, Real
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.stats import norm
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, validate_params

from ..explain.words import enumerate_words
from ..images import ImageFiles, SegmentedImages, check_images, is_table
from ..metrics.canonical import canonical_order
from ..table.layout import AREA
from ..utils.numbers import number, percent, probability
from ._base import AuditReport, Table, draw_ranking
from ._solo import balanced_accuracy, make_folds, permuted_within, read_classes

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

FACTS = ("height", "width", "aspect ratio", "file format", "color mode", "mask coverage")
TOGETHER = "all together"
# a number with more values is cut into as many ranges of equal count
MAX_BINS = 16
# a smaller gain over chance is not flagged, however significant
MIN_GAIN = 0.01
# scores that are held at once
BLOCK_SCORES = 2**21


@dataclass(frozen=True, eq=False, repr=False)
class MetadataReport(AuditReport):
    """Prediction of the class from facts about files and masks, not from what they show.

    Parameters
    ----------
    facts : tuple of str
        The facts; the last is ``"all together"``.
    accuracy, chance, p_value : ndarray of shape (n_facts,)
        Cross-validated balanced accuracy of every fact alone, its mean over permuted labels, and
        the probability of an accuracy as high if the fact is uninformative.
    threshold : ndarray of shape (n_facts,)
        Accuracy above which a fact is flagged.
    unchecked : tuple of str
        Facts that the input does not hold.
    alpha : float
        Probability that any uninformative fact is flagged.
    n_samples : int
        Number of samples.

    See Also
    --------
    find_metadata_shortcuts : Computes one.

    Examples
    --------
    >>> import numpy as np
    >>> from hierseg_learn.audit import MetadataReport
    >>> report = MetadataReport(
    ...     ("height", "all together"),
    ...     accuracy=np.array([0.9, 0.9]),
    ...     chance=np.array([0.5, 0.5]),
    ...     p_value=np.array([1e-9, 1e-9]),
    ...     threshold=np.array([0.6, 0.6]),
    ...     unchecked=("file format",),
    ...     alpha=0.001,
    ...     n_samples=100,
    ... )
    >>> report.flagged
    ('height', 'all together')
    """

    facts: tuple[str, ...]
    _: KW_ONLY
    accuracy: np.ndarray
    chance: np.ndarray
    p_value: np.ndarray
    threshold: np.ndarray
    unchecked: tuple[str, ...]
    alpha: float
    n_samples: int

    @property
    def is_flagged(self) -> np.ndarray:
        """Facts that predict the class better than chance: bool array of shape (n_facts,)."""
        return (self.accuracy > self.threshold) & (self.accuracy - self.chance >= MIN_GAIN)

    @property
    def flagged(self) -> tuple[str, ...]:
        """Names of the flagged facts, the highest accuracy first."""
        order = np.argsort(-self.accuracy, kind="stable")
        return tuple(self.facts[k] for k in order if self.is_flagged[k])

    def to_frame(self) -> pd.DataFrame:
        """Return the numbers as a new DataFrame with one row per fact.

        Returns
        -------
        frame : DataFrame
            The columns `accuracy`, `chance`, `threshold`, `p_value` and `flagged`.
        """
        import pandas as pd

        names = ("accuracy", "chance", "threshold", "p_value")
        columns = {name: getattr(self, name) for name in names}
        index = pd.Index(self.facts, name="fact")
        return pd.DataFrame({**columns, "flagged": self.is_flagged}, index=index)

    def sentences(self) -> list[str]:
        """Say which facts predict the class, and which could not be checked."""
        frame, lines = self.to_frame(), []
        alone = [fact for fact in self.flagged if fact != TOGETHER] or list(self.flagged)
        if alone:
            named = [f"{fact} {percent(frame.accuracy[fact])}" for fact in alone]
            chance = percent(frame.chance[self.flagged[0]])
            lines.append(
                "Flagged: the class can be predicted without looking at a photo, by "
                f"{enumerate_words(named)} (balanced accuracy; chance is {chance}). A model may be "
                "right for this reason: make the photos of all classes alike in it, or compare "
                "within it."
            )
        elif len(self.facts) > 1:
            lines.append(
                "Not flagged: the class cannot be predicted better than by chance from "
                f"{enumerate_words(list(self.facts[:-1]))}."
            )
        if self.unchecked:
            lines.append(f"Not checked, missing from the input: {', '.join(self.unchecked)}.")
        return lines

    def tables(self) -> list[Table]:
        """Table of all facts; none if no fact could be checked."""
        heads = ["fact alone", "accuracy", "chance", "threshold", "p"]
        columns = zip(self.facts, self.accuracy, self.chance, self.threshold, self.p_value)
        rows = [
            [fact, *(number(value, ".2f") for value in values), probability(p)]
            for fact, *values, p in columns
        ]
        caption = f"Prediction of the class from the files alone, {self.n_samples} samples"
        return [(caption, heads, rows)] if rows else []

    @property
    def alt_text(self) -> str:
        """The plot in words."""
        named = [f"{fact} {number(a, '.2f')}" for fact, a in zip(self.facts, self.accuracy)]
        return f"Balanced accuracy of every fact alone: {', '.join(named) or 'none'}."

    @property
    def _n_bars(self) -> int:
        return len(self.facts)

    def _draw(self, ax: Axes) -> None:
        title = "Prediction from the files alone (stroke: chance)"
        draw_ranking(ax, self.facts, self.accuracy, self.chance, self.is_flagged, title)

    def __repr__(self) -> str:
        return f"MetadataReport({len(self.flagged)} flagged, {len(self.unchecked)} not checked)"


TEST_PARAMS = {
    "alpha": [Interval(Real, 0, 1, closed="neither")],
    "cv": [Interval(Integral, 2, None, closed="left")],
    "n_permutations": [Interval(Integral, 20, None, closed="left")],
    "random_state": ["random_state"],
}


@validate_params(TEST_PARAMS, prefer_skip_nested_validation=True)
def find_metadata_shortcuts(
    X: Any,
    y: Any,
    *,
    segments: Any = None,
    alpha: float = 0.001,
    cv: int = 5,
    n_permutations: int = 200,
    random_state: Any = None,
) -> MetadataReport:
    """Test whether size, format, color mode or mask coverage of the photos predict the class.

    If the photos of one class come from another camera or another archive, their size or format
    gives the class away, and some of it can be read in the pixels. Only the headers of files are
    read, and the covered share of label maps.

    Parameters
    ----------
    X : array, list of arrays, list of paths, SegmentedImages or table
        The photos. In a table of :class:`~hierseg_learn.SegmentTreeTransformer` only the area of
        the root is such a fact; the others are reported as not checked.
    y : array-like of shape (n_samples,)
        Their classes.
    segments : array, list of arrays or list of paths, default=None
        One label map per photo, unless X brings its own.
    alpha : float, default=0.001
        Probability that any uninformative fact is flagged.
    cv : int, default=5
        Number of stratified folds.
    n_permutations : int, default=200
        Number of permutations of the labels, from which chance is estimated.
    random_state : int, RandomState instance or None, default=None
        Seed of folds and permutations. The result does not depend on the order of the samples.

    Returns
    -------
    report : MetadataReport

    Raises
    ------
    ValueError
        If lengths differ, or there are fewer than two classes of at least five samples.

    See Also
    --------
    find_shortcuts : Nodes of the tree that predict the class and should not.

    Notes
    -----
    A number is cut into at most 16 ranges. The classifier is naive Bayes with equal priors. Labels
    are permuted within folds, and the threshold is ``norm.isf(alpha / n_facts)`` standard
    deviations above the mean accuracy with permuted labels. Height and width are those of the photo
    as displayed, whatever its orientation in the file; the format comes from the header, not from
    the extension.

    Examples
    --------
    >>> import numpy as np
    >>> from hierseg_learn.audit import find_metadata_shortcuts
    >>> photos = [np.zeros((30 + 2 * (i % 2), 20)) for i in range(40)]
    >>> report = find_metadata_shortcuts(photos, np.arange(40) % 2, random_state=0)
    >>> report.flagged
    ('height', 'aspect ratio', 'all together')
    >>> report.unchecked
    ('file format', 'mask coverage')
    """
    known = _photo_facts(X, segments)
    n_samples = len(next(iter(known.values()))) if known else len(X)
    _, codes = read_classes(y, n_samples)
    bins = {fact: _bins(values) for fact, values in known.items()}
    table = np.reshape([*bins.values()], (len(bins), n_samples)).T
    order, ranks = canonical_order(table, codes)
    codes = ranks[codes][order]
    seeds = check_random_state(random_state).randint(np.iinfo(np.int32).max, size=2)
    folds = make_folds(codes, cv, seeds[0])
    labelings = permuted_within(codes, folds, n_permutations, seeds[1])
    columns = list(table[order].T)
    predictors = [[column] for column in columns] + [columns] * bool(columns)
    found = np.array([_accuracies(used, labelings, folds) for used in predictors])
    found = found.reshape(len(predictors), len(labelings))
    null = found[:, 1:]
    center, spread = null.mean(axis=1), null.std(axis=1, ddof=1)
    level = alpha / max(len(predictors), 1)
    z = np.divide(found[:, 0] - center, spread, out=np.zeros(len(found)), where=spread > 1e-9)
    return MetadataReport(
        (*bins, *[TOGETHER] * bool(bins)),
        accuracy=found[:, 0],
        chance=center,
        p_value=np.minimum(norm.sf(z) * len(predictors), 1.0),
        threshold=center + norm.isf(level) * spread,
        unchecked=tuple(fact for fact in FACTS if fact not in known),
        alpha=alpha,
        n_samples=n_samples,
    )


def _photo_facts(X: Any, segments: Any) -> dict[str, np.ndarray]:
    """Facts that the input holds, by name, each (n_samples,)."""
    if is_table(X):
        return _table_facts(X)
    images = X.images if isinstance(X, SegmentedImages) else X
    if isinstance(images, ImageFiles):
        photos = [images.facts(i) for i in range(len(images))]
    else:
        photos = [_photo(image) for image in images]
    height, width = np.array([photo[:2] for photo in photos], dtype=np.float64).T
    formats, modes = (np.array([photo[k] for photo in photos]) for k in (2, 3))
    facts = {"height": height, "width": width, "aspect ratio": (width / height).round(6)}
    if (formats != "").any():
        facts["file format"] = formats
    facts["color mode"] = modes
    if segments is not None or isinstance(X, SegmentedImages):
        batch = check_images(X, segments=segments)
        covered = [np.mean(batch.mask(i) >= 0) for i in range(len(batch))]
        facts["mask coverage"] = np.round(covered, 6)
    return facts


def _photo(image: Any) -> tuple[int, int, str, str]:
    """Height, width, file format ("" for none) and color mode of a photo."""
    if isinstance(image, str | PathLike):
        return ImageFiles([image]).facts(0)
    if hasattr(image, "getbands"):
        return image.height, image.width, getattr(image, "format", None) or "", image.mode
    height, width, *channels = np.shape(getattr(image, "image", image))
    return height, width, "", {(): "L", (3,): "RGB", (4,): "RGBA"}.get(tuple(channels), "other")


def _table_facts(X: Any) -> dict[str, np.ndarray]:
    """Mask coverage by the root's area, if the columns have names."""
    names = [str(name) for name in getattr(X, "columns", ())]
    roots = [name for name in names if "/" not in name and name.endswith(f"|{AREA}")]
    if len(roots) != 1:
        return {}
    return {"mask coverage": np.asarray(X[roots[0]], dtype=np.float64).round(6)}


def _bins(values: np.ndarray) -> np.ndarray:
    """Codes of the values, or of ranges of equal count where they are many: (n_samples,) int."""
    distinct, codes = np.unique(values, return_inverse=True)
    if len(distinct) <= MAX_BINS or values.dtype.kind not in "iuf":
        return codes
    edges = np.unique(np.quantile(values, np.linspace(0, 1, MAX_BINS + 1)[1:-1]))
    return np.searchsorted(edges, values, side="right")


def _accuracies(bins: list[np.ndarray], labelings: np.ndarray, folds: np.ndarray) -> np.ndarray:
    """Cross-validated balanced accuracy of binned facts for every labeling: (n_labelings,)."""
    n_classes = int(labelings.max()) + 1
    n_at_once = max(1, BLOCK_SCORES // (labelings.shape[1] * n_classes))
    blocks = np.array_split(labelings, -(-len(labelings) // n_at_once))
    return np.concatenate([_block_accuracies(bins, block, folds, n_classes) for block in blocks])


def _block_accuracies(
    bins: list[np.ndarray], labelings: np.ndarray, folds: np.ndarray, n_classes: int
) -> np.ndarray:
    """As `_accuracies`, for labelings whose scores fit into memory."""
    scores = np.zeros((*labelings.shape, n_classes))
    offsets = np.arange(len(labelings))[:, np.newaxis]
    for codes in bins:
        n_bins = int(codes.max()) + 1
        keys = (offsets * n_bins + codes) * n_classes + labelings
        for fold in np.unique(folds):
            seen, held_out = folds != fold, folds == fold
            counts = np.bincount(
                keys[:, seen].ravel(), minlength=len(labelings) * n_bins * n_classes
            ).reshape(len(labelings), n_bins, n_classes)
            # shares within every class, which stand for equal priors
            shares = (counts + 1 / n_bins) / (counts.sum(axis=1, keepdims=True) + 1)
            scores[:, held_out] += np.log(shares)[:, codes[held_out]]
    return balanced_accuracy(labelings, scores.argmax(axis=2), n_classes)
