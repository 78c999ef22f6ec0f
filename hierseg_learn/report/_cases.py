"""One explained prediction: sentences, pictures, and the tree to be unfolded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from html import escape
from typing import Any

import numpy as np

from ..explain import ContrastExplanation, PredictionExplanation
from ..explain._base import Explanation
from ..explain._display import SegmentContributionDisplay
from ..explain._signed import class_name
from ..utils._numbers import number, percent
from . import _pictures
from ._drill_down import html_tree


@dataclass(frozen=True)
class Picture:
    """A picture inside of the page.

    Parameters
    ----------
    source : str
        The picture itself, as a data URI.
    alt, title, caption : str
        What it shows: for those who cannot see it, in a few words, and what it leaves out.
    size : tuple of int
        Width and height in pixels.
    """

    source: str
    alt: str
    title: str
    caption: str
    size: tuple[int, int]


@dataclass(frozen=True)
class Case:
    """One sample whose prediction is explained.

    Parameters
    ----------
    name : str
        What the sample is called.
    target, prediction : object
        True and predicted class.
    prediction_explanation : PredictionExplanation
        Who votes on it, and how it differs from these.
    contrast : ContrastExplanation or None
        Why the predicted class rather than the true one or, for a hit, the one that comes next;
        None where there is no other class.
    neighbors : bool
        Whether to show how the sample differs from those who vote on it, too.
    pictures : tuple of Picture
        The photo, and explanations drawn over it.
    """

    name: str
    target: Any
    prediction: Any
    prediction_explanation: PredictionExplanation
    contrast: ContrastExplanation | None
    neighbors: bool = False
    pictures: tuple[Picture, ...] = ()

    @classmethod
    def explain(
        cls,
        classifier: Any,
        row: Any,
        *,
        position: int,
        target: Any,
        prediction: Any,
        is_photo: bool,
        neighbors: bool,
    ) -> Case:
        """Explain a row: for a miss, why the wrong class rather than the true one."""
        name = f"{'Photo' if is_photo else 'Row'} {position}"
        explanation = classifier.explain_prediction(row)
        contrast = explanation.contrast
        if target != prediction:
            contrast = classifier.explain_contrast(row, target=prediction, against=target)
        explanation = replace(explanation, name=name, contrast=contrast)
        return cls(
            name=name,
            target=target,
            prediction=prediction,
            prediction_explanation=explanation,
            contrast=explanation.contrast,
            neighbors=neighbors or contrast is None,
        )


def choose(flags: np.ndarray, target: np.ndarray, confidence: np.ndarray, number: int) -> list[int]:
    """Positions of flagged samples: of each true class in turn the most confident one left."""
    found = np.flatnonzero(flags)
    found = found[np.argsort(-confidence[found], kind="stable")]
    _, codes = np.unique(target[found], return_inverse=True)
    turns = np.zeros(len(found), dtype=int)
    for code in np.unique(codes):
        turns[codes == code] = np.arange((codes == code).sum())
    # Within a turn the most confident comes first; the sort keeps that order.
    return found[np.argsort(turns, kind="stable")][:number].tolist()


def draw_case(case: Case, photo: np.ndarray, label_map: np.ndarray) -> Case:
    """Add pictures to a case."""
    source, size = _pictures.encode_photo(photo)
    pictures = [Picture(source, f"{case.name}, as it is", "The photo", "", size)]
    drawn: list[tuple[Explanation, str]] = []
    if case.contrast is not None:
        sides = class_name(case.contrast.target), class_name(case.contrast.against)
        drawn.append((case.contrast, f"Red speaks for {sides[0]}, blue for {sides[1]}"))
    if case.neighbors:
        drawn.append((case.prediction_explanation, case.prediction_explanation._title()))
    for explanation, title in drawn:
        display = SegmentContributionDisplay(explanation, [photo], [label_map], titles=[case.name])
        source, size = _pictures.encode_display(display)
        pictures.append(Picture(source, display.alt_text, title, display.caption, size))
    return replace(case, pictures=tuple(pictures))


def html_case(case: Case) -> str:
    """One sample as an article."""
    is_right = case.target == case.prediction
    mark = ("✓", "right") if is_right else ("✗", "wrong")
    verdict = f"predicted {class_name(case.prediction)}"
    verdict += ", rightly" if is_right else f", labeled {class_name(case.target)}"
    explanation = case.prediction_explanation
    parts = [
        f'<article class="case {mark[1]}"><h3><span aria-hidden="true">{mark[0]}</span> '
        f"{escape(f'{case.name}: {verdict}')}</h3>",
        _html_pictures(case.pictures),
    ]
    if case.contrast is not None:
        parts.append(_html_explanation(case.contrast, is_open=True))
    if case.neighbors:
        parts.append(_html_explanation(explanation, is_open=case.contrast is None))
    return "".join([*parts, _html_votes(explanation), "</article>"])


def _html_explanation(explanation: Explanation, *, is_open: bool) -> str:
    """Sentences, then the tree, under the question as a heading that folds."""
    text, title = " ".join(explanation._lines(3)), explanation._question()
    return (
        f'<details class="block"{" open" if is_open else ""}><summary>{escape(title)}</summary>'
        f"<p>{escape(text)}</p>{html_tree(explanation)}</details>"
    )


def _html_votes(explanation: Any) -> str:
    """A table of those who vote, nearest first."""
    votes = explanation.votes.sort_values("squared_distance", kind="stable")
    by_prototypes = explanation.kind == "prototypes"
    who = "prototype" if by_prototypes else "training row"
    rows = [
        f'<tr><th scope="row">{who} {index}</th><td>{escape(str(vote.neighbor_class))}</td>'
        f"<td>{number(vote.squared_distance)}</td><td>{escape(percent(vote.weight))}</td></tr>"
        for index, vote in zip(votes.index, votes.itertuples())
    ]
    return (
        '<details class="block"><summary>Who votes</summary><table class="numbers">'
        "<caption>Nearest first</caption>"
        '<thead><tr><td></td><th scope="col">class</th><th scope="col">squared distance</th>'
        f'<th scope="col">vote</th></tr></thead><tbody>{"".join(rows)}</tbody></table></details>'
    )


def _html_pictures(pictures: Sequence[Picture]) -> str:
    figures = [
        f'<figure><img src="{picture.source}" alt="{escape(picture.alt)}" '
        f'width="{picture.size[0]}" height="{picture.size[1]}">'
        f"<figcaption><b>{escape(picture.title)}</b> {escape(picture.caption)}</figcaption>"
        "</figure>"
        for picture in pictures
    ]
    return f'<div class="pictures">{"".join(figures)}</div>' if figures else ""
