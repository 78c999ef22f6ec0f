"""Accuracy by group: report with intervals, worst-group metric and scorer."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from functools import cached_property
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.stats import beta, norm
from sklearn.utils.metadata_routing import MetadataRequest

from ..utils.labels import check_labels, check_truth
from ..utils.numbers import MISSING, check_integer, percent
from ..utils.tables import check_in_memory, column_names
from ._base import AuditReport, Table, draw_bars, draw_intervals, label_bars

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

# what joins the values of several columns of groups
JOINT = ", "
# cells that a sentence names
N_NAMED = 5


def wilson_interval(hits: Any, n: Any, level: float) -> tuple[np.ndarray, np.ndarray]:
    """Bounds of Wilson's score interval (1927), right on average; NaN without trials."""
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
    """Bounds of Clopper and Pearson (1934), with at least this coverage; NaN without trials."""
    hits, n = np.broadcast_arrays(np.asarray(hits, float), np.asarray(n, float))
    tail = (1 - level) / 2
    low = np.where(hits > 0, beta.ppf(tail, hits, n - hits + 1), 0.0)
    high = np.where(hits < n, beta.isf(tail, hits + 1, n - hits), 1.0)
    return np.where(n > 0, low, np.nan), np.where(n > 0, high, np.nan)


INTERVALS = {"wilson": wilson_interval, "clopper-pearson": clopper_pearson_interval}


@dataclass(frozen=True)
class Groups:
    """Group of every sample."""

    # sorted; of several columns all combinations of their values, also those without a sample
    labels: tuple[Any, ...]
    codes: np.ndarray  # (n_samples,) int: positions in `labels`

    def __len__(self) -> int:
        return len(self.labels)


def check_groups(groups: Any, n_samples: int) -> Groups:
    """Read groups, (n_samples,) or (n_samples, n_columns); several columns are combined."""
    if groups is None:
        raise ValueError("groups must hold one group per sample, got None.")
    names, columns = _columns(groups)
    read = []
    for i, column in enumerate(columns):
        name = f"groups[:, {i}]" if names is None else f"groups[{names[i]!r}]"
        name = name if len(columns) > 1 else "groups"
        read.append(_distinct(check_labels(column, name, n_samples, noun="group")))
    if len(read) == 1:
        return Groups(tuple(read[0][0]), read[0][1])
    codes = np.zeros(n_samples, dtype=np.intp)
    for values, own in read:
        codes = codes * len(values) + own
    labels = [
        JOINT.join(
            str(value) if names is None else f"{name}={value}"
            for name, value in zip(names or values, values)
        )
        for values in product(*(values for values, _ in read))
    ]
    return Groups(tuple(labels), codes)


def _distinct(labels: np.ndarray) -> tuple[list[Any], np.ndarray]:
    """Sorted distinct values, and the position of every sample's value among them."""
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
    """Names of the columns, None without names, and the columns as given."""
    check_in_memory(groups, "groups", ValueError)
    names = column_names(groups)
    if names is not None:
        if not names:
            raise ValueError("groups must have at least one column, got a table without any.")
        if hasattr(groups, "iloc"):
            return list(map(str, names)), [groups.iloc[:, i] for i in range(len(names))]
        return list(map(str, names)), [groups[name] for name in names]
    rows = groups if isinstance(groups, list | tuple) else []
    if all(isinstance(row, list | tuple) for row in rows) and len(set(map(len, rows))) == 1:
        # the columns may be of different kinds
        return None, [list(column) for column in zip(*rows)]
    if isinstance(groups, np.ndarray) and groups.ndim == 2 and groups.shape[1] > 1:
        return None, list(groups.T)
    return None, [groups]


