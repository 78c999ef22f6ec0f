"""Report about a fitted model in one HTML file, with explained predictions."""

from __future__ import annotations

import os
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass, replace
from html import escape
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from ..audit import find_metadata_shortcuts, group_report, node_reliance
from ..displays import SegmentContributionDisplay
from ..explain import ContrastExplanation, NoveltyExplanation, PredictionExplanation
from ..explain.explanation import Explanation, class_name
from ..explain.style import thumbnail
from ..explain.words import ShareTable, share_text, sides_text
from ..fitted.model import FittedModel, check_targets, count, row, take
from ..utils import check_writable, written_whole
from ..utils.labels import check_known
from ..utils.numbers import check_integer, html_table, number, percent
from . import _page, _tables
from ._tables import Scores, html_audit, html_fold, html_metadata, measure

# nodes with a smaller share are folded
_OPEN_FROM = 0.25
# of larger trees, parts with a smaller share are summed up
_MAX_NODES, _LISTED_FROM = 300, 0.005


def html_tree(explanation: Explanation) -> str:
    """Nested lists: every node contains its own columns and parts, whose shares add up to it.

    The smallest parts in very large trees become one line.
    """
    table, tree = explanation.share_table(), explanation.tree
    pro, contra = table.by_side
    scale = float((pro + contra).max()) or 1.0
    parts = ['<ul class="tree">']
    # nodes to write, and closing tags behind them
    stack: list[int | str] = ["</ul>", tree.root]
    while stack:
        item = stack.pop()
        if isinstance(item, str):
            parts.append(item)
        elif tree.is_leaf[item]:
            parts.append(f"<li>{_row(table, item, scale)}</li>")
        else:
            is_open = item == tree.root or max(pro[item], contra[item]) >= _OPEN_FROM
            parts.append(
                f"<li><details{' open' if is_open else ''}>"
                f"<summary>{_row(table, item, scale)}</summary><ul>"
                f"<li>{_own_row(table, item, scale)}</li>"
            )
            children = np.asarray(tree.children(item))
            small = children[np.maximum(pro, contra)[children] < _LISTED_FROM]
            stack.append("</ul></details></li>")
            if len(tree) > _MAX_NODES and len(small) > 1:
                children = np.setdiff1d(children, small)
                sides = float(pro[small].sum()), float(contra[small].sum())
                name = f"<i>{len(small)} parts with little</i>"
                stack.append(f"<li>{_sides_line(table, name, *sides, scale)}</li>")
            stack += children[::-1].tolist()
    return "".join(parts)


def _row(table: ShareTable, node: int, scale: float) -> str:
    pro, contra = (float(side[node]) for side in table.by_side)
    mark, kind = table.marks[node], "leaf" if table.tree.is_leaf[node] else "inner"
    name = escape(table.tree.names[node]) + (f" <small>({escape(mark)})</small>" if mark else "")
    return _sides_line(table, name, pro, contra, scale, kind)


def _own_row(table: ShareTable, node: int, scale: float) -> str:
    name, share = f"<i>{escape(table.tree.names[node])} as a whole</i>", float(table.direct[node])
    return _sides_line(table, name, max(share, 0.0), max(-share, 0.0), scale)


def _sides_line(
    table: ShareTable, name: str, pro: float, contra: float, scale: float, kind: str = "leaf"
) -> str:
    """Name, shares, and a bar for either side, one behind the other."""
    text = share_text(pro - contra, table.sides)
    if table.is_two_sided:
        text = sides_text(pro, contra, table.sides)
    pro, contra = pro / scale, contra / scale
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
    target: Any  # true class; None if it is not known
    prediction: Any
    prediction_explanation: PredictionExplanation
    # why the predicted class rather than the true one or, if it is correct, the next probable one;
    # None where there is no other class
    contrast: ContrastExplanation | None
    neighbors: bool = False  # whether to show also how the sample differs from its neighbors
    novelty: NoveltyExplanation | None = None  # None where classes have too few rows
    images: tuple[EmbeddedImage, ...] = ()  # the photo, and explanations drawn over it


