"""One explained prediction: sentences, pictures, and the tree to be unfolded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from html import escape
from typing import Any

import numpy as np

from ..explain._base import Explanation
from ..explain._display import SegmentContributionDisplay
from ..explain._text import share_text
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
    target, prediction : str
        True and predicted class.
    prediction_explanation : Explanation
        What sets the sample apart from those who vote on it.
    contrast : Explanation or None
        What pulls it to the predicted class rather than to another, where the model can say so.
    pictures : tuple of Picture
        The photo, and explanations drawn over it.
    """

    name: str
    target: str
    prediction: str
    prediction_explanation: Explanation
    contrast: Explanation | None
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
    ) -> Case:
        """Explain a row: for a miss, why the wrong class rather than the true one."""
        name = f"{'Photo' if is_photo else 'Row'} {position}"
        contrast = None
        if hasattr(classifier, "explain_contrast"):
            against = None if target == prediction else target
            contrast = classifier.explain_contrast(row, target=prediction, against=against)
            contrast = replace(contrast, name=name)
        return cls(
            name=name,
            target=str(target),
            prediction=str(prediction),
            prediction_explanation=replace(classifier.explain_prediction(row), name=name),
            contrast=contrast,
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
    drawn = [(case.prediction_explanation, "Apart from those who vote")]
    if case.contrast is not None:
        words = f"for {case.contrast.target}, blue for {case.contrast.against}"
        drawn.insert(0, (case.contrast, f"Red speaks {words}"))
    for explanation, title in drawn:
        display = SegmentContributionDisplay(explanation, [photo], [label_map], titles=[case.name])
        source, size = _pictures.encode_display(display)
        pictures.append(Picture(source, display.alt_text, title, display.caption, size))
    return replace(case, pictures=tuple(pictures))


def html_case(case: Case) -> str:
    """One sample as an article."""
    is_right = case.target == case.prediction
    mark = ("✓", "right") if is_right else ("✗", "wrong")
    verdict = case.target if is_right else f"taken for {case.prediction}, is {case.target}"
    explanation = case.prediction_explanation
    parts = [
        f'<article class="case {mark[1]}"><h3><span aria-hidden="true">{mark[0]}</span> '
        f"{escape(f'{case.name}: {verdict}')}</h3>",
        _html_pictures(case.pictures),
    ]
    if case.contrast is not None:
        contrast = case.contrast
        title = f"Why {contrast.target} rather than {contrast.against}"
        parts.append(_html_explanation(title, contrast, is_open=True))
    title = "What sets it apart from those who vote"
    parts.append(_html_explanation(title, explanation, is_open=case.contrast is None))
    return "".join([*parts, _html_votes(explanation), "</article>"])


def _html_explanation(title: str, explanation: Explanation, *, is_open: bool) -> str:
    """Sentences, then the tree, under one heading that folds."""
    sentences = explanation.to_text().split("\n\n")[0].split("\n")
    text = " ".join(sentences)
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
        f"<td>{vote.squared_distance:.3g}</td><td>{share_text(vote.weight)}</td></tr>"
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
