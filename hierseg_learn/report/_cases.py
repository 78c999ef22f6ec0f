"""One explained prediction: sentences, pictures, and the tree to be unfolded."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass, replace
from html import escape
from io import BytesIO
from typing import Any

import numpy as np

from ..displays import SegmentContributionDisplay
from ..explain import ContrastExplanation, PredictionExplanation
from ..explain.explanation import Explanation, class_name
from ..explain.style import thumbnail
from ..explain.words import share_text, sides_text
from ..utils.numbers import number, percent

# nodes with less unfold no further by themselves
_OPEN_FROM = 0.25


def html_tree(explanation: Explanation) -> str:
    """Nested lists: a node with everything below it, inside of it its own columns and its parts.

    The shares of what is inside add up to that of the node, on either side.
    """
    tree = explanation.tree
    pro, contra = explanation._by_side
    scale = float((pro + contra).max()) or 1.0
    parts = ['<ul class="tree">']
    # Closing tags wait on the stack as strings, below the nodes that come before them.
    stack: list[int | str] = ["</ul>", tree.root]
    while stack:
        item = stack.pop()
        if isinstance(item, str):
            parts.append(item)
        elif tree.is_leaf[item]:
            parts.append(f"<li>{_row(explanation, item, scale)}</li>")
        else:
            is_open = item == tree.root or max(pro[item], contra[item]) >= _OPEN_FROM
            parts.append(
                f"<li><details{' open' if is_open else ''}>"
                f"<summary>{_row(explanation, item, scale)}</summary><ul>"
                f"<li>{_own_row(explanation, item, scale)}</li>"
            )
            stack += ["</ul></details></li>", *tree.children(item)[::-1]]
    return "".join(parts)


def _row(explanation: Explanation, node: int, scale: float) -> str:
    tree, sides = explanation.tree, explanation._sides
    pro, contra = (float(side[node]) for side in explanation._by_side)
    mark = explanation._marks()[node]
    name = escape(tree.names[node]) + (f" <small>({escape(mark)})</small>" if mark else "")
    if explanation._is_two_sided:
        text = sides_text(pro, contra, sides)
    else:
        text = share_text(float(explanation.share[node]), sides)
    return _line(name, text, pro / scale, contra / scale, "leaf" if tree.is_leaf[node] else "inner")


def _own_row(explanation: Explanation, node: int, scale: float) -> str:
    name = f"<i>{escape(explanation.tree.names[node])} as a whole</i>"
    share, sides = float(explanation.direct_share[node]), explanation._sides
    pro, contra = max(share, 0.0), max(-share, 0.0)
    two_sided = explanation._is_two_sided
    text = sides_text(pro, contra, sides) if two_sided else share_text(share, sides)
    return _line(name, text, pro / scale, contra / scale, "leaf")


def _line(name: str, text: str, pro: float, contra: float, kind: str) -> str:
    """Name, shares, and a bar for either side, the second behind the first, that repeats them."""
    ends = (("plus", 0.0, pro), ("minus", pro, contra))
    bars = "".join(
        f'<span class="bar {kind} {sign}" style="left:{100 * start:.1f}%;'
        f'width:{100 * width:.1f}%"></span>'
        for sign, start, width in ends
        if width
    )
    return (
        f'<span class="row"><span class="name">{name}</span> '
        f'<span class="share">{escape(text)}</span> '
        f'<span class="track" aria-hidden="true">{bars}</span></span>'
    )


# pixels; small photos are enlarged to the first, so that they are seen at all
_SMALLEST, _LARGEST = 240, 520
_QUALITY = 82
_DPI = 110
_HEIGHT, _BESIDE = 4.0, 1.05  # inches


class _Bare(SegmentContributionDisplay):
    """A display without question and caption, which stand on the page as text."""

    caption = question = ""


def encode_photo(photo: np.ndarray) -> tuple[str, tuple[int, int]]:
    """Return a photo, floats in [0, 1], as a JPEG, with its width and height."""
    from PIL import Image

    picture = np.round(255 * thumbnail(photo, _LARGEST)).astype(np.uint8)
    image = Image.fromarray(picture)
    if max(image.size) < _SMALLEST:
        times = -(-_SMALLEST // max(image.size))
        size = (image.width * times, image.height * times)
        image = image.resize(size, Image.Resampling.NEAREST)
    stream = BytesIO()
    image.save(stream, "JPEG", quality=_QUALITY, optimize=True)
    return _data_uri(stream), image.size


def encode_display(display: SegmentContributionDisplay) -> tuple[str, tuple[int, int]]:
    """Draw a display of one photo into a figure of its own, without title and caption.

    Return it as a JPEG, with its width and height.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    height, width = display.images[0].shape[:2]
    size = (_HEIGHT * width / height + _BESIDE, _HEIGHT + 0.15)
    figure = Figure(figsize=size, dpi=_DPI, layout="constrained")
    # A canvas of its own leaves the figures of the caller alone.
    canvas = FigureCanvasAgg(figure)
    _Bare(display.explanation, display.images, display.label_maps, titles=[""]).plot(
        figure.add_subplot()
    )
    stream = BytesIO()
    figure.savefig(stream, format="jpeg", pil_kwargs={"quality": _QUALITY, "optimize": True})
    return _data_uri(stream), canvas.get_width_height()


def _data_uri(stream: BytesIO) -> str:
    return f"data:image/jpeg;base64,{b64encode(stream.getvalue()).decode('ascii')}"


@dataclass(frozen=True)
class Picture:
    """A picture inside of the page."""

    source: str  # the picture itself, as a data URI
    alt: str  # what it shows: for those who cannot see it, in a few words, and what it leaves out
    title: str  # what it shows: for those who cannot see it, in a few words, and what it leaves out
    # what it shows: for those who cannot see it, in a few words, and what it leaves out
    caption: str
    size: tuple[int, int]  # width and height in pixels


@dataclass(frozen=True)
class Case:
    """One sample whose prediction is explained."""

    name: str  # what the sample is called
    target: Any  # true and predicted class
    prediction: Any  # true and predicted class
    prediction_explanation: PredictionExplanation  # who votes on it, and how it differs from these
    # why the predicted class rather than the true one or, for a hit, the one that comes next; None
    # where there is no other class
    contrast: ContrastExplanation | None
    neighbors: bool = False  # whether to show how the sample differs from those who vote on it, too
    pictures: tuple[Picture, ...] = ()  # the photo, and explanations drawn over it

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
            contrast = classifier.explain_contrast(row, target=prediction, foil=target)
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
    source, size = encode_photo(photo)
    pictures = [Picture(source, f"{case.name}, as it is", "The photo", "", size)]
    drawn: list[tuple[Explanation, str]] = []
    if case.contrast is not None:
        sides = class_name(case.contrast.target), class_name(case.contrast.foil)
        drawn.append((case.contrast, f"Red speaks for {sides[0]}, blue for {sides[1]}"))
    if case.neighbors:
        drawn.append((case.prediction_explanation, case.prediction_explanation._title()))
    for explanation, title in drawn:
        display = SegmentContributionDisplay(explanation, [photo], [label_map], titles=[case.name])
        source, size = encode_display(display)
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
    by_prototypes = explanation.decision == "prototypes"
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
