"""Classify generated portraits by their parts, say why, and draw the reasons.

Run with ``python -m hierseg_learn.demo --output demo_output``, or ``make demo`` in a clone.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import clone
from sklearn.pipeline import Pipeline, make_pipeline

from hierseg_learn import HierarchicalMetricClassifier, SegmentTreeTransformer
from hierseg_learn.datasets import make_portraits
from hierseg_learn.explain import PairExplanation, SegmentContributionDisplay

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from sklearn.utils import Bunch

N_SAMPLES = 600
CLASSES = ("ada", "bob", "eve")
# What tells the classes apart: the hair and, in a few pixels, the mouth. Faint on purpose, and
# under noise, so that no model gets everything right.
SIGNAL = {"hair": "texture", "mouth": "color"}
STRENGTH, NOISE, BALD = 0.4, 0.09, 0.1
PICTURE = "explanation.png"


@dataclass(frozen=True)
class Portraits:
    """Portraits to learn from and to test on, with the names of their classes.

    Parameters
    ----------
    data : Bunch
        As `make_portraits` returns it.
    target : ndarray of shape (n_samples,), str
        The classes.
    n_train : int
        How many come first, to learn from.
    """

    data: Bunch
    target: np.ndarray
    n_train: int

    @property
    def train(self) -> tuple[Any, np.ndarray]:
        """Portraits to learn from and their classes."""
        return self.data.images[: self.n_train], self.target[: self.n_train]

    @property
    def test(self) -> tuple[Any, np.ndarray]:
        """All other portraits and their classes."""
        return self.data.images[self.n_train :], self.target[self.n_train :]


def paint(n_samples: int = N_SAMPLES) -> Portraits:
    """Paint portraits of three classes; two thirds are to learn from.

    Parameters
    ----------
    n_samples : int, default=600
        Number of portraits.

    Returns
    -------
    Portraits
    """
    data = make_portraits(
        n_samples,
        n_classes=len(CLASSES),
        signal=SIGNAL,
        strength=STRENGTH,
        noise=NOISE,
        missing={"hair": BALD},
        random_state=0,
    )
    return Portraits(data, np.array(CLASSES)[data.target], 2 * n_samples // 3)


def build_model(tree: dict[str, Any], *, verbose: int = 0) -> Pipeline:
    """Build the two steps: images to a table, the table to classes.

    Parameters
    ----------
    tree : dict
        The tree of the parts.
    verbose : int, default=0
        1 draws progress bars.

    Returns
    -------
    Pipeline
    """
    return make_pipeline(
        SegmentTreeTransformer(tree=tree, verbose=verbose),
        HierarchicalMetricClassifier(random_state=0, verbose=verbose),
    )


def compare(model: Pipeline, portraits: Portraits) -> dict[str, float]:
    """Score the tree against the same learner without one.

    Parameters
    ----------
    model : Pipeline
        The fitted pipeline.
    portraits : Portraits
        What it was fitted on, and the test portraits.

    Returns
    -------
    scores : dict of str to float
        Share of the test portraits that get their class.
    """
    (train, y_train), (test, y_test) = portraits.train, portraits.test
    describe, classifier = model[:-1], model[-1]
    table, test_table = describe.transform(train), describe.transform(test)
    flat = clone(classifier).set_params(tree={"all": list(table)})
    whole = [name for name in table if name.startswith(f"{classifier.tree_.root_name}|")]
    return {
        "tree of parts": classifier.score(test_table, y_test),
        "the same columns, no tree": flat.fit(table, y_train).score(test_table, y_test),
        "the whole image as one part": clone(classifier)
        .fit(table[whole], y_train)
        .score(test_table[whole], y_test),
    }


def choose_pair(predicted: np.ndarray, target: np.ndarray) -> list[int]:
    """Find the first two samples of different classes that were classified correctly.

    Parameters
    ----------
    predicted, target : ndarray of shape (n_samples,)
        Predicted and true classes.

    Returns
    -------
    pair : list of two ints
        Their positions; simply the first two where no such pair is.

    Examples
    --------
    >>> import numpy as np
    >>> from hierseg_learn.demo import choose_pair
    >>> choose_pair(np.array(["eve", "bob", "bob", "ada"]), np.array(["bob", "bob", "bob", "ada"]))
    [1, 3]
    """
    right = np.flatnonzero(predicted == target)
    _, first = np.unique(target[right], return_index=True)
    pair = np.sort(right[first])[:2].tolist()
    return pair if len(pair) == 2 else [0, 1]


def draw(
    figure: Any,
    explanation: PairExplanation,
    images: Sequence[np.ndarray],
    label_maps: Sequence[np.ndarray],
    node_scores: pd.Series,
) -> None:
    """Draw photos, tinted segments, bars and the tree of scores.

    Parameters
    ----------
    figure : matplotlib Figure
        An empty figure with constrained layout.
    explanation : PairExplanation
        Why the two differ.
    images : list of two ndarrays of shape (h, w, 3)
        The photos.
    label_maps : list of two ndarrays of shape (h, w)
        Node of every pixel.
    node_scores : Series of shape (n_nodes,)
        By node path, the score of its metric.
    """
    left, right = figure.add_gridspec(1, 2, width_ratios=[1, 1.1], wspace=0.06)
    upper, lower = left.subgridspec(2, 1, hspace=0.06)
    photos = upper.subgridspec(1, 2)
    for cell, image, title in zip(photos, images, explanation._names()):
        ax = figure.add_subplot(cell)
        ax.imshow(image)
        ax.set_title(title, fontsize=11)
        ax.set_axis_off()
    SegmentContributionDisplay.from_explanation(
        explanation, images, label_maps, titles=["", ""], ax=figure.add_subplot(lower)
    )
    upper, lower = right.subgridspec(2, 1, hspace=0.06)
    explanation.plot(figure.add_subplot(upper))
    ax: Axes = figure.add_subplot(lower)
    explanation.tree.plot(
        ax, node_scores, fmt=".0%", label="held-out rows that get their class"
    )
    ax.set_title("What every node knows by itself", fontsize=11, loc="left")


def main(argv: Sequence[str] | None = None) -> None:
    """Run the demo.

    Parameters
    ----------
    argv : list of str, default=None
        Command line arguments; None takes those of the process.
    """
    options = _parse(argv)
    started = time.perf_counter()
    say = _Speaker()
    with say.doing(f"Painting {options.n_samples} portraits"):
        portraits = paint(options.n_samples)
    (train, y_train), (test, y_test) = portraits.train, portraits.test

    model = build_model(portraits.data.tree, verbose=1).fit(train, y_train)
    model.set_params(segmenttreetransformer__verbose=0, hierarchicalmetricclassifier__verbose=0)
    classifier = model[-1]
    say.title("Which parts tell the classes apart?")
    print(f"Held-out training portraits that a node's metric gets right (chance {1 / 3:.0%}):\n")
    print(classifier.tree_.export_text(classifier.node_scores_, fmt=".0%"))

    say.title("Does the tree help?")
    with say.doing("Fitting the same learner without a tree"):
        scores = compare(model, portraits)
    print(f"Share of {len(y_test)} test portraits that get their class:\n")
    for name, score in scores.items():
        print(f"  {name:<28}{score:>6.1%}")

    pair = choose_pair(model.predict(test), y_test)
    rows = model[:-1].transform(test[pair])
    names = [f"portrait {portraits.n_train + i} ({y_test[i]})" for i in pair]
    say.title("Why are these two different?")
    explanation = classifier.explain_pair(rows.iloc[[0]], rows.iloc[[1]])
    explanation = replace(explanation, name_a=names[0], name_b=names[1])
    print(explanation.to_text())
    say.title(f"Why is {names[0]} classified as it is?")
    prediction = classifier.explain_prediction(rows.iloc[[0]])
    print(replace(prediction, name=names[0]).to_text())

    say.title("The picture")
    path = options.output / PICTURE
    if _draw_to(path, explanation, model, test[pair]):
        print(f"The explanation is drawn in {path}.")
    print(f"Done in {time.perf_counter() - started:.0f} s.")


def _draw_to(path: Path, explanation: PairExplanation, model: Pipeline, pair: Any) -> bool:
    """Draw the explanation of a pair of portraits into a file; say so where that cannot be."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        print("No picture: it needs Matplotlib. Try pip install 'hierseg-learn[plot]'.")
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    figure = Figure(figsize=(13, 9), layout="constrained")
    draw(
        figure,
        explanation,
        [pair[i].image for i in range(2)],
        model[0].label_maps(pair),
        model[-1].node_scores_,
    )
    figure.savefig(path, dpi=110)
    return True


class _Speaker:
    """Headings, and what is being done, with its time."""

    def title(self, text: str) -> None:
        print(f"\n{text}\n{'-' * len(text)}", flush=True)

    @contextmanager
    def doing(self, what: str) -> Iterator[None]:
        started = time.perf_counter()
        print(f"{what} ...", end=" ", file=sys.stderr, flush=True)
        yield
        print(f"{time.perf_counter() - started:.1f} s", file=sys.stderr, flush=True)


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m hierseg_learn.demo", description=__doc__)
    parser.add_argument("--output", type=Path, default=Path("demo_output"), help="folder to draw in")
    parser.add_argument(
        "--n-samples", type=int, default=N_SAMPLES, help="portraits, at least 60 (default: 600)"
    )
    options = parser.parse_args(argv)
    if options.n_samples < 60:
        parser.error(f"--n-samples must be at least 60, got {options.n_samples}")
    return options


if __name__ == "__main__":
    main()