@dataclass(frozen=True, eq=False, repr=False)
class GroupReport(AuditReport):
    """Accuracy and confusion in every group, and in every cell of group and true class.

    Parameters
    ----------
    groups : tuple
        Names of the groups.
    classes : ndarray of shape (n_classes,)
        All classes, true or predicted.
    confusion : ndarray of shape (n_groups, n_classes, n_classes), int
        Number of samples by group, true class and predicted class.
    interval : {"wilson", "clopper-pearson"}, default="wilson"
        Kind of the confidence intervals.
    level : float, default=0.95
        Confidence level of every single interval.
    min_size : int, default=10
        Groups and cells with fewer samples are marked as tiny.

    See Also
    --------
    group_report : Computes one from predictions.

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
        check_integer(self.min_size, "min_size", 0)
        vars(self).update(groups=tuple(self.groups), classes=classes, confusion=confusion)

    @property
    def accuracy(self) -> float:
        """Accuracy over all samples."""
        return float(self._hits.sum() / self.confusion.sum())

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
        rates = self._cell_accuracy
        group, label = np.unravel_index(np.nanargmin(rates), rates.shape)
        return self.groups[group], self.classes.tolist()[label]

    @property
    def worst_cell_accuracy(self) -> float:
        """Lowest accuracy of a group and true class, as in `worst_group_accuracy_score`."""
        return float(np.nanmin(self._cell_accuracy))

    @property
    def group_gap(self) -> float:
        """Difference between the highest and the lowest accuracy of a group."""
        return float(np.nanmax(self._group_accuracy) - self.worst_group_accuracy)

    @property
    def cell_gap(self) -> float:
        """Difference between the highest and the lowest accuracy of a group and true class."""
        return float(np.nanmax(self._cell_accuracy) - self.worst_cell_accuracy)

    def to_frame(self, by: str = "cell") -> pd.DataFrame:
        """Return the numbers as a new DataFrame.

        Parameters
        ----------
        by : {"cell", "group", "confusion"}, default="cell"
            One row per group and true class, one row per group, or one row per group and true
            class with the number of samples predicted as each class.

        Returns
        -------
        frame : DataFrame
            For "cell" and "group" the columns `n`, `n_right`, `accuracy`, its interval `low` and
            `high`, and `note`, which is "empty" without samples and "tiny" with few. For
            "confusion" one column per predicted class, and group and true class as the index:
            ``frame.loc[group]`` is the confusion matrix of a group.
        """
        import pandas as pd

        if by == "confusion":
            index = pd.MultiIndex.from_product([self.groups, self.classes], names=["group", "true"])
            counts = self.confusion.reshape(-1, len(self.classes))
            return pd.DataFrame(counts, index, pd.Index(self.classes, name="predicted"))
        if by == "group":
            columns = {"group": list(self.groups)}
            return pd.DataFrame(columns | self._numbers(self._hits.sum(1), self._sizes.sum(1)))
        if by != "cell":
            raise ValueError(f"by must be 'cell', 'group' or 'confusion', got {by!r}.")
        kept = self._true_classes
        columns = {
            "group": [group for group in self.groups for _ in kept],
            "class": [self.classes.tolist()[k] for _ in self.groups for k in kept],
        }
        hits, sizes = self._hits[:, kept].ravel(), self._sizes[:, kept].ravel()
        return pd.DataFrame(columns | self._numbers(hits, sizes))

    def sentences(self) -> list[str]:
        """Say where the accuracy is lowest, and which cells are empty or tiny."""
        cells = self.to_frame()
        worst = cells.loc[int(np.nanargmin(cells["accuracy"]))]
        lines = [
            f"{percent(self.accuracy)} of {int(self.confusion.sum())} samples are classified "
            "correctly.",
            f"Lowest accuracy: class {worst['class']} in group {worst['group']}, "
            f"{percent(worst['accuracy'])} of {worst['n']} ({percent(self.level)} interval "
            f"{percent(worst['low'])} to {percent(worst['high'])}); best and worst cell differ by "
            f"{100 * self.cell_gap:.0f} points.",
        ]
        words = {"empty": "without samples", "tiny": f"with fewer than {self.min_size} samples"}
        for note, word in words.items():
            found = cells[cells["note"] == note]
            named = [f"{g} × {c}" for g, c in zip(found["group"][:N_NAMED], found["class"])]
            more = f" and {len(found) - N_NAMED} more" if len(found) > N_NAMED else ""
            if named:
                lines.append(f"Cells {word}: {'; '.join(named)}{more}.")
        return lines

    def tables(self) -> list[Table]:
        """Table of every group, followed by its classes."""
        heads = ["group", "class", "n", "accuracy", f"{percent(self.level)} interval", "note"]
        cells, rows = self.to_frame().to_dict("records"), []
        n_classes = len(self._true_classes)
        for i, whole in enumerate(self.to_frame("group").to_dict("records")):
            rows.append([str(whole["group"]), "all", *_in_words(whole)])
            for cell in cells[i * n_classes : (i + 1) * n_classes]:
                rows.append(["", str(cell["class"]), *_in_words(cell)])
        return [("Accuracy by group and true class", heads, rows)]

    @property
    def alt_text(self) -> str:
        """The plot in words."""
        rows = self.to_frame().itertuples(index=False)
        cells = [f"{g} × {c} {percent(rate)} (n={n})" for g, c, n, _, rate, *_ in rows]
        overall = percent(self.accuracy)
        return f"Accuracy by group and class, overall {overall}: {', '.join(cells)}."

    @property
    def _n_bars(self) -> int:
        return len(self.groups) * len(self._true_classes)

    def _draw(self, ax: Axes) -> None:
        cells = self.to_frame()
        accuracy, low, high = (cells[name].to_numpy() for name in ("accuracy", "low", "high"))
        draw_bars(ax, accuracy, cells.index == int(np.nanargmin(accuracy)))
        draw_intervals(ax, accuracy, low, high)
        ax.axvline(self.accuracy, color="0.2", linestyle="--", linewidth=1, zorder=3)
        names = [
            f"{g} × {c} ({n}{', tiny' if note == 'tiny' else ''})" if n else f"{g} × {c} (empty)"
            for g, c, n, note in zip(cells["group"], cells["class"], cells["n"], cells["note"])
        ]
        label_bars(ax, names, "accuracy", "By group and class (dashed: overall)")

    @cached_property
    def _sizes(self) -> np.ndarray:
        return self.confusion.sum(axis=2)

    @cached_property
    def _hits(self) -> np.ndarray:
        return np.diagonal(self.confusion, axis1=1, axis2=2)

    @property
    def _true_classes(self) -> np.ndarray:
        """Positions of the classes that have samples."""
        return np.flatnonzero(self._sizes.sum(axis=0))

    @property
    def _group_accuracy(self) -> np.ndarray:
        return _ratio(self._hits.sum(axis=1), self._sizes.sum(axis=1))

    @property
    def _cell_accuracy(self) -> np.ndarray:
        return _ratio(self._hits, self._sizes)

    def _numbers(self, hits: np.ndarray, sizes: np.ndarray) -> dict[str, Any]:
        low, high = INTERVALS[self.interval](hits, sizes, self.level)
        notes = np.where(sizes == 0, "empty", np.where(sizes < self.min_size, "tiny", ""))
        numbers = {"n": sizes, "n_right": hits, "accuracy": _ratio(hits, sizes)}
        return {**numbers, "low": low, "high": high, "note": notes.astype(object)}

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
    """Compute the accuracy in every group, and in every group by true class.

    Parameters
    ----------
    y_true, y_pred : array-like of shape (n_samples,)
        True and predicted classes.
    groups : array-like of shape (n_samples,) or (n_samples, n_columns), or DataFrame
        Group of every sample, such as the kind of its background. The combinations of several
        columns are groups, also those without samples: they are reported as empty.
    interval, level, min_size
        As for :class:`GroupReport`. The coverage of Wilson's intervals is right on average, that of
        Clopper and Pearson's never too low.

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
    worst_group_accuracy_score : The lowest accuracy alone, for model selection.
    node_reliance : The nodes that a model uses, group by group.

    Examples
    --------
    >>> from hierseg_learn.audit import group_report
    >>> y_true = ["boat"] * 4 + ["car"] * 4
    >>> y_pred = ["boat", "boat", "boat", "car", "car", "car", "car", "boat"]
    >>> places = ["water"] * 3 + ["land"] * 4 + ["water"]
    >>> print(group_report(y_true, y_pred, places, min_size=2).to_text())
    75% of 8 samples are classified correctly.
    Lowest accuracy: class boat in group land, 0% of 1 (95% interval 0% to 79%); best and worst \
