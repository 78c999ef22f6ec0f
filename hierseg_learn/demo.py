"""Classify generated portraits by their parts, say why, and draw the reasons.

Run it with ``python -m hierseg_learn.demo --output demo_output``, or with ``make demo`` in a clone.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import clone
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.utils import Bunch

from . import HierarchicalMetricClassifier, SegmentTreeTransformer
from .datasets import make_portraits
from .displays import SegmentContributionDisplay
from .explain import ContrastExplanation, PairExplanation
from .utils import check_writable, written_whole

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

N_SAMPLES, N_CLASSES = 600, 3
# The classes differ in the pattern of the clothes and the color of the eyes. Both are faint, there
# is noise, and many eyes are closed, so that no model is perfect.
SIGNAL = {"clothes": "texture", "eyes": "color"}
MISSING = {"eyes": 0.4, "hair": 0.1}
STRENGTH, NOISE = 0.5, 0.06
PICTURE = "explanation.png"


def paint(n_samples: int = N_SAMPLES) -> Bunch:
    """Paint portraits: `train`, `y_train`, `test`, `y_test` and the `tree` of the parts."""
    data = make_portraits(
        n_samples,
        n_classes=N_CLASSES,
        signal=SIGNAL,
        missing=MISSING,
        strength=STRENGTH,
        noise=NOISE,
        random_state=0,
    )
    y = np.array(data.target_names)[data.target]
    n_train = 2 * n_samples // 3
    return Bunch(
        train=data.images[:n_train],
        y_train=y[:n_train],
        test=data.images[n_train:],
        y_test=y[n_train:],
        tree=data.tree,
    )


def build_model(tree: dict[str, Any], *, verbose: int = 0) -> Pipeline:
    """Build the two steps: from images to a table, and from the table to classes."""
    return make_pipeline(
        SegmentTreeTransformer(tree=tree, verbose=verbose),
        HierarchicalMetricClassifier(random_state=0, verbose=verbose),
    )


def compare(model: Pipeline, portraits: Bunch) -> dict[str, float]:
    """Test accuracy of a fitted model, and of the same learner without the tree or the parts."""
    describe, classifier = model[:-1], model[-1]
    train, test = describe.transform(portraits.train), describe.transform(portraits.test)
    whole = [name for name in train if name.startswith(f"{classifier.tree_.root_name}|")]
    no_tree = clone(classifier).set_params(tree={"all": list(train)})
    no_parts = clone(classifier)
    y_train, y_test = portraits.y_train, portraits.y_test
    return {
        "tree of parts": classifier.score(test, y_test),
        "the same columns, no tree": no_tree.fit(train, y_train).score(test, y_test),
        "the whole image, no parts": no_parts.fit(train[whole], y_train).score(test[whole], y_test),
    }


def choose_pair(predicted: np.ndarray, target: np.ndarray) -> list[int]:
    """First two correctly classified samples of different classes, else the first two samples.

    >>> import numpy as np
    >>> from hierseg_learn.demo import choose_pair
    >>> choose_pair(np.array(["a", "b", "b", "c"]), np.array(["b", "b", "b", "c"]))
    [1, 3]
    """
    right = np.flatnonzero(predicted == target)
    _, first = np.unique(target[right], return_index=True)
    pair = np.sort(right[first])[:2].tolist()
    return pair if len(pair) == 2 else [0, 1]


def draw(
    figure: Figure,
    contrast: ContrastExplanation,
    explanation: PairExplanation,
    images: Sequence[np.ndarray],
    label_maps: Sequence[np.ndarray],
    node_scores: pd.Series,
) -> None:
    """Draw two photos, why the first got its class, how the two differ, and scores of all nodes."""
    axes = figure.subplots(2, 2, width_ratios=[1.15, 1])
    contrast.plot(axes[0, 1])
    explanation.tree.plot(node_scores, ax=axes[1, 1], fmt=".0%", label="held-out accuracy")
    tinted = SegmentContributionDisplay.from_explanation(
        explanation, images, label_maps, titles=["", ""], ax=axes[1, 0]
    ).ax_
    # each photo exactly above its tinted copy
    extents = [layer.get_extent() for layer in tinted.images if layer.get_label() == "photo"]
    names = (explanation.name_a, explanation.name_b)
    for image, extent, name in zip(images, extents, names, strict=True):
        axes[0, 0].imshow(image, extent=extent)
        axes[0, 0].text((extent[0] + extent[1]) / 2, -0.02, name, ha="center", fontsize=11)
    axes[0, 0].set(xlim=tinted.get_xlim(), ylim=tinted.get_ylim())
    axes[0, 0].set_axis_off()
    titles = {
        (0, 0): "Two portraits",
        (0, 1): f"Why '{contrast.target}' rather than '{contrast.foil}'?",
        (1, 0): "How do the two differ?",
        (1, 1): "Which parts tell the classes apart?",
    }
    for place, title in titles.items():
        pad = 26 if place == (0, 0) else 8
        axes[place].set_title(title, fontsize=12, fontweight="bold", loc="left", pad=pad)


def draw_to(
    path: Path,
    contrast: ContrastExplanation,
    explanation: PairExplanation,
    model: Pipeline,
    pair: Any,
    *,
    dpi: int = 110,
) -> bool:
    """Draw the explanations of a pair of portraits, shape (2,), into a file in an existing folder.

    Returns False, and writes nothing, if Matplotlib is missing.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        return False
    figure = Figure(figsize=(14, 8.2), layout="constrained")
    figure.get_layout_engine().set(w_pad=0.12, h_pad=0.12)
    draw(
        figure,
        contrast,
        explanation,
        [item.image for item in (pair[0], pair[1])],
        model[0].label_maps(pair),
        model[-1].node_scores_,
    )
    with written_whole(path) as beside:
        figure.savefig(beside, dpi=dpi)
    return True