def explain_case(
    steps: FittedModel, row: Any, name: str, target: Any, prediction: Any, neighbors: bool
) -> Case:
    """Explain a row: the predicted class compared with the true one, if that is another."""
    classifier, by = steps.classifier, _attribute_to(steps)
    explanation = classifier.explain_prediction(row, by=by)
    contrast = explanation.contrast
    if target is not None and target != prediction:
        contrast = classifier.explain_contrast(row, target=prediction, foil=target, by=by)
    explanation = replace(explanation, name=name, contrast=contrast)
    shown, neighbors = explanation.contrast, neighbors or contrast is None
    novelty = _explain_novelty(classifier, row, name)
    return Case(name, target, prediction, explanation, shown, neighbors, novelty=novelty)


def _explain_novelty(classifier: Any, row: Any, name: str) -> NoveltyExplanation | None:
    try:
        return replace(classifier.explain_novelty(row)[0], name=name)
    except ValueError:  # the row is fine: it was explained; a class has too few rows to hold out
        return None


def _attribute_to(steps: FittedModel) -> str:
    """What contributions are attributed to: over photos, nodes are drawn."""
    return "nodes" if steps.takes_images else "auto"


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
    mark, result = ("", "unlabeled"), f"predicted {class_name(case.prediction)}"
    if case.target is not None:
        is_right = case.target == case.prediction
        mark = ("✓", "right") if is_right else ("✗", "wrong")
        result += ", correctly" if is_right else f", labeled {class_name(case.target)}"
    explanation = case.prediction_explanation
    parts = [
        f'<article class="case {mark[1]}"><h3><span aria-hidden="true">{mark[0]}</span> '
        f"{escape(f'{case.name}: {result}')}</h3>",
        _html_images(case.images),
        _html_novelty(case.novelty),
    ]
    if case.contrast is not None:
        parts.append(_html_explanation(case.contrast, is_open=True))
    if case.neighbors:
        parts.append(_html_explanation(explanation, is_open=case.contrast is None))
    return "".join([*parts, _html_votes(explanation), "</article>"])


def _html_novelty(novelty: NoveltyExplanation | None) -> str:
    """Warning of a sample that is unlike all training rows."""
    if novelty is None or not novelty.is_novel:
        return ""
    return f'<p class="novel">{escape(" ".join(novelty._lines(2)))}</p>'


def _html_explanation(explanation: Explanation, *, is_open: bool) -> str:
    """Sentences and tree, folded under the question."""
    text, title = " ".join(explanation._lines(3)), explanation._question()
    return html_fold(title, f"<p>{escape(text)}</p>", html_tree(explanation), is_open=is_open)


def _html_votes(explanation: PredictionExplanation) -> str:
    """Table of the neighbors, nearest first."""
    votes = explanation.votes.sort_values("squared_distance", kind="stable")
    name = {"neighbors": "training row", "prototypes": "prototype", "linear": "mean"}
    last, title = "vote", "Neighbors"
    if explanation.decision != "neighbors":
        last, title = "probability", "Class means"
        places = [explanation.classes.tolist().index(c) for c in votes["neighbor_class"].tolist()]
        votes = votes.assign(weight=explanation.proba[places])
    rows = [
        [
            f"{name[explanation.decision]} {v.Index}",
            str(v.neighbor_class),
            number(v.squared_distance),
            percent(v.weight),
        ]
        for v in votes.itertuples()
    ]
    heads = ["", "class", "squared distance", last]
    rule = "".join(f"<p>{escape(line)}</p>" for line in explanation._calibration_lines())
    return html_fold(title, html_table("Nearest first", heads, rows, classes="numbers"), rule)


def _html_images(images: Sequence[EmbeddedImage]) -> str:
    figures = [
        f'<figure><img src="{image.source}" alt="{escape(image.alt)}" '
        f'width="{image.size[0]}" height="{image.size[1]}">'
        f"<figcaption><b>{escape(image.title)}</b> {escape(image.caption)}</figcaption></figure>"
        for image in images
    ]
    return f'<div class="pictures">{"".join(figures)}</div>' if figures else ""


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
    over the photo, in sentences, and as a tree to unfold. Of an explained photo that is unlike all
    training photos it says so, and because of which part. It is one file: images are part of it, it
    loads nothing, works without scripts, by keyboard and with a screen reader, in light and dark,
    and prints with everything unfolded. It does not grow with the number of samples: large tables
    are cut, which the page says.

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
    target = check_targets(y, n_samples)
    if target is None:
        raise ValueError("y must hold the true classes, got None.")
    check_known(target, "y", steps.classifier.classes_)
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