cell differ by 100 points.
    Cells with fewer than 2 samples: land × boat; water × car.
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
    places = (found.codes, np.searchsorted(classes, y_true), np.searchsorted(classes, y_pred))
    confusion = np.zeros((len(found), len(classes), len(classes)), dtype=np.int64)
    np.add.at(confusion, places, 1)
    return GroupReport(
        found.labels, classes, confusion, interval=interval, level=level, min_size=min_size
    )


def _in_words(row: dict[str, Any]) -> list[str]:
    interval = f"{percent(row['low'])} to {percent(row['high'])}" if row["n"] else MISSING
    return [str(row["n"]), percent(row["accuracy"]), interval, row["note"]]


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.divide(part, whole, out=np.full(np.shape(whole), np.nan), where=whole > 0)


def worst_group_accuracy_score(
    y_true: Any, y_pred: Any, *, groups: Any, by_class: bool = True
) -> float:
    """Lowest accuracy of all groups.

    Parameters
    ----------
    y_true, y_pred, groups
        As for :func:`group_report`.
    by_class : bool, default=True
        Whether every group is split by true class first, as is usual for spurious correlations
        [1]_: where most of a group is of one class, a model that always predicts it would look
        good. Groups that are already combined with the class stay as they are.

    Returns
    -------
    accuracy : float
        Minimum over the groups (or their cells by class) that have samples.

    Raises
    ------
    ValueError
        As for :func:`group_report`.

    See Also
    --------
    group_report : All groups, with intervals.
    worst_group_scorer : The same as a scorer.

    References
    ----------
    .. [1] S. Sagawa, P. W. Koh, T. B. Hashimoto, P. Liang. "Distributionally Robust Neural
       Networks for Group Shifts". ICLR, 2020.

    Examples
    --------
    >>> from hierseg_learn.audit import worst_group_accuracy_score
    >>> y_true = ["boat", "boat", "boat", "car"]
    >>> y_pred = ["boat", "car", "boat", "car"]
    >>> groups = ["water", "land", "water", "land"]
    >>> worst_group_accuracy_score(y_true, y_pred, groups=groups)
    0.0
    >>> worst_group_accuracy_score(y_true, y_pred, groups=groups, by_class=False)
    0.5
    """
    y_true, y_pred = check_truth(y_true, y_pred)
    cells = check_groups(groups, len(y_true)).codes
    if by_class:
        classes, codes = np.unique(y_true, return_inverse=True)
        cells = cells * len(classes) + codes
    sizes = np.bincount(cells)
    hits = np.bincount(cells, weights=y_true == y_pred)
    return float((hits[sizes > 0] / sizes[sizes > 0]).min())


