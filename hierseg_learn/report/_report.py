"""Report about a fitted model in one HTML file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from ..audit import find_metadata_shortcuts, group_report, node_reliance
from ..fitted.model import FittedModel, check_targets, count, row, take
from ..utils import check_writable, written_whole
from ..utils.labels import check_known
from ..utils.numbers import check_integer
from . import _page, _tables
from ._cases import Case, choose, draw_case, html_case
from ._tables import Scores, html_audit, html_metadata, measure

# samples of a class that the test of the files needs
MIN_ROWS = 5
_TITLE = "Model report"


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

    The page shows the confusion matrix, the score of every node of the tree, whether sizes and
    formats of the files alone predict the class, and for some photos why they are of the predicted
    class rather than of the true one or, for correct predictions, of the next probable one: drawn
    over the photo, in sentences, and as a tree to unfold. It is one file: images are part of it, it
    loads nothing, works without scripts, by keyboard and with a screen reader, and prints with
    everything unfolded.

    Parameters
    ----------
    pipeline : Pipeline or HierarchicalMetricClassifier
        Fitted, of a SegmentTreeTransformer and a HierarchicalMetricClassifier. A classifier alone,
        with a table as X, gets a report without pictures.
    X : photos or table
        Samples to report on, as the pipeline takes them, preferably not those of the fit.
    y : array-like of shape (n_samples,)
        The true classes.
    path : str or path-like
        The file to write, in an existing folder; a file of this name is replaced when the page is
        complete, and stays as it was if anything goes wrong.
    n_hits, n_misses : int, default=3
        Number of correct and wrong predictions to explain: the most confident ones of each true
        class in turn.
    neighbors : bool, default=False
        Whether to show also how these differ from their nearest training rows.
    groups : array-like of shape (n_samples,) or (n_samples, n_columns), or DataFrame, default=None
        Group of every sample, such as the kind of its background; the combinations of several
        columns are groups. Adds the accuracy by group and, for a pipeline, the nodes that the model
        relies on.
    n_repeats : int, default=3
        Number of swaps of every node for that.
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
        If `path` cannot be written; this is checked first.
    ValueError
        If y has another length than X or holds a class that the model does not know, or groups
        has another length or lacks a value.

    See Also
    --------
    hierseg_learn.explain, hierseg_learn.displays : The explanations and plots of the page.
    hierseg_learn.audit : The results by group.

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
    steps = FittedModel.from_estimator(pipeline, explains=True, name="pipeline")
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
    """Section about groups; the nodes of a table alone cannot be swapped."""
    report = group_report(target, scores.predicted, groups)
    reliance = None
    if hasattr(pipeline, "steps"):
        reliance = node_reliance(pipeline, X, target, groups, n_repeats=n_repeats, random_state=0)
    return html_audit(report, reliance)


def _metadata(X: Any, target: np.ndarray) -> str:
    """Section about the files."""
    counts = np.unique(target, return_counts=True)[1]
    if (counts >= MIN_ROWS).sum() < 2:
        return (
            f"<p>Not checked: cross-validation needs two classes of at least {MIN_ROWS} samples."
            "</p>"
        )
    return html_metadata(find_metadata_shortcuts(X, target, random_state=0))


def _explain(
    steps: FittedModel,
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
    if steps.takes_images:
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
    steps: FittedModel,
    scores: Scores,
    cases: list[list[Case]],
    audit: str | None,
    metadata: str,
    title: str,
) -> str:
    """Put the sections of the page together."""
    hits, misses = cases
    noun = "photos" if steps.takes_images else "rows"
    n_right = int(scores.is_right.sum())
    n_wrong = len(scores.is_right) - n_right
    sections = [
        ("scores", "Accuracy", _tables.html_scores(scores, noun)),
        *([] if audit is None else [("groups", "Accuracy by group", audit)]),
        ("files", "Prediction from the files alone", metadata),
        ("tree", "Scores of the nodes", _tables.html_nodes(steps.classifier, scores.baseline)),
        ("hits", "Correct predictions", _html_group(hits, n_right, "correct", noun)),
        ("misses", "Wrong predictions", _html_group(misses, n_wrong, "wrong", noun)),
        ("reading", "How to read the numbers", _page.READING),
        ("model", "The model", _tables.html_model(pipeline)),
    ]
    return _page.render(title, _tables.summary(scores, noun), sections)


def _html_group(cases: list[Case], n_all: int, kind: str, noun: str) -> str:
    if not n_all:
        return f"<p>No prediction is {kind}.</p>"
    verb = "is" if n_all == 1 else "are"
    if not cases:
        return f"<p>{n_all} of the {noun} {verb} {kind}; none is explained.</p>"
    intro = (
        f"<p>{len(cases)} of {n_all} {noun} with a {kind} prediction: the most confident ones of "
        "each true class in turn.</p>"
    )
    return intro + "".join(map(html_case, cases))


def _check_classes(target: np.ndarray | None, steps: FittedModel) -> np.ndarray:
    if target is None:
        raise ValueError("y must hold the true classes, got None.")
    check_known(target, "y", steps.classifier.classes_)
    return target
