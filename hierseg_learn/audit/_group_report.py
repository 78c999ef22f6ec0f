"""How often a model is right, group by group."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from functools import cached_property
from itertools import product
from numbers import Integral
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.stats import beta, norm

from ..explain.words import html_block, html_table, text_table
from ..utils.labels import check_labels, check_truth
from ..utils.numbers import percent
from ..utils.tables import check_in_memory, column_names

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes


def wilson_interval(hits: Any, n: Any, level: float) -> tuple[np.ndarray, np.ndarray]:
    """Wilson's score interval: its mean coverage is near the level even for few rows [1]_.

    Returns `low, high`: bounds; NaN without trials.

    References
    ----------
    .. [1] E. B. Wilson. "Probable Inference, the Law of Succession, and Statistical Inference".
       Journal of the American Statistical Association 22, 1927.
    """
    hits, n = np.broadcast_arrays(np.asarray(hits, float), np.asarray(n, float))
    square = norm.isf((1 - level) / 2) ** 2
    with np.errstate(invalid="ignore", divide="ignore"):
        share = hits / n
        middle = (share + square / (2 * n)) / (1 + square / n)
        half = np.sqrt(square * (share * (1 - share) + square / (4 * n)) / n) / (1 + square / n)
    # exact at the ends, where rounding would leave a little
    low = np.where(hits == 0, 0.0, middle - half)
    high = np.where(hits == n, 1.0, middle + half)
    return np.where(n > 0, low, np.nan), np.where(n > 0, high, np.nan)


def clopper_pearson_interval(hits: Any, n: Any, level: float) -> tuple[np.ndarray, np.ndarray]:
    """Interval of Clopper and Pearson: never covers less often than the level says [1]_.

    Returns `low, high`: bounds; NaN without trials.

    References
    ----------
    .. [1] C. J. Clopper, E. S. Pearson. "The Use of Confidence or Fiducial Limits Illustrated in
       the Case of the Binomial". Biometrika 26, 1934.
    """
    hits, n = np.broadcast_arrays(np.asarray(hits, float), np.asarray(n, float))
    tail = (1 - level) / 2
    low = np.where(hits > 0, beta.ppf(tail, hits, n - hits + 1), 0.0)
    high = np.where(hits < n, beta.isf(tail, hits + 1, n - hits), 1.0)
    return np.where(n > 0, low, np.nan), np.where(n > 0, high, np.nan)


INTERVALS = {"wilson": wilson_interval, "clopper-pearson": clopper_pearson_interval}


# what joins the values of several columns
TIMES = ", "


@dataclass(frozen=True)
class Groups:
    """A group for every sample."""

    # all groups, sorted; of several columns all combinations of their values, also those that no
    # sample has
    labels: tuple[Any, ...]
    codes: np.ndarray  # (n_samples,) int: position of every sample's group in `labels`

    def __len__(self) -> int:
        return len(self.labels)


def check_groups(groups: Any, n_samples: int) -> Groups:
    """Read groups.

    Shapes: `groups` (n_samples,) or (n_samples, n_columns).
    """
    if groups is None:
        raise ValueError("groups must hold one group per sample, got None.")
    names, columns = _columns(groups)
    read = []
    for i, column in enumerate(columns):
        if len(columns) == 1:
            name = "groups"
        else:
            name = f"groups[:, {i}]" if names is None else f"groups[{names[i]!r}]"
        labels = check_labels(column, name, n_samples, noun="group")
        read.append(_distinct(labels))
    if len(read) == 1:
        return Groups(tuple(read[0][0]), read[0][1])
    codes = np.zeros(n_samples, dtype=np.intp)
    for values, own in read:
        codes = codes * len(values) + own
    labels = [
        TIMES.join(
            str(value) if names is None else f"{name}={value}"
            for name, value in zip(names or values, values)
        )
        for values in product(*(values for values, _ in read))
    ]
    return Groups(tuple(labels), codes)


def _distinct(labels: np.ndarray) -> tuple[list[Any], np.ndarray]:
    """Distinct values, sorted, and where every sample's is among them."""
    if labels.dtype.kind in "Mm":
        labels = labels.astype(f"{labels.dtype.kind}8[us]")  # finer ones become numbers in a list
    try:
        values, codes = np.unique(labels, return_inverse=True)
    except TypeError:
        values = np.empty(len(set(labels.tolist())), dtype=object)
        values[:] = sorted(set(labels.tolist()), key=str)
        places = {value: code for code, value in enumerate(values)}
        codes = np.array([places[label] for label in labels.tolist()], dtype=np.intp)
    return values.tolist(), codes