def worst_group_scorer(*, by_class: bool = True) -> Any:
    """Make a scorer of the worst-group accuracy.

    Parameters
    ----------
    by_class : bool, default=True
        Whether every group is split by true class first.

    Returns
    -------
    scorer : callable
        ``scorer(estimator, X, y, groups=groups)``. As `scoring` of
        :class:`~sklearn.model_selection.GridSearchCV` or
        :func:`~sklearn.model_selection.cross_validate` it requests the metadata ``groups``; enable
        metadata routing for that. It can be pickled and copied, and passed to
        :func:`~hierseg_learn.model_selection.segment_scorer`.

    See Also
    --------
    worst_group_accuracy_score : The metric.

    Examples
    --------
    >>> from sklearn import config_context
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.model_selection import cross_val_score
    >>> from hierseg_learn.audit import worst_group_scorer
    >>> X, y, groups = [[0], [1]] * 20, [0, 1] * 20, [0, 0, 1, 1] * 10
    >>> scoring, params = worst_group_scorer(), {"groups": groups}
    >>> with config_context(enable_metadata_routing=True):
    ...     scores = cross_val_score(
    ...         LogisticRegression(), X, y, scoring=scoring, params=params, cv=2
    ...     )
    >>> scores.tolist()
    [1.0, 1.0]
    """
    return _WorstGroupScorer(by_class)


class _WorstGroupScorer:
    """Scorer that requests groups."""

    def __init__(self, by_class: bool) -> None:
        self._by_class = by_class

    def __call__(self, estimator: Any, X: Any, y_true: Any, *, groups: Any = None) -> float:
        if groups is None:
            raise ValueError(
                "The scorer of worst-group accuracy got no groups. Pass them as metadata: enable "
                "routing with sklearn.set_config(enable_metadata_routing=True), then "
                "search.fit(X, y, groups=groups) or cross_validate(..., params={'groups': groups})."
            )
        return worst_group_accuracy_score(
            y_true, estimator.predict(X), groups=groups, by_class=self._by_class
        )

    def get_metadata_routing(self) -> MetadataRequest:
        """Return the metadata that ``score`` requests."""
        request = MetadataRequest(owner="worst_group_scorer")
        request.score.add_request(param="groups", alias=True)
        return request

    def __repr__(self) -> str:
        return f"worst_group_scorer(by_class={self._by_class})"
