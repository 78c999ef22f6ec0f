"""The tables of the page: scores, confusion, nodes, parameters."""

from __future__ import annotations

from html import escape
from typing import Any

import numpy as np

from .._version import __version__
from ..explain._text import top_down
from ..utils._numbers import percent
from ._scores import Scores

_OUTCOMES = {
    "leaf": "learned from its own columns",
    "start": "its children's metrics, as they are",
    "weights": "its children's metrics, weighted anew",
    "projection": "its children's metrics, projected anew",
    "scatter": "learned from what its children found, together with its own columns",
    "constant": "nothing to learn from",
}


def summary(scores: Scores, noun: str) -> str:
    """The page in one sentence."""
    n_samples = len(scores.target)
    return (
        f"{percent(scores.accuracy)} of {n_samples} {noun} of {len(scores.classes)} classes get "
        f"their class; always naming the largest class would give {percent(scores.baseline)}."
    )


def html_scores(scores: Scores, noun: str) -> str:
    """Figures, and the confusion matrix."""
    figures = [
        ("accuracy", percent(scores.accuracy), "all samples count the same"),
        ("balanced accuracy", percent(scores.balanced_accuracy), "all classes count the same"),
        ("largest class", percent(scores.baseline), "what guessing it would give"),
        (noun, str(len(scores.target)), f"{int(scores.is_right.sum())} of them right"),
    ]
    cards = "".join(
        f"<div><dt>{escape(name)}</dt><dd><b>{escape(value)}</b> "
        f"<span>{escape(note)}</span></dd></div>"
        for name, value, note in figures
    )
    return f'<dl class="figures">{cards}</dl>{_html_confusion(scores)}'


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
            cells.append(
                f'<td class="cell {kind}" style="--share:{share:.3f}"'
                f"{' data-dark' if share > 0.6 else ''}>{number}</td>"
            )
        rows.append(
            f'<tr><th scope="row">{name}</th>{"".join(cells)}'
            f"<td>{escape(percent(scores.recalls[i]))}</td></tr>"
        )
    precisions = "".join(f"<td>{escape(percent(value))}</td>" for value in scores.precisions)
    return (
        '<div class="scroll" tabindex="0" role="region" aria-label="Confusion matrix">'
        '<table class="confusion numbers"><caption>Confusion matrix: one row per true class, one '
        "column per predicted class; darker cells hold more of their row</caption>"
        f'<thead><tr><td></td>{heads}<th scope="col">recall</th></tr></thead>'
        f'<tbody>{"".join(rows)}<tr class="last"><th scope="row">precision</th>{precisions}'
        "<td></td></tr></tbody></table></div>"
    )


def html_nodes(classifier: Any, baseline: float) -> str:
    """The tree, one node per row, with its score and what became of its metric."""
    tree = classifier.tree_
    scores = np.asarray(classifier.node_scores_, dtype=float)
    outcomes = getattr(classifier, "node_outcomes_", None)
    rows = []
    for node in top_down(tree):
        score = scores[node]
        known = np.isfinite(score)
        width = 100 * score if known else 0.0
        kind = "high" if known and score > baseline else "low"
        text = percent(score) if known else "no score"
        outcome = "" if outcomes is None else str(outcomes.iloc[node])
        rows.append(
            f'<tr><th scope="row" class="{"leaf" if tree.is_leaf[node] else "inner"}" '
            f'style="padding-left:{0.4 + 1.3 * tree.depths[node]:.1f}em" '
            f'title="{escape(tree.paths[node])}">{escape(tree.names[node])}</th>'
            f'<td>{escape(text)}</td><td class="score" aria-hidden="true"><span class="track">'
            f'<span class="bar {kind}" style="width:{width:.1f}%"></span>'
            f'<span class="mark" style="left:{100 * baseline:.1f}%"></span></span></td>'
            f"<td>{escape(_in_words(outcome))}</td></tr>"
        )
    return (
        "<p>For every node, the share of held-out training rows that its metric, with everything "
        "below it, gives their class. The vertical mark is the share of the largest class in this "
        f"report, {escape(percent(baseline))}: a node whose bar ends before it knows little by "
        "itself."
        '</p><div class="scroll" tabindex="0" role="region" aria-label="Scores of the nodes">'
        '<table class="nodes"><caption>The tree and the scores of its nodes</caption><thead><tr>'
        '<th scope="col">node</th><th scope="col">score</th><td aria-hidden="true"></td>'
        f'<th scope="col">metric</th></tr></thead><tbody>{"".join(rows)}</tbody></table></div>'
    )


def html_model(pipeline: Any) -> str:
    """Steps and parameters."""
    steps = getattr(pipeline, "steps", [("classifier", pipeline)])
    blocks = []
    for name, step in steps:
        items = "".join(
            f'<tr><th scope="row">{escape(key)}</th><td><code>{escape(_short(value))}</code></td>'
            "</tr>"
            for key, value in step.get_params(deep=False).items()
        )
        title = f"{escape(name)}: {escape(type(step).__name__)}"
        blocks.append(
            f'<details class="block"><summary>{title}</summary><table class="parameters">'
            f"<caption>Parameters</caption><tbody>{items}</tbody></table></details>"
        )
    return f"{''.join(blocks)}<p>Written by hierseg_learn {escape(__version__)}.</p>"


def _in_words(outcome: str) -> str:
    """Say what became of a node's metric, in words of its kind and of how it was shrunk."""
    kind, _, setting = outcome.partition(", shrinkage=")
    words = _OUTCOMES.get(kind, kind)
    return f"{words} (shrunk by {percent(float(setting))})" if setting else words


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 300 else f"{text[:300]} …"
