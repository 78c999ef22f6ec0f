"""What size, format and mask coverage alone say about the label, before anyone looks at a photo."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from numbers import Integral, Real
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.stats import norm
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, validate_params

from ..explain.words import enumerate_words, html_block, html_table, probability, text_table
from ..images import ImageFiles, SegmentedImages, check_images, is_table
from ..table.layout import AREA
from ..utils.numbers import number, percent
from ._solo import balanced_accuracy, make_folds, permuted_within, read_classes

if TYPE_CHECKING:
    import pandas as pd

FACTS = ("height", "width", "aspect ratio", "file format", "color mode", "mask coverage")
TOGETHER = "all together"
# values of a number that are told apart; more are cut into as many ranges of equal count
MAX_BINS = 16
# a fact that says so much less than one more right guess in a hundred is none, however sure
MIN_GAIN = 0.01
# scores that are held at once
BLOCK_SCORES = 2**21


@dataclass(frozen=True, eq=False, repr=False)
class MetadataReport:
    """How well facts about the files and masks, and not about what they show, predict the class.

    Parameters
    ----------
    facts : tuple of str
        What was looked at; the last is ``"all together"``.
    accuracy, chance, p_value : ndarray of shape (n_facts,)
        Cross-validated balanced accuracy of every fact alone, its mean over permuted labels, and
        the probability of so high an accuracy if the fact says nothing.
    high : ndarray of shape (n_facts,)
        From where on an accuracy is an alarm.
    unchecked : tuple of str
        Facts that the input does not hold.
    alpha : float
        Probability of any false alarm.
    n_samples : int
        Number of samples.

    Attributes
    ----------
    alarms : tuple of str
        Facts that say more than chance about the class, the strongest first.
    frame : DataFrame
        One row per fact.

    See Also
    --------
    find_metadata_shortcuts : Makes one.

    Examples
    --------
    >>> import numpy as np
    >>> from hierseg_learn.audit import MetadataReport
    >>> report = MetadataReport(
    ...     ("height", "all together"),
    ...     accuracy=np.array([0.9, 0.9]),
    ...     chance=np.array([0.5, 0.5]),
    ...     p_value=np.array([1e-9, 1e-9]),
    ...     high=np.array([0.6, 0.6]),
    ...     unchecked=("file format",),
    ...     alpha=0.001,
    ...     n_samples=100,
    ... )
    >>> report.alarms
    ('height', 'all together')
    """

    facts: tuple[str, ...]
    _: KW_ONLY
    accuracy: np.ndarray
    chance: np.ndarray
    p_value: np.ndarray
    high: np.ndarray
    unchecked: tuple[str, ...]
    alpha: float
    n_samples: int

    @property
    def is_alarm(self) -> np.ndarray:
        """Facts that say more than chance about the class: bool array of shape (n_facts,)."""
        return (self.accuracy > self.high) & (self.accuracy - self.chance >= MIN_GAIN)

    @property
    def alarms(self) -> tuple[str, ...]:
        """Facts that say more than chance about the class, the strongest first."""
        order = np.argsort(-self.accuracy, kind="stable")
        return tuple(self.facts[k] for k in order if self.is_alarm[k])

    @property
    def frame(self) -> pd.DataFrame:
        """A new DataFrame with a row per fact: `accuracy`, `chance`, `high`, `p_value`, `alarm`."""
        import pandas as pd

        columns = {name: getattr(self, name) for name in ("accuracy", "chance", "high", "p_value")}
        index = pd.Index(self.facts, name="fact")
        return pd.DataFrame({**columns, "alarm": self.is_alarm}, index=index)

    def sentences(self) -> list[str]:
        """Say in words what the facts predict, and what could not be checked.

        Returns
        -------
        list of str
        """
        place = {fact: k for k, fact in enumerate(self.facts)}
        alone = [fact for fact in self.alarms if fact != TOGETHER]
        lines = []
        if self.alarms:
            said = [
                f"{fact} {percent(self.accuracy[place[fact]])}" for fact in alone or self.alarms
            ]
            lines.append(
                "Alarm: the class can be told without looking at a photo, by "
                f"{enumerate_words(said)} (balanced accuracy; chance is "
                f"{percent(self.chance[place[self.alarms[0]]])}). A model may be right for this "
                "reason: make the photos of all classes alike in it, or compare within it."
            )
        elif len(self.facts) > 1:
            lines.append(
                f"No alarm: {enumerate_words(list(self.facts[:-1]))} say no more than chance about "
                "the class."
            )
        if self.unchecked:
            lines.append(f"Not checked, as the input does not tell: {', '.join(self.unchecked)}.")
        return lines

    def table(self) -> tuple[list[str], list[list[str]]]:
        """Heads and rows of a table to read.

        Returns
        -------
        heads : list of str
        rows : list of list of str
        """
        heads = ["fact alone", "accuracy", "chance", "alarm from", "p"]
        columns = zip(self.facts, self.accuracy, self.chance, self.high, self.p_value)
        return heads, [
            [fact, *(number(value, ".2f") for value in row[:3]), probability(row[3])]
            for fact, *row in columns
        ]

    def to_text(self) -> str:
        """Say in words what was found, with all facts below.

        Returns
        -------
        str
        """
        return "\n".join([*self.sentences(), "", text_table(*self.table())])

    def _repr_html_(self) -> str:
        caption = f"What facts about the files say about the class, {self.n_samples} samples"
        return html_block("metadata", self.sentences(), html_table(caption, *self.table()))

    def __repr__(self) -> str:
        return f"MetadataReport({len(self.alarms)} alarms, {len(self.unchecked)} not checked)"


@validate_params(
    {
        "X": "no_validation",
        "y": "no_validation",
        "segments": "no_validation",
        "alpha": [Interval(Real, 0, 1, closed="neither")],
        "cv": [Interval(Integral, 2, None, closed="left")],
        "n_permutations": [Interval(Integral, 20, None, closed="left")],
        "random_state": ["random_state"],
    },
    prefer_skip_nested_validation=True,
)
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
    """Ask how well the class is told by height, width, aspect ratio, format, color mode, coverage.

    If the photos of one class come from another camera or another archive, their size or format
    gives the class away, and some of it can be read in the pixels. Nothing but the headers of files
    is read, and of label maps how much they cover.

    Parameters
    ----------
    X : array, list of arrays, list of paths, SegmentedImages or table
        The photos. Of a table of :class:`~hierseg_learn.SegmentTreeTransformer` only the area of
        the root is a fact about the file; the others are reported as not checked.
    y : array-like of shape (n_samples,)
        Their classes.
    segments : array, list of arrays or list of paths, default=None
        One label map per photo, unless X brings its own.
    alpha : float, default=0.001
        Probability that an alarm is raised though no fact says anything.
    cv : int, default=5
        Number of stratified folds.
    n_permutations : int, default=200
        How often labels are shuffled to see what chance gives.
    random_state : int, RandomState instance or None, default=None
        Seed of folds and shuffles.

    Returns
    -------
    report : MetadataReport

    Raises
    ------
    ValueError
        If lengths differ, or there are fewer than two classes of at least five samples.

    See Also
    --------
    find_shortcuts : Which nodes of the tree say more than they should.

    Notes
    -----
    A number is cut into at most 16 ranges; the classifier takes the class whose share of the range
    is largest, by naive Bayes for all facts together. Labels are permuted within folds, and an
    alarm is ``norm.isf(alpha / n_facts)`` standard deviations above the mean of the permuted ones.
    The height is that of the photo as it is shown, whatever way the camera was held; the format is
    what the header says, not the extension.

    Examples
    --------
    >>> import numpy as np
    >>> from hierseg_learn.audit import find_metadata_shortcuts
    >>> photos = [np.zeros((30 + 2 * (i % 2), 20)) for i in range(40)]
    >>> report = find_metadata_shortcuts(photos, np.arange(40) % 2, random_state=0)
    >>> report.alarms
    ('height', 'aspect ratio', 'all together')
    >>> report.unchecked
    ('file format', 'mask coverage')
    """
    known = _photo_facts(X, segments)
    n_samples = len(next(iter(known.values()))) if known else len(X)
    _, codes = read_classes(y, n_samples)
    seeds = check_random_state(random_state).randint(np.iinfo(np.int32).max, size=2)
    folds = make_folds(codes, cv, seeds[0])
    labellings = permuted_within(codes, folds, n_permutations, seeds[1])
    bins = {fact: _bins(values) for fact, values in known.items()}
    guesses = [[own] for own in bins.values()] + [list(bins.values())] * bool(bins)
    found = np.array([_accuracies(own, labellings, folds) for own in guesses])
    found = found.reshape(len(guesses), len(labellings))
    null = found[:, 1:]
    center, spread = null.mean(axis=1), null.std(axis=1, ddof=1)
    level = alpha / max(len(guesses), 1)
    z = np.divide(found[:, 0] - center, spread, out=np.zeros(len(found)), where=spread > 1e-9)
    return MetadataReport(
        (*bins, *[TOGETHER] * bool(bins)),
        accuracy=found[:, 0],
        chance=center,
        p_value=np.minimum(norm.sf(z) * len(guesses), 1.0),
        high=center + norm.isf(level) * spread,
        unchecked=tuple(fact for fact in FACTS if fact not in known),
        alpha=alpha,
        n_samples=n_samples,
    )


def _photo_facts(X: Any, segments: Any) -> dict[str, np.ndarray]:
    """Facts by name, each an array of one value per sample; only those that X and masks hold."""
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
    """Height, width, file format ("" for none) and color mode of one photo of any kind."""
    if isinstance(image, str | PathLike):
        return ImageFiles([image]).facts(0)
    if hasattr(image, "getbands"):
        return image.height, image.width, getattr(image, "format", None) or "", image.mode
    height, width, *channels = np.shape(getattr(image, "image", image))
    return height, width, "", {(): "L", (3,): "RGB", (4,): "RGBA"}.get(tuple(channels), "other")


def _table_facts(X: Any) -> dict[str, np.ndarray]:
    """What a table tells: the labeled share of the photo, if its columns have names."""
    names = [str(name) for name in getattr(X, "columns", ())]
    roots = [name for name in names if "/" not in name and name.endswith(f"|{AREA}")]
    if len(roots) != 1:
        return {}
    return {"mask coverage": np.asarray(X[roots[0]], dtype=np.float64).round(6)}


def _bins(values: np.ndarray) -> np.ndarray:
    """Number the values, or ranges of equal count where they are many: (n_samples,) int."""
    distinct, codes = np.unique(values, return_inverse=True)
    if len(distinct) <= MAX_BINS or values.dtype.kind not in "iuf":
        return codes
    edges = np.unique(np.quantile(values, np.linspace(0, 1, MAX_BINS + 1)[1:-1]))
    return np.searchsorted(edges, values, side="right")


def _accuracies(bins: list[np.ndarray], labellings: np.ndarray, folds: np.ndarray) -> np.ndarray:
    """Cross-validated balanced accuracy of binned facts, by every labeling: (n_labellings,)."""
    n_classes = int(labellings.max()) + 1
    n_at_once = max(1, BLOCK_SCORES // (labellings.shape[1] * n_classes))
    blocks = np.array_split(labellings, -(-len(labellings) // n_at_once))
    return np.concatenate([_block_accuracies(bins, block, folds, n_classes) for block in blocks])


def _block_accuracies(
    bins: list[np.ndarray], labellings: np.ndarray, folds: np.ndarray, n_classes: int
) -> np.ndarray:
    """As `_accuracies`, for labellings whose scores fit into memory."""
    scores = np.zeros((*labellings.shape, n_classes))
    offsets = np.arange(len(labellings))[:, np.newaxis]
    for own in bins:
        n_bins = int(own.max()) + 1
        keys = (offsets * n_bins + own) * n_classes + labellings
        for fold in np.unique(folds):
            seen, held_out = folds != fold, folds == fold
            counts = np.bincount(
                keys[:, seen].ravel(), minlength=len(labellings) * n_bins * n_classes
            ).reshape(len(labellings), n_bins, n_classes)
            # shares of the bins in every class, so that large classes do not win by their size
            shares = (counts + 1 / n_bins) / (counts.sum(axis=1, keepdims=True) + 1)
            scores[:, held_out] += np.log(shares)[:, own[held_out]]
    return balanced_accuracy(labellings, scores.argmax(axis=2), n_classes)
