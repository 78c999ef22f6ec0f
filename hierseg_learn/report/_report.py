"""Everything about a fitted model in one file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from ..audit import find_metadata_shortcuts, group_report, node_reliance
from ..fitted.model import FittedSteps, check_targets, count, row, take, take_steps
from ..utils import check_writable, written_whole
from ..utils.labels import check_known
from ..utils.numbers import check_integer
from . import _page, _tables
from ._cases import Case, choose, draw_case, html_case
from ._tables import Scores, html_audit, html_metadata, measure

# what the check of the files needs of a class
MIN_ROWS = 5
_TITLE = "What the model goes by"


def write_report(
    pipeline: Any,
    X: Any,
    y: Any,
    path: str | os.PathLike,
    *,
    n_hits: int = 3,
    n_misses: int = 3,
    neighbors: bool = False,
    groups: Any = None,
    n_repeats: int = 3,
    title: str | None = None,
) -> Path:
    """Write a fitted model's scores, its tree and some explained predictions to an HTML file.

    The page shows what every node of the tree knows by itself, the confusion matrix, what sizes and
    formats of the files alone say about the class, and for some photos why they get the predicted
    class rather than the true one or, for hits, the one that comes next: drawn over the photo, in
    sentences, and to be unfolded level by level. It is one file: pictures are part of it, it loads
    nothing, works without scripts, by keyboard and with a screen reader, and prints with everything
    unfolded.

    Parameters
    ----------
    pipeline : Pipeline or HierarchicalMetricClassifier
        Fitted, of a SegmentTreeTransformer and a HierarchicalMetricClassifier. A classifier alone,
        with a table as X, gets a report without pictures.
    X : photos or table
        What to report on, as the pipeline takes it; best not what it was fitted on.
    y : array-like of shape (n_samples,)
        The true classes.
    path : str or path-like
        The file to write, in an existing folder; a file of this name is replaced when the page is
        complete, and stays as it was if anything goes wrong.
    n_hits, n_misses : int, default=3
        How many right and wrong predictions are explained: the most confident ones of each true
        class in turn.
    neighbors : bool, default=False
        Whether to show how these differ from the training rows that vote on them, too.
    groups : array-like of shape (n_samples,) or (n_samples, n_columns), or DataFrame, default=None
        Group of every sample, such as what its background shows; the combinations of several
        columns are groups. With it the page says in which group the model is worst, and, of a
        pipeline, which nodes it relies on there.
    n_repeats : int, default=3
        How often every node is exchanged for that.
    title : str, default=None
        Title of the page.

    Returns
    -------
    path : Path
        The file.

    Raises
    ------
    TypeError
        If the pipeline is of another kind, or `path` is no path.
    OSError
        If `path` cannot be written, which is found before the work.
    ValueError
        If y has another length than X or holds a class that the model does not know, or groups
        has another length or lacks a value.

    See Also
    --------
    hierseg_learn.explain : The explanations and pictures of the page, one by one.
    hierseg_learn.audit : What it says about groups.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from hierseg_learn import HierarchicalMetricClassifier, SegmentTreeTransformer
    >>> from hierseg_learn.datasets import make_portraits
    >>> from hierseg_learn.report import write_report
    >>> from sklearn.pipeline import make_pipeline
    >>> portraits = make_portraits(n_samples=40, signal=("hair",), random_state=0)
    >>> X, y = portraits.images, portraits.target
    >>> model = make_pipeline(
    ...     SegmentTreeTransformer(tree=portraits.tree, descriptors="color"),
    ...     HierarchicalMetricClassifier(random_state=0),
    ... ).fit(X[:30], y[:30])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = write_report(model, X[30:], y[30:], Path(folder) / "report.html", n_hits=1)
    ...     path.name, path.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    ('report.html', True)
    """
    check_writable(path)
    steps = take_steps(pipeline, name="pipeline")
    n_samples = count(X)
    if n_samples == 0:
        raise ValueError("X must hold at least one sample, got none.")
    target = _check_classes(check_targets(y, n_samples), steps)
    wanted = [check_integer(n_hits, "n_hits", 0), check_integer(n_misses, "n_misses", 0)]
    table = steps.table(X)
    scores = measure(steps.classifier, table, target)
    chosen = [
        choose(flags, target, scores.confidence, number)
        for flags, number in zip((scores.is_right, ~scores.is_right), wanted)
    ]
    audit = None if groups is None else _audit(pipeline, X, target, scores, groups, n_repeats)
    cases = [
        _explain(steps, X, table, target, scores, positions, neighbors) for positions in chosen
    ]
    title = _TITLE if title is None else str(title)
    html = _compose(pipeline, steps, scores, cases, audit, _metadata(X, target), title)
    with written_whole(path) as beside:
        beside.write_text(html, encoding="utf-8")
    return Path(path)


def _audit(
    pipeline: Any, X: Any, target: np.ndarray, scores: Scores, groups: Any, n_repeats: int
) -> str:
    """The section about groups; a classifier alone has nothing that nodes could be exchanged by."""
    report = group_report(target, scores.predicted, groups)
    reliance = None
    if hasattr(pipeline, "steps"):
        reliance = node_reliance(pipeline, X, target, groups, n_repeats=n_repeats, random_state=0)
    return html_audit(report, reliance)


def _metadata(X: Any, target: np.ndarray) -> str:
    """The section about what the files alone say; it takes some samples of two classes."""
    counts = np.unique(target, return_counts=True)[1]
    if (counts >= MIN_ROWS).sum() < 2:
        return (
            f"<p>Not checked: that takes two classes of at least {MIN_ROWS} samples, to learn "
            "from some and ask about the others.</p>"
        )
    return html_metadata(find_metadata_shortcuts(X, target, random_state=0))


def _explain(
    steps: FittedSteps,
    X: Any,
    table: Any,
    target: np.ndarray,
    scores: Scores,
    positions: list[int],
    neighbors: bool,
) -> list[Case]:
    """Explain some samples, each with its pictures."""
    if not positions:
        return []
    cases = []
    chosen = take(X, positions)
    photos = maps = [None] * len(positions)
    if steps.describer is not None:
        photos, maps = steps.photos(chosen), steps.label_maps(chosen)
    for position, photo, labels in zip(positions, photos, maps):
        case = Case.explain(
            steps.classifier,
            row(table, position),
            position=position,
            target=target[position],
            prediction=scores.predicted[position],
            is_photo=photo is not None,
            neighbors=neighbors,
        )
        cases.append(case if photo is None else draw_case(case, photo, labels))
    return cases


def _compose(
    pipeline: Any,
    steps: FittedSteps,
    scores: Scores,
    cases: list[list[Case]],
    audit: str | None,
    metadata: str,
    title: str,
) -> str:
    """Put the sections of the page together."""
    hits, misses = cases
    noun = "photos" if steps.describer is not None else "rows"
    n_right = int(scores.is_right.sum())
    n_wrong = len(scores.is_right) - n_right
    sections = [
        ("scores", "Right and wrong", _tables.html_scores(scores, noun)),
        *([] if audit is None else [("groups", "Group by group", audit)]),
        ("files", "What the files alone say", metadata),
        ("tree", "What every node knows", _tables.html_nodes(steps.classifier, scores.baseline)),
        ("hits", "Explained hits", _html_group(hits, n_right, "right", noun)),
        ("misses", "Explained misses", _html_group(misses, n_wrong, "wrong", noun)),
        ("reading", "How to read the numbers", _page.READING),
        ("model", "The model", _tables.html_model(pipeline)),
    ]
    return _page.render(title, _tables.summary(scores, noun), sections)


def _html_group(cases: list[Case], n_all: int, kind: str, noun: str) -> str:
    if not n_all:
        return f"<p>No prediction is {kind}.</p>"
    verb = "is" if n_all == 1 else "are"
    if not cases:
        return f"<p>{n_all} of the {noun} {verb} {kind}; none was to be explained.</p>"
    intro = (
        f"<p>{len(cases)} of {n_all} {noun} whose prediction is {kind}: the most confident ones of "
        "each true class in turn.</p>"
    )
    return intro + "".join(map(html_case, cases))


def _check_classes(target: np.ndarray | None, steps: FittedSteps) -> np.ndarray:
    if target is None:
        raise ValueError("y must hold the true classes, got None.")
    check_known(target, "y", steps.classifier.classes_)
    return target