def _columns(groups: Any) -> tuple[list[str] | None, list[Any]]:
    """Names of the columns, None where there are none, and the columns as they came."""
    check_in_memory(groups, "groups", ValueError)
    names = column_names(groups)
    if names is not None:
        if not names:
            raise ValueError("groups must have a column at least, got a table without any.")
        if hasattr(groups, "iloc"):
            return list(map(str, names)), [groups.iloc[:, i] for i in range(len(names))]
        return list(map(str, names)), [groups[name] for name in names]
    rows = groups if isinstance(groups, list | tuple) else []
    if all(isinstance(row, list | tuple) for row in rows) and len(set(map(len, rows))) == 1:
        # several values of each sample, which may be of several kinds
        return None, [list(column) for column in zip(*rows)]
    if isinstance(groups, np.ndarray) and groups.ndim == 2 and groups.shape[1] > 1:
        return None, list(groups.T)
    return None, [groups]


EVERY_CLASS = "all"


@dataclass(frozen=True, eq=False, repr=False)
class GroupReport:
    """Accuracy and confusion in every group, and in every cell of group and true class.

    Parameters
    ----------
    groups : tuple
        Names of the groups.
    classes : ndarray of shape (n_classes,)
        All classes, true or predicted.
    confusion : ndarray of shape (n_groups, n_classes, n_classes), int
        Samples by group, true class and predicted class.
    interval : {"wilson", "clopper-pearson"}, default="wilson"
        Which confidence interval.
    level : float, default=0.95
        Its confidence, for each number by itself.
    min_size : int, default=10
        Smaller groups and cells are marked as tiny.

    Attributes
    ----------
    by_group, by_cell : DataFrame
        One row per group, and per group and class: `n`, `n_right`, `accuracy`, `low`, `high`, and
        `note`, which is "empty" without samples and "tiny" with few.
    accuracy : float
        Over all samples.
    worst_group, worst_cell : object, tuple of (group, class)
        Where the accuracy is lowest.
    worst_group_accuracy, worst_cell_accuracy : float
        The accuracy there.
    group_gap, cell_gap : float
        Highest accuracy of a group, or a cell, less the lowest.

    See Also
    --------
    group_report : Makes one.

    Examples
    --------
    >>> from hierseg_learn.audit import GroupReport
    >>> confusion = [[[9, 1], [0, 10]], [[1, 3], [2, 0]]]
    >>> report = GroupReport(("day", "night"), ["boat", "car"], confusion)
    >>> report.worst_cell, report.worst_cell_accuracy
    (('night', 'car'), 0.0)
    >>> round(report.group_gap, 2)
    0.78
    """

    groups: tuple[Any, ...]
    classes: np.ndarray
    confusion: np.ndarray
    _: KW_ONLY
    interval: str = "wilson"
    level: float = 0.95
    min_size: int = 10

    def __post_init__(self) -> None:
        classes, confusion = np.asarray(self.classes), np.asarray(self.confusion)
        shape = (len(self.groups), len(classes), len(classes))
        if confusion.shape != shape:
            raise ValueError(f"confusion must have shape {shape}, got {confusion.shape}.")
        if not confusion.sum():
            raise ValueError("confusion must count at least one sample, got none.")
        if self.interval not in INTERVALS:
            raise ValueError(f"interval must be one of {sorted(INTERVALS)}, got {self.interval!r}.")
        if not 0 < self.level < 1:
            raise ValueError(f"level must lie between 0 and 1, got {self.level!r}.")
        if not isinstance(self.min_size, Integral) or self.min_size < 0:
            raise ValueError(f"min_size must be an integer of at least 0, got {self.min_size!r}.")
        vars(self).update(groups=tuple(self.groups), classes=classes, confusion=confusion)

    @property
    def accuracy(self) -> float:
        """Share of all samples that get their class."""
        return float(self._right.sum() / self.confusion.sum())

    @property
    def worst_group(self) -> Any:
        """Group with the lowest accuracy, the first of equal ones."""
        return self.groups[int(np.nanargmin(self._group_accuracy))]

    @property
    def worst_group_accuracy(self) -> float:
        """Lowest accuracy of a whole group."""
        return float(np.nanmin(self._group_accuracy))

    @property
    def worst_cell(self) -> tuple[Any, Any]:
        """Group and true class with the lowest accuracy, the first of equal ones."""
        place = np.unravel_index(np.nanargmin(self._cell_accuracy), self._cell_accuracy.shape)
        return self.groups[place[0]], self.classes.tolist()[place[1]]

    @property
    def worst_cell_accuracy(self) -> float:
        """Lowest accuracy of a group and true class, as `worst_group_accuracy_score` gives it."""
        return float(np.nanmin(self._cell_accuracy))

    @property
    def group_gap(self) -> float:
        """Highest accuracy of a whole group less the lowest."""
        return float(np.nanmax(self._group_accuracy) - np.nanmin(self._group_accuracy))

    @property
    def cell_gap(self) -> float:
        """Highest accuracy of a group and true class less the lowest."""
        return float(np.nanmax(self._cell_accuracy) - np.nanmin(self._cell_accuracy))

    @property
    def by_group(self) -> pd.DataFrame:
        """A new DataFrame with one row per group."""
        import pandas as pd

        columns = {"group": list(self.groups)}
        return pd.DataFrame(columns | self._numbers(self._right.sum(1), self._sizes.sum(1)))

    @property
    def by_cell(self) -> pd.DataFrame:
        """A new tidy DataFrame with one row per group and true class."""
        import pandas as pd

        kept = self._true_classes
        columns = {
            "group": [group for group in self.groups for _ in kept],
            "class": [self.classes.tolist()[k] for _ in self.groups for k in kept],
        }
        right, sizes = self._right[:, kept].ravel(), self._sizes[:, kept].ravel()
        return pd.DataFrame(columns | self._numbers(right, sizes))

    def confusion_of(self, group: Any) -> pd.DataFrame:
        """Confusion matrix of one group.

        Parameters
        ----------
        group : object
            Its name.

        Returns
        -------
        confusion : DataFrame of shape (n_classes, n_classes)
            Counts by true class (rows) and predicted class (columns).
        """
        import pandas as pd

        if group not in self.groups:
            raise ValueError(f"group must be one of {list(self.groups)}, got {group!r}.")
        return pd.DataFrame(
            self.confusion[self.groups.index(group)],
            index=pd.Index(self.classes, name="true"),
            columns=pd.Index(self.classes, name="predicted"),
        )

    def to_text(self) -> str:
        """Say in words where the model is worst, with all groups and cells below.

        Returns
        -------
        str
        """
        return "\n".join([*self.sentences(), "", text_table(*self.table())])

    def sentences(self) -> list[str]:
        """Say in words where the model is worst, and what the numbers cannot bear.

        Returns
        -------
        list of str
        """
        group, label = self.worst_cell
        cells = self.by_cell
        worst = cells.loc[int(np.nanargmin(cells["accuracy"]))]
        lines = [
            f"{percent(self.accuracy)} of {int(self.confusion.sum())} samples get their class.",
            f"Worst are samples of class {label} in group {group}: {percent(worst['accuracy'])} of "
            f"{worst['n']} ({percent(self.level)} interval {percent(worst['low'])} to "
            f"{percent(worst['high'])}); between best and worst cell lie "
            f"{100 * self.cell_gap:.0f} points.",
        ]
        words = {"empty": "without any sample", "tiny": f"of less than {self.min_size} samples"}
        for note, word in words.items():
            found = cells[cells["note"] == note]
            if len(found):
                named = [f"{g} × {c}" for g, c in zip(found["group"][:5], found["class"][:5])]
                more = f" and {len(found) - 5} more" if len(found) > 5 else ""
                lines.append(f"Cells {word}: {'; '.join(named)}{more}.")
        return lines

    def table(self) -> tuple[list[str], list[list[str]]]:
        """Heads and rows of a table to read: every group, then its classes.

        Returns
        -------
        heads : list of str
        rows : list of list of str
        """
        heads = ["group", "class", "n", "accuracy", f"{percent(self.level)} interval", "note"]
        cells, rows = self.by_cell.to_dict("records"), []
        n_classes = len(self._true_classes)
        for i, whole in enumerate(self.by_group.to_dict("records")):
            rows.append([str(whole["group"]), EVERY_CLASS, *_in_words(whole)])
            for cell in cells[i * n_classes : (i + 1) * n_classes]:
                rows.append(["", str(cell["class"]), *_in_words(cell)])
        return heads, rows

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the accuracy of every cell with its interval.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw. By default a new figure.

        Returns
        -------
        matplotlib Axes
        """
        from ._axes import draw_groups, new_axes

        ax = new_axes(ax, "GroupReport.plot", len(self.by_cell))
        draw_groups(ax, self)
        return ax

    @cached_property
    def _sizes(self) -> np.ndarray:
        return self.confusion.sum(axis=2)

    @cached_property
    def _right(self) -> np.ndarray:
        return np.diagonal(self.confusion, axis1=1, axis2=2)

    @property
    def _true_classes(self) -> np.ndarray:
        """Positions of the classes that any sample is of."""
        return np.flatnonzero(self._sizes.sum(axis=0))

    @property
    def _group_accuracy(self) -> np.ndarray:
        return _ratio(self._right.sum(axis=1), self._sizes.sum(axis=1))

    @property
    def _cell_accuracy(self) -> np.ndarray:
        return _ratio(self._right, self._sizes)

    def _numbers(self, right: np.ndarray, sizes: np.ndarray) -> dict[str, Any]:
        low, high = INTERVALS[self.interval](right, sizes, self.level)
        notes = np.where(sizes == 0, "empty", np.where(sizes < self.min_size, "tiny", ""))
        return {
            "n": sizes,
            "n_right": right,
            "accuracy": _ratio(right, sizes),
            "low": low,
            "high": high,
            "note": notes.astype(object),
        }

    def _repr_html_(self) -> str:
        heads, rows = self.table()
        caption = "Accuracy by group and true class"
        return html_block("group report", self.sentences(), html_table(caption, heads, rows))

    def __repr__(self) -> str:
        group, label = self.worst_cell
        return (
            f"GroupReport({len(self.groups)} groups, accuracy {percent(self.accuracy)}, worst "
            f"{group} × {label} {percent(self.worst_cell_accuracy)})"
        )


def group_report(
    y_true: Any,
    y_pred: Any,
    groups: Any,
    *,
    interval: str = "wilson",
    level: float = 0.95,
    min_size: int = 10,
) -> GroupReport:
    """Tell how often predictions are right in every group, and in every group by true class.

    Parameters
    ----------
    y_true, y_pred : array-like of shape (n_samples,)
        True and predicted classes.
    groups : array-like of shape (n_samples,) or (n_samples, n_columns), or DataFrame
        Group of every sample, such as what its background shows. The combinations of several
        columns are groups, also those that no sample has: they are reported as empty.
    interval : {"wilson", "clopper-pearson"}, default="wilson"
        Confidence interval: right on average, or never too narrow.
    level : float, default=0.95
        Confidence of every single interval.
    min_size : int, default=10
        Smaller groups and cells are marked as tiny.

    Returns
    -------
    report : GroupReport

    Raises
    ------
    ValueError
        If lengths differ, there is no sample, a class or a group is missing, or the classes are of
        two kinds, such as text and numbers.

    See Also
    --------
    worst_group_accuracy_score : One number, for model selection.
    node_reliance : Which nodes a model uses, group by group.

    Examples
    --------
    >>> from hierseg_learn.audit import group_report
    >>> y_true = ["boat"] * 4 + ["car"] * 4
    >>> y_pred = ["boat", "boat", "boat", "car", "car", "car", "car", "boat"]
    >>> places = ["water", "water", "water", "land", "land", "land", "land", "water"]
    >>> print(group_report(y_true, y_pred, places, min_size=2).to_text())
    75% of 8 samples get their class.
    Worst are samples of class boat in group land: 0% of 1 (95% interval 0% to 79%); between \
