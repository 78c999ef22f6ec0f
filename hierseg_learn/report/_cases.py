"""Explained predictions: sentences, images, and a tree to unfold."""

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
from ..utils.numbers import html_table, number, percent
from ._tables import html_fold

# nodes with a smaller share are folded
_OPEN_FROM = 0.25


def html_tree(explanation: Explanation) -> str:
    """Nested lists: every node contains its own columns and parts, whose shares add up to it."""
    tree = explanation.tree
    pro, contra = explanation._by_side
    scale = float((pro + contra).max()) or 1.0
    parts = ['<ul class="tree">']
    # nodes to write, and closing tags behind them
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
    """Name, shares, and a bar for either side, one behind the other."""
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


# pixels; smaller photos are enlarged
_MIN_SIDE, _MAX_SIDE = 240, 520
_QUALITY = 82
_DPI = 110
_HEIGHT, _BESIDE = 4.0, 1.05  # inches


class _Bare(SegmentContributionDisplay):
    """A display without question and caption, which stand on the page as text."""

    caption = question = ""


def encode_photo(photo: np.ndarray) -> tuple[str, tuple[int, int]]:
    """Data URI of a photo, floats in [0, 1], with its width and height."""
    from PIL import Image

    picture = np.round(255 * thumbnail(photo, _MAX_SIDE)).astype(np.uint8)
    image = Image.fromarray(picture)
    if max(image.size) < _MIN_SIDE:
        times = -(-_MIN_SIDE // max(image.size))
        size = (image.width * times, image.height * times)
        image = image.resize(size, Image.Resampling.NEAREST)
    stream = BytesIO()
    image.save(stream, "JPEG", quality=_QUALITY, optimize=True)
    return _data_uri(stream), image.size


def encode_display(display: SegmentContributionDisplay) -> tuple[str, tuple[int, int]]:
    """Data URI of a display of one photo, without title and caption, with its width and height."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    height, width = display.images[0].shape[:2]
    size = (_HEIGHT * width / height + _BESIDE, _HEIGHT + 0.15)
    figure = Figure(figsize=size, dpi=_DPI, layout="constrained")
    # a canvas of its own leaves the figures of the caller alone
    canvas = FigureCanvasAgg(figure)
    bare = _Bare(display.explanation, display.images, display.label_maps, titles=[""])
    bare.plot(figure.add_subplot())
    stream = BytesIO()
    figure.savefig(stream, format="jpeg", pil_kwargs={"quality": _QUALITY, "optimize": True})
    return _data_uri(stream), canvas.get_width_height()


def _data_uri(stream: BytesIO) -> str:
    return f"data:image/jpeg;base64,{b64encode(stream.getvalue()).decode('ascii')}"


@dataclass(frozen=True)
class EmbeddedImage:
    """An image inside of the page."""

    source: str  # data URI
    alt: str  # description for screen readers
    title: str
    caption: str
    size: tuple[int, int]  # width and height in pixels


@dataclass(frozen=True)
class Case:
    """One sample whose prediction is explained."""

    name: str
    target: Any  # true class
    prediction: Any
    prediction_explanation: PredictionExplanation
    # why the predicted class rather than the true one or, if it is correct, the next probable one;
    # None where there is no other class
    contrast: ContrastExplanation | None
    neighbors: bool = False  # whether to show also how the sample differs from its neighbors
    images: tuple[EmbeddedImage, ...] = ()  # the photo, and explanations drawn over it

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
        """Explain a row: the predicted class compared with the true one, if that is another."""
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
    # a stable sort keeps the order by confidence within a turn
    return found[np.argsort(turns, kind="stable")][:number].tolist()


def draw_case(case: Case, photo: np.ndarray, label_map: np.ndarray) -> Case:
    """Add images to a case."""
    source, size = encode_photo(photo)
    images = [EmbeddedImage(source, f"{case.name}, unchanged", "The photo", "", size)]
    drawn: list[tuple[Explanation, str]] = []
    if case.contrast is not None:
        sides = class_name(case.contrast.target), class_name(case.contrast.foil)
        drawn.append((case.contrast, f"Red speaks for {sides[0]}, blue for {sides[1]}"))
    if case.neighbors:
        drawn.append((case.prediction_explanation, case.prediction_explanation._title()))
    for explanation, title in drawn:
        display = SegmentContributionDisplay(explanation, [photo], [label_map], titles=[case.name])
        source, size = encode_display(display)
        images.append(EmbeddedImage(source, display.alt_text, title, display.caption, size))
    return replace(case, images=tuple(images))


def html_case(case: Case) -> str:
    """One sample as an article."""
    is_right = case.target == case.prediction
    mark = ("✓", "right") if is_right else ("✗", "wrong")
    result = f"predicted {class_name(case.prediction)}"
    result += ", correctly" if is_right else f", labeled {class_name(case.target)}"
    explanation = case.prediction_explanation
    parts = [
        f'<article class="case {mark[1]}"><h3><span aria-hidden="true">{mark[0]}</span> '
        f"{escape(f'{case.name}: {result}')}</h3>",
        _html_images(case.images),
    ]
    if case.contrast is not None:
        parts.append(_html_explanation(case.contrast, is_open=True))
    if case.neighbors:
        parts.append(_html_explanation(explanation, is_open=case.contrast is None))
    return "".join([*parts, _html_votes(explanation), "</article>"])


def _html_explanation(explanation: Explanation, *, is_open: bool) -> str:
    """Sentences and tree, folded under the question."""
    text, title = " ".join(explanation._lines(3)), explanation._question()
    return html_fold(title, f"<p>{escape(text)}</p>", html_tree(explanation), is_open=is_open)


def _html_votes(explanation: PredictionExplanation) -> str:
    """Table of the neighbors, nearest first."""
    votes = explanation.votes.sort_values("squared_distance", kind="stable")
    name = "prototype" if explanation.decision == "prototypes" else "training row"
    rows = [
        [
            f"{name} {vote.Index}",
            str(vote.neighbor_class),
            number(vote.squared_distance),
            percent(vote.weight),
        ]
        for vote in votes.itertuples()
    ]
    heads = ["", "class", "squared distance", "vote"]
    return html_fold("Neighbors", html_table("Nearest first", heads, rows, classes="numbers"))


def _html_images(images: Sequence[EmbeddedImage]) -> str:
    figures = [
        f'<figure><img src="{image.source}" alt="{escape(image.alt)}" '
        f'width="{image.size[0]}" height="{image.size[1]}">'
        f"<figcaption><b>{escape(image.title)}</b> {escape(image.caption)}</figcaption>"
        "</figure>"
        for image in images
    ]
    return f'<div class="pictures">{"".join(figures)}</div>' if figures else ""
