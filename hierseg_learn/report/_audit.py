"""The section about groups: accuracy by group and class, and what nodes are worth there."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

import numpy as np

from ..audit import GroupReport, MetadataReport, NodeReliance


def html_audit(report: GroupReport, reliance: NodeReliance | None) -> str:
    """Sentences, a table with bars, confusion matrices to unfold, and the nodes' table.

    Parameters
    ----------
    report : GroupReport
        Accuracy by group.
    reliance : NodeReliance or None
        What exchanging nodes costs; None leaves it out.

    Returns
    -------
    str
        HTML.
    """
    parts = [_paragraphs(report.sentences()), _html_cells(report), _html_confusions(report)]
    if reliance is None:
        parts.append(
            "<p>What single nodes are worth in every group can be told of a pipeline only: in a "
            "table alone nodes cannot be exchanged.</p>"
        )
    else:
        caption = (
            "Change of the accuracy, in percentage points, if a node with everything below it "
            "comes from another of these images: whatever its class, within cells of group and "
            "class (which disturbs the photo and says the same), and the excess of the one over "
            "the other with its standard error"
        )
        heads, rows = reliance.table()
        parts += ["<h3>What the nodes are worth</h3>", _paragraphs(reliance.sentences())]
        parts.append(_scroll("What the nodes are worth", caption, heads, rows))
    return "".join(parts)


def html_metadata(report: MetadataReport) -> str:
    """Sentences and a table: what sizes, formats and label maps alone say about the class."""
    caption = (
        "Balanced accuracy, cross-validated on these samples, of one fact alone; chance is that of "
        "shuffled classes"
    )
    text = _paragraphs(report.sentences())
    return text + _scroll("What the files alone say", caption, *report.table())


def _html_cells(report: GroupReport) -> str:
    """One row per group, then one per class in it: numbers, note, bar with interval."""
    heads, rows = report.table()
    n_cells = len(rows) // len(report.groups)
    # every row needs a head of its own
    named = [
        [f"{rows[i - i % n_cells][0]} × {row[1]}" if row[0] == "" else row[0], *row[2:]]
        for i, row in enumerate(rows)
    ]
    bars = []
    groups, cells = report.by_group.to_dict("records"), report.by_cell.to_dict("records")
    for i, group in enumerate(groups):
        bars += [_bar(group), *map(_bar, cells[i * (n_cells - 1) : (i + 1) * (n_cells - 1)])]
    caption = "Accuracy by group and true class; the strokes are the ends of the interval"
    return _scroll("Accuracy by group", caption, ["group × class", *heads[2:]], named, bars)


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
    tables = []
    for group, confusion in zip(report.groups, report.confusion):
        rows = [[name, *map(str, counts)] for name, counts in zip(names, confusion.tolist())]
        caption = f"Group {group}: true classes in rows, predicted ones in columns"
        tables.append(_scroll(f"Confusion in group {group}", caption, ["", *names], rows))
    return (
        '<details class="block"><summary>Confusion matrices of the groups</summary>'
        f"{''.join(tables)}</details>"
    )


def _scroll(
    label: str,
    caption: str,
    heads: Sequence[str],
    rows: Sequence[Sequence[str]],
    bars: Sequence[str] | None = None,
) -> str:
    """A table that scrolls by itself on narrow screens, with bars as its last column."""
    head = "".join(
        f'<th scope="col">{escape(text)}</th>' if text else "<td></td>" for text in heads
    )
    extra = np.full(len(rows), "", dtype=object)
    if bars is not None:
        head += '<td aria-hidden="true"></td>'
        extra[:] = [f'<td class="score" aria-hidden="true">{bar}</td>' for bar in bars]
    body = "".join(
        "<tr>"
        + (f'<th scope="row">{_name(row[0])}</th>' if row[0] else "<td></td>")
        + "".join(f"<td>{escape(cell)}</td>" for cell in row[1:])
        + f"{more}</tr>"
        for row, more in zip(rows, extra)
    )
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(label)}">'
        f'<table class="numbers"><caption>{escape(caption)}</caption><thead><tr>{head}</tr>'
        f"</thead><tbody>{body}</tbody></table></div>"
    )


def _name(text: str) -> str:
    """Name of a row, with the spaces before it that show its depth."""
    name = text.lstrip(" ")
    return "&nbsp;" * (len(text) - len(name)) + escape(name)


def _paragraphs(sentences: Sequence[str]) -> str:
    return "".join(f"<p>{escape(sentence)}</p>" for sentence in sentences)
