"""Matrices of pairs."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from hierseg_learn.displays import PairMatrixDisplay
from tests.explain.fitted import fitted_portraits

VALUES = [[0.0, 3.0, 1.0], [3.0, 0.0, 2.0], [1.0, 2.0, 0.0]]


def drawn(display):
    """The matrix as drawn."""
    images = [image for image in display.ax_.images if image.get_label() == "values"]
    return images[0].get_array()


def test_samples_are_drawn_class_by_class(plt):
    display = PairMatrixDisplay(VALUES, classes=["b", "a", "b"], names=["x", "y", "z"]).plot()
    order = [1, 0, 2]
    assert display.order.tolist() == order
    assert_allclose(drawn(display), np.array(VALUES)[np.ix_(order, order)])
    labels = [label.get_text() for label in display.ax_.get_yticklabels()]
    assert labels == ["y (a)", "x (b)", "z (b)"]
    # A line between the classes, along both axes.
    lines = {tuple(line.get_ydata()) for line in display.ax_.lines}
    assert (1, 1) in lines
    assert display.figure_ is display.ax_.figure


def test_negative_values_get_colors_around_zero(plt):
    display = PairMatrixDisplay([[np.nan, -0.2], [-0.2, 0.4]], is_share=True).plot()
    image = next(image for image in display.ax_.images if image.get_label() == "values")
    assert (image.norm.vmin, image.norm.vmax) == (-0.4, 0.4)
    assert image.get_cmap().name == "RdBu_r"
    assert image.get_array().mask.tolist() == [[True, False], [False, False]]
    texts = {text.get_text() for text in display.ax_.texts}
    assert texts == {"20%\ncloser", "40%"}


def test_alt_text_names_extremes_and_means():
    display = PairMatrixDisplay(VALUES, classes=["b", "a", "b"], names=["x", "y", "z"])
    assert display.alt_text == (
        "Matrix of 3 samples, distance for each pair: lowest 1 for x (b) and z (b), highest 3 for "
        "x (b) and y (a). Mean within classes 1, between classes 2.5."
    )
    assert PairMatrixDisplay(np.full((2, 2), np.nan)).alt_text.endswith("each pair: none.")


def test_from_estimator_shows_distances_and_shares(plt):
    fitted = fitted_portraits()
    images, target = fitted.test
    model, n = fitted.model, 4
    rows = model[:-1].transform(images[:n])
    distances = PairMatrixDisplay.from_estimator(model, images[:n], target[:n])
    shares = PairMatrixDisplay.from_estimator(model[-1], rows, node="head")
    head = model[-1].tree_.index("head")
    for i in range(n):
        assert np.isnan(shares.values[i, i])
        for j in range(i):
            pair = model[-1].explain_pair(rows.iloc[[i]], rows.iloc[[j]])
            assert_allclose(distances.values[[i, j], [j, i]], pair.distance, rtol=1e-5)
            assert_allclose(shares.values[[i, j], [j, i]], pair.share[head], rtol=1e-6)
    photos = [image for image in distances.ax_.images if image.get_label() == "photo"]
    assert len(photos) == 2 * n
    assert not [image for image in shares.ax_.images if image.get_label() == "photo"]
    assert "share of head" in shares.alt_text


def test_photos_stay_in_their_squares(plt):
    rng = np.random.default_rng(0)
    photos = [rng.random((20, 10)), rng.random((5, 400, 3)), rng.random((1, 1))]
    display = PairMatrixDisplay(VALUES, photos=photos).plot()
    for image in display.ax_.images:
        if image.get_label() == "photo":
            left, right, bottom, top = image.get_extent()
            assert right - left <= 1
            assert bottom - top <= 1


@pytest.mark.parametrize(
    ("values", "options", "message"),
    [
        ([[1.0, 2.0]], {}, r"values must have shape \(n_samples, n_samples\)"),
        ([[1.0]], {}, "of two samples or more"),
        (VALUES, {"names": "xyz"}, "names must be a list of one string per sample, expected 3"),
        (VALUES, {"classes": [1, 2]}, "classes must hold one class per sample, expected 3"),
        (VALUES, {"photos": []}, "photos must have one entry per sample, expected 3, got 0"),
    ],
)
def test_wrong_arguments(values, options, message):
    with pytest.raises(ValueError, match=message):
        PairMatrixDisplay(values, **options)


def test_wrong_samples():
    fitted = fitted_portraits()
    images, _ = fitted.test
    with pytest.raises(ValueError, match="X must hold at least two samples, got 1"):
        PairMatrixDisplay.from_estimator(fitted.model, images[:1])
    with pytest.raises((KeyError, ValueError), match="tail"):
        PairMatrixDisplay.from_estimator(fitted.model, images[:2], node="tail")