def write_explanations(
    pipeline: Any,
    X: Any,
    path: str | os.PathLike,
    *,
    names: Sequence[str] | None = None,
    target: Any = None,
    foil: Any = None,
    neighbors: bool = True,
    n_shown: int = 20,
    title: str | None = None,
) -> Path:
    """Write why a fitted model gives some photos their classes to an HTML file.

    The page shows every photo with its explanation drawn over it, in sentences, and as a tree to
    unfold, as that of :func:`write_report` does; no true class is needed.

    Parameters
    ----------
    pipeline : Pipeline or HierarchicalMetricClassifier
        As for :func:`write_report`.
    X : photos or table
        The samples to explain.
    path : str or path-like
        The file to write.
    names : sequence of str, length n_samples, default=None
        Names of the samples; ``Photo 0``, ... by default.
    target, foil : object, default=None
        Two classes: why is it `target` rather than `foil`? By default the predicted class, and the
        next probable one.
    neighbors : bool, default=True
        Whether to show also how they differ from their nearest training rows.
    n_shown : int, default=20
        Explain so many samples at most, the first ones; the page says how many there are. A page
        with 20 photos has 2 to 4 MB.
    title : str, default=None
        Title of the page.

    Returns
    -------
    path : Path
        The file.

    Raises
    ------
    TypeError, OSError
        As for :func:`write_report`.
    ValueError
        If X is empty, names has another length, n_shown is less than 1, or a class is unknown.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from hierseg_learn import HierarchicalMetricClassifier, SegmentTreeTransformer
    >>> from hierseg_learn.datasets import make_portraits
    >>> from hierseg_learn.report import write_explanations
    >>> from sklearn.pipeline import make_pipeline
    >>> portraits = make_portraits(n_samples=40, signal=("hair",), random_state=0)
    >>> X, y = portraits.images, portraits.target
    >>> model = make_pipeline(
    ...     SegmentTreeTransformer(tree=portraits.tree, descriptors="color"),
    ...     HierarchicalMetricClassifier(random_state=0),
    ... ).fit(X[:30], y[:30])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = write_explanations(model, X[30:31], Path(folder) / "one.html", names=["Ann"])
    ...     "Ann: predicted" in path.read_text(encoding="utf-8")
    True
    """
    check_writable(path)
    steps = FittedModel.from_estimator(pipeline, explains=True, name="pipeline")
    n_samples = count(X)
    if n_samples == 0:
        raise ValueError("X must hold at least one sample, got none.")
    noun = "Photo" if steps.takes_images else "Row"
    names = [f"{noun} {i}" for i in range(n_samples)] if names is None else list(names)
    if len(names) != n_samples:
        raise ValueError(f"names has {len(names)} entries for {n_samples} samples.")
    shown = min(n_samples, check_integer(n_shown, "n_shown"))
    X = take(X, list(range(shown)))
    table = steps.table(X)
    predicted = steps.classifier.predict(table)
    cases = []
    for i, name in enumerate(names[:shown]):
        one = row(table, i)
        case = explain_case(steps, one, name, None, predicted[i], neighbors)
        if target is not None or foil is not None:
            asked = {"target": target, "foil": foil, "by": _attribute_to(steps)}
            contrast = steps.classifier.explain_contrast(one, **asked)
            case = replace(case, contrast=replace(contrast, name=name))
        if steps.takes_images:
            one = take(X, [i])
            case = draw_case(case, steps.photos(one)[0], steps.label_maps(one)[0])
        cases.append(case)
    sections = [
        ("samples", "Predictions", "".join(map(html_case, cases))),
        ("reading", "How to read the numbers", _page.READING),
        ("model", "The model", _tables.html_model(pipeline)),
    ]
    title = "Explained predictions" if title is None else str(title)
    of_all = f"{shown} of {n_samples:,}" if shown < n_samples else f"{n_samples}"
    lead = f"{of_all} {noun.lower()}{'s' * (n_samples > 1)}: why they got their classes."
    html = _page.render(title, lead, sections)
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
        name = f"{'Row' if photo is None else 'Photo'} {position}"
        classes = target[position], scores.predicted[position]
        case = explain_case(steps, row(table, position), name, *classes, neighbors)
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
    if not cases:
        verb = "is" if n_all == 1 else "are"
        return f"<p>{n_all} of the {noun} {verb} {kind}; none is explained.</p>"
    chosen = "the most confident ones of each true class in turn"
    intro = f"<p>{len(cases)} of {n_all} {noun} with a {kind} prediction: {chosen}.</p>"
    return intro + "".join(map(html_case, cases))