best and worst cell lie 100 points.
    Cells of less than 2 samples: land × boat; water × car.
    <BLANKLINE>
    group  class  n  accuracy  95% interval  note
    land     all  4      75%   30% to 95%
            boat  1       0%    0% to 79%  tiny
             car  3     100%  44% to 100%
    water    all  4      75%   30% to 95%
            boat  3     100%  44% to 100%
             car  1       0%    0% to 79%  tiny
    """
    y_true, y_pred = check_truth(y_true, y_pred)
    found = check_groups(groups, len(y_true))
    classes = np.unique(np.concatenate([y_true, y_pred]))
    shape = (len(found), len(classes), len(classes))
    places = (found.codes, np.searchsorted(classes, y_true), np.searchsorted(classes, y_pred))
    confusion = np.zeros(shape, dtype=np.int64)
    np.add.at(confusion, places, 1)
    return GroupReport(
        found.labels, classes, confusion, interval=interval, level=level, min_size=min_size
    )


def _in_words(row: dict[str, Any]) -> list[str]:
    interval = f"{percent(row['low'])} to {percent(row['high'])}" if row["n"] else "–"
    return [str(row["n"]), percent(row["accuracy"]), interval, row["note"]]


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.divide(part, whole, out=np.full(np.shape(whole), np.nan), where=whole > 0)
