"""The tables of the page: scores, confusion, nodes, parameters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from html import escape
from typing import Any

import numpy as np
from sklearn.metrics import confusion_matrix

from .._version import __version__
from ..audit import GroupReport, MetadataReport, NodeReliance
from ..tree.render import top_down
from ..utils.numbers import MISSING, html_table, percent


@dataclass(frozen=True)
class Scores:
    """Predictions beside true classes."""

    classes: list[Any]  # all classes of the model
    target: np.ndarray  # (n_samples,)
    predicted: np.ndarray  # (n_samples,)
    confidence: np.ndarray  # (n_samples,): probability of the predicted class

    @property
    def is_right(self) -> np.ndarray:
        """Whether predictions are correct, (n_samples,) bool."""
        return self.target == self.predicted

    @cached_property
    def confusion(self) -> np.ndarray:
        """Counts by true class (rows) and predicted class (columns), (n_classes, n_classes)."""
        return confusion_matrix(self.target, self.predicted, labels=self.classes)

    @property
    def accuracy(self) -> float:
        """Accuracy over all samples."""
        return float(self.is_right.mean())

    @property
    def recalls(self) -> np.ndarray:
        """Recall of every class, (n_classes,); NaN without samples."""
        return _ratio(self.confusion.diagonal(), self.confusion.sum(axis=1))

    @property
    def precisions(self) -> np.ndarray:
        """Precision of every class, (n_classes,); NaN without predictions."""
        return _ratio(self.confusion.diagonal(), self.confusion.sum(axis=0))

    @property
    def balanced_accuracy(self) -> float:
        """Mean of the recalls of the classes that occur."""
        return float(np.nanmean(self.recalls))

    @property
    def worst(self) -> int:
        """Place of the class with the lowest recall among those that occur."""
        return int(np.nanargmin(self.recalls))

    @property
    def baseline(self) -> float:
        """Share of the largest class."""
        return float(self.confusion.sum(axis=1).max() / self.confusion.sum())


def measure(classifier: Any, table: Any, target: np.ndarray) -> Scores:
    """Predict all rows of a table."""
    classes, confidence = classifier.classes_.tolist(), classifier.predict_proba(table).max(axis=1)
    return Scores(classes, target, classifier.predict(table), confidence)


_FILES = "Prediction from the files alone"
# what is larger is cut, so that pages of any data can be opened, read and printed
_MAX_ROWS, _MAX_COLUMNS, _MAX_CLASSES, _MAX_GROUPS = 200, 20, 20, 20


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.divide(part, whole, out=np.full(len(whole), np.nan), where=whole > 0)


_OUTCOMES = {
    "leaf": "learned from its own columns",
    "start": "its children's metrics, unchanged",
    "weights": "its children's metrics, with new weights",
    "projection": "its children's metrics, with a new projection",
    "scatter": "learned from what its children found, together with its own columns",
    "constant": "nothing to learn from",
}


def summary(scores: Scores, noun: str) -> str:
    """Accuracy and baseline in one sentence."""
    n_samples = len(scores.target)
    return (
        f"{percent(scores.accuracy)} of {n_samples} {noun} of {len(scores.classes)} classes are "
        "classified correctly; always predicting the largest class would give "
        f"{percent(scores.baseline)}."
    )


def html_scores(scores: Scores, noun: str) -> str:
    """Figures, and the confusion matrix."""
    figures = [
        ("accuracy", percent(scores.accuracy), "all samples count the same"),
        ("balanced accuracy", percent(scores.balanced_accuracy), "all classes count the same"),
        ("worst class", percent(scores.recalls[scores.worst]), _worst_class(scores)),
        ("largest class", percent(scores.baseline), "accuracy of always predicting it"),
        (noun, str(len(scores.target)), f"{int(scores.is_right.sum())} of them correct"),
    ]
    cards = "".join(
        f"<div><dt>{escape(name)}</dt><dd><b>{escape(value)}</b> "
        f"<span>{escape(note)}</span></dd></div>"
        for name, value, note in figures
    )
    many = len(scores.classes) > _MAX_CLASSES
    return f'<dl class="figures">{cards}</dl>{(_html_classes if many else _html_confusion)(scores)}'


def _worst_class(scores: Scores) -> str:
    """Name of the class with the lowest recall, its counts, and what they leave open."""
    from scipy.stats import binomtest

    counts = scores.confusion[scores.worst]
    right, total = int(counts[scores.worst]), int(counts.sum())
    bounds = binomtest(right, total).proportion_ci(0.95, method="wilson")
    return (
        f"recall of {scores.classes[scores.worst]}: {right} of {total}, 95% interval "
        f"{percent(bounds.low)} to {percent(bounds.high)}"
    )


def _html_confusion(scores: Scores) -> str:
    """Counts, shaded by their share of the true class."""
    names = [escape(str(label)) for label in scores.classes]
    totals = scores.confusion.sum(axis=1)
    heads = "".join(f'<th scope="col">{name}</th>' for name in names)
    rows = []
    for i, name in enumerate(names):
        cells = []
        for j, number in enumerate(scores.confusion[i].tolist()):
            share = number / totals[i] if totals[i] else 0.0
            kind = "right" if i == j else "wrong"
            cells.append(f'<td class="cell {kind}" style="--share:{share:.3f}">{number}</td>')
        rows.append(
            f'<tr><th scope="row">{name}</th>{"".join(cells)}'
            f"<td>{escape(percent(scores.recalls[i]))}</td></tr>"
        )
    precisions = "".join(f"<td>{escape(percent(value))}</td>" for value in scores.precisions)
    return _scrolling(
        "Confusion matrix",
        '<table class="confusion numbers"><caption>Confusion matrix: one row per true class, one '
        "column per predicted class; darker cells hold more of their row</caption>"
        f'<thead><tr><td></td>{heads}<th scope="col">recall</th></tr></thead>'
        f'<tbody>{"".join(rows)}<tr class="last"><th scope="row">precision</th>{precisions}'
        "<td></td></tr></tbody></table>",
    )


def _html_classes(scores: Scores) -> str:
    """One row per class, lowest recall first, for more classes than a matrix can show."""
    totals, names = scores.confusion.sum(axis=1), [str(label) for label in scores.classes]
    errors = scores.confusion - np.diag(scores.confusion.diagonal())
    rows = []
    for i in np.argsort(scores.recalls, kind="stable").tolist():
        other = int(errors[i].argmax())
        taken = f"{names[other]} ({errors[i, other]})" if errors[i, other] else MISSING
        shares = percent(scores.recalls[i]), percent(scores.precisions[i])
        rows.append([names[i], str(totals[i]), *shares, taken])
    caption = "Classes, lowest recall first; the last column is the class they are most taken for"
    return _scroll("Classes", caption, ["class", "n", "recall", "precision", "taken for"], rows)


def html_nodes(classifier: Any, baseline: float) -> str:
    """The tree, one node per row, with its score and the origin of its metric."""
    tree = classifier.tree_
    scores = np.asarray(classifier.node_scores_, dtype=float)
    outcomes = getattr(classifier, "node_outcomes_", None)
    rows = []
    for node in list(top_down(tree))[:_MAX_ROWS]:
        score = scores[node]
        known = np.isfinite(score)
        width = 100 * score if known else 0.0
        kind = "high" if known and score > baseline else "low"
        text = percent(score) if known else "no score"
        outcome = "" if outcomes is None else _in_words(outcomes.iloc[node])
        rows.append(
            f'<tr><th scope="row" class="{"leaf" if tree.is_leaf[node] else "inner"}" '
            f'style="padding-left:{0.4 + 1.3 * tree.depths[node]:.1f}em" '
            f'title="{escape(tree.paths[node])}">{escape(tree.names[node])}</th>'
            f'<td>{escape(text)}</td><td class="score" aria-hidden="true"><span class="track">'
            f'<span class="bar {kind}" style="width:{width:.1f}%"></span>'
            f'<span class="mark" style="left:{100 * baseline:.1f}%"></span></span></td>'
            f"<td>{escape(outcome)}</td></tr>"
        )
    return (
        "<p>The score of a node is the held-out accuracy of its metric, with everything below it. "
        "The vertical mark is the share of the largest class in this report, "
        f"{escape(percent(baseline))}: a node whose bar ends before it predicts little by itself."
        "</p>" + (f"<p>{escape(tree.remark)}</p>" if tree.remark else "")
    ) + _scrolling(
        "Scores of the nodes",
        '<table class="nodes"><caption>The tree and the scores of its nodes</caption><thead><tr>'
        '<th scope="col">node</th><th scope="col">score</th><td aria-hidden="true"></td>'
        f'<th scope="col">metric</th></tr></thead><tbody>{"".join(rows)}</tbody></table>'
        + _cut(len(tree), _MAX_ROWS, "nodes"),
    )


def html_model(pipeline: Any) -> str:
    """Steps and parameters."""
    steps = getattr(pipeline, "steps", [("classifier", pipeline)])
    blocks = []
    row = '<tr><th scope="row">{}</th><td><code>{}</code></td></tr>'
    for name, step in steps:
        params = step.get_params(deep=False).items()
        items = "".join(row.format(escape(key), escape(_short(value))) for key, value in params)
        caption = "<caption>Parameters</caption>"
        table = f'<table class="parameters">{caption}<tbody>{items}</tbody></table>'
        blocks.append(html_fold(f"{name}: {type(step).__name__}", table))
    return f"{''.join(blocks)}<p>Written by hierseg_learn {escape(__version__)}.</p>"


def _in_words(outcome: Any) -> str:
    """Say how a node's metric was obtained (a `NodeOutcome`), and how far it was shrunk."""
    words = _OUTCOMES.get(outcome.method, outcome.method)
    shrinkage = outcome.params.get("shrinkage")
    return words if shrinkage is None else f"{words} (shrunk by {percent(shrinkage)})"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 300 else f"{text[:300]} …"