def main(argv: Sequence[str] | None = None) -> None:
    """Run the demo with some arguments, by default those of the command line."""
    options = _parse(argv)
    path = options.output / PICTURE
    started = time.perf_counter()
    with _doing(f"Painting {options.n_samples} portraits"):
        portraits = paint(options.n_samples)
    y_test, n_train = portraits.y_test, len(portraits.y_train)
    model = build_model(portraits.tree, verbose=1).fit(portraits.train, portraits.y_train)
    for step in model:
        step.set_params(verbose=0)
    classifier = model[-1]

    _say_title("Which parts tell the classes apart?")
    print("Accuracy of each node, including all nodes below it, on training portraits that were")
    print(f"held out (chance: {1 / N_CLASSES:.0%}):\n")
    print(classifier.tree_.export_text(classifier.node_scores_, fmt=".0%"))

    _say_title("Does the tree help?")
    with _doing("Fitting the same learner without the tree"):
        scores = compare(model, portraits)
    print(f"Accuracy on {len(y_test)} test portraits:\n")
    for name, score in scores.items():
        print(f"  {name:<28}{score:>6.1%}")

    pair = choose_pair(model.predict(portraits.test), y_test)
    rows = model[:-1].transform(portraits.test[pair])
    names = [f"portrait {n_train + i} ({y_test[i]})" for i in pair]
    _say_title("Why did this one get its class?")
    prediction = replace(classifier.explain_prediction(rows.iloc[0]), name=names[0])
    print(prediction.to_text())
    _say_title("Why are these two different?")
    explanation = classifier.explain_pair(rows.iloc[0], rows.iloc[1])
    explanation = replace(explanation, name_a=names[0], name_b=names[1])
    print(explanation.to_text())

    _say_title("The picture")
    if draw_to(path, prediction.contrast, explanation, model, portraits.test[pair]):
        print(f"Both explanations are drawn in {path}.")
    else:
        print("Nothing is drawn: Matplotlib is missing (pip install 'hierseg-learn[plot]').")
    print(f"All of this took {time.perf_counter() - started:.0f} s.")


def _say_title(text: str) -> None:
    print(f"\n{text}\n{'-' * len(text)}", flush=True)


@contextmanager
def _doing(what: str) -> Iterator[None]:
    """Print what is being done, and how long it took."""
    started = time.perf_counter()
    print(f"{what} ...", end=" ", file=sys.stderr, flush=True)
    yield
    print(f"{time.perf_counter() - started:.1f} s", file=sys.stderr, flush=True)


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m hierseg_learn.demo",
        description="Classify generated portraits by their parts, and say why.",
    )
    parser.add_argument(
        "--output", type=Path, default=Path("demo_output"), help="folder of the picture"
    )
    parser.add_argument(
        "--n-samples", type=int, default=N_SAMPLES, help="portraits, at least 60 (default: 600)"
    )
    options = parser.parse_args(argv)
    if options.n_samples < 60:
        parser.error(f"--n-samples must be at least 60, got {options.n_samples}")
    try:
        options.output.mkdir(parents=True, exist_ok=True)
        check_writable(options.output / PICTURE, "--output")
    except OSError as error:
        parser.error(f"--output must be a folder that can be written: {error}")
    return options


if __name__ == "__main__":
    main()