def html_audit(report: GroupReport, reliance: NodeReliance | None) -> str:
    """Section about groups: sentences, accuracies with bars, confusion matrices, nodes."""
    parts = [_paragraphs(report.sentences()), _html_cells(report), _html_confusions(report)]
    if reliance is None:
        parts.append(
            "<p>The reliance on nodes can be measured for a pipeline only: the nodes of a table "
            "alone cannot be swapped.</p>"
        )
    else:
        caption = (
            "Change of the accuracy, in percentage points, if a node with everything below it "
            "comes from another of these images: from any, from one of the same group and class "
            "(which disturbs the photo and keeps the information), and the excess of the first "
            "over the second with its standard error"
        )
        parts += ["<h3>Reliance on nodes</h3>", _paragraphs(reliance.sentences())]
        for _, heads, rows in reliance.tables():
            parts.append(_scroll("Reliance on nodes", caption, heads, rows))
    return "".join(parts)


def html_metadata(report: MetadataReport) -> str:
    """Section about the files: sentences and a table."""
    caption = (
        "Balanced accuracy of one fact alone, cross-validated on these samples; chance is that of "
        "permuted classes"
    )
    tables = [_scroll(_FILES, caption, heads, rows) for _, heads, rows in report.tables()]
    return "".join([_paragraphs(report.sentences()), *tables])


def _html_cells(report: GroupReport) -> str:
    """One row per group, then one per class in it: numbers, note, bar with interval."""
    ((_, heads, rows),) = report.tables()
    n_rows = len(rows) // len(report.groups)
    # every row needs a head of its own
    named = [
        [f"{rows[i - i % n_rows][0]} × {row[1]}" if row[0] == "" else row[0], *row[2:]]
        for i, row in enumerate(rows)
    ]
    cells = report.to_frame("cell").to_dict("records")
    records = []
    for i, group in enumerate(report.to_frame("group").to_dict("records")):
        records += [group, *cells[i * (n_rows - 1) : (i + 1) * (n_rows - 1)]]
    caption = "Accuracy by group and true class; the strokes are the ends of the interval"
    order = range(len(named))
    if len(named) > _MAX_ROWS:
        caption += "; lowest accuracy first"
        order = np.argsort([record["accuracy"] for record in records], kind="stable").tolist()
    named, bars = [named[i] for i in order], [_bar(records[i]) for i in order]
    return _scroll("Accuracy by group", caption, ["group × class", *heads[2:]], named, bars=bars)


def _bar(row: dict[str, Any]) -> str:
    if not row["n"]:
        return ""
    marks = "".join(
        f'<span class="mark" style="left:{100 * row[end]:.1f}%"></span>' for end in ("low", "high")
    )
    return (
        '<span class="track"><span class="bar low" '
        f'style="width:{100 * row["accuracy"]:.1f}%"></span>{marks}</span>'
    )


def _html_confusions(report: GroupReport) -> str:
    """Confusion matrices of all groups, folded."""
    names = [str(label) for label in report.classes.tolist()]
    if len(names) > _MAX_CLASSES:
        return f"<p>Confusion matrices are not shown for more than {_MAX_CLASSES} classes.</p>"
    tables = []
    for group, confusion in zip(report.groups[:_MAX_GROUPS], report.confusion):
        rows = [[name, *map(str, counts)] for name, counts in zip(names, confusion.tolist())]
        caption = f"Group {group}: true classes in rows, predicted ones in columns"
        tables.append(_scroll(f"Confusion in group {group}", caption, ["", *names], rows))
    tables.append(_cut(len(report.groups), _MAX_GROUPS, "groups"))
    return html_fold("Confusion matrices of the groups", *tables)


def html_fold(title: str, *parts: str, is_open: bool = False) -> str:
    """Pieces of HTML that fold under a title."""
    return (
        f'<details class="block"{" open" if is_open else ""}><summary>{escape(title)}</summary>'
        f"{''.join(parts)}</details>"
    )


def _scroll(
    label: str,
    caption: str,
    heads: Sequence[str],
    rows: Sequence[Sequence[str]],
    bars: Sequence[str] | None = None,
) -> str:
    """A table that scrolls by itself on narrow screens; arguments as for `html_table`.

    Large ones are cut, which a sentence below them says.
    """
    cut = [row[:_MAX_COLUMNS] for row in rows[:_MAX_ROWS]]
    bars = None if bars is None else bars[:_MAX_ROWS]
    table = html_table(caption, heads[:_MAX_COLUMNS], cut, bars=bars, classes="numbers")
    said = _cut(len(rows), _MAX_ROWS, "rows"), _cut(len(heads), _MAX_COLUMNS, "columns")
    return _scrolling(label, table + "".join(said))


def _cut(number: int, shown: int, what: str) -> str:
    """Say that not all is shown, if that is so."""
    return f"<p>The first {shown} of {number:,} {what} are shown.</p>" if number > shown else ""


def _scrolling(label: str, table: str) -> str:
    region = f'tabindex="0" role="region" aria-label="Table: {escape(label)}"'
    return f'<div class="scroll" {region}>{table}</div>'


def _paragraphs(sentences: Sequence[str]) -> str:
    return "".join(f"<p>{escape(sentence)}</p>" for sentence in sentences)
