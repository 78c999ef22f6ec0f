"""Invariance of results: order, names, containers, memory, threads, scale.

A case is a tiny table or a few tiny images, with everything that ties: missing parts, copied rows,
whole numbers, flat patches.
"""

import io
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from hierseg_learn import HierarchicalMetricClassifier, SegmentedImages, SegmentTreeTransformer
from hierseg_learn.metrics import LMNN, NCA, ShrinkageLDA, SNRMetric, TripletMargin
from hierseg_learn.segmentation import (
    Felzenszwalb,
    GridSegmenter,
    PyramidSegmenter,
    RegionMerging,
    SegmenterUnion,
    Slic,
    VocabularySegmenter,
    Watershed,
)
from tests.strategies import cases

pytestmark = pytest.mark.filterwarnings("ignore")

FEW = {"max_iter": 3, "random_state": 0}
LEARNERS = {
    "lda": ShrinkageLDA(),
    "nca": NCA(**FEW),
    "lmnn": LMNN(**FEW),
    "triplet": TripletMargin(**FEW),
    "snr": SNRMetric(**FEW),
}
LEARNED = {"n_parts": 3, "random_state": 0}
SEGMENTERS = {
    "masks": "masks",
    "grid": GridSegmenter(2, 2),
    "pyramid": PyramidSegmenter(2),
    "superpixels": VocabularySegmenter(Slic(6), **LEARNED),
    "region_merging": VocabularySegmenter(RegionMerging(5), **LEARNED),
    "felzenszwalb": VocabularySegmenter(Felzenszwalb(scale=1, min_size=5), **LEARNED),
    "watershed": VocabularySegmenter(Watershed(5), **LEARNED),
    "union": SegmenterUnion(
        [("grid", GridSegmenter(2, 1)), ("parts", VocabularySegmenter(Slic(6), **LEARNED))]
    ),
}
# what is learned from all images at once, such as a vocabulary of parts, may follow their order
UNLEARNED = ("masks", "grid", "pyramid")
DESCRIPTORS = ("color", "gradients", "lbp", "shape")

seeds = st.integers(0, 2**32 - 1)


@st.composite
def models(draw, learners=tuple(LEARNERS)):
    """A classifier that is not fitted."""
    learner = draw(st.sampled_from(learners))
    combinations = ["projection", "weighted"] + ["scatter", "logistic"] * (learner == "lda")
    return HierarchicalMetricClassifier(
        node_metric=LEARNERS[learner],
        combination=draw(st.sampled_from(combinations)),
        n_neighbors=draw(st.integers(1, 4)),
        weights=draw(st.sampled_from(["uniform", "distance"])),
        decision=draw(st.sampled_from(["neighbors", "neighbors", "prototypes", "linear"])),
        device="cpu",
        random_state=0,
    )


@st.composite
def tables(draw):
    """Training rows, their classes, other rows, and a generator for what else is drawn."""
    rng = np.random.default_rng(draw(seeds))
    n_classes, n_rows, n_asked = draw(st.integers(2, 3)), draw(st.integers(12, 24)), 6
    kind = draw(st.sampled_from(["continuous", "whole numbers", "missing parts", "copied rows"]))
    y = rng.permutation(np.arange(n_rows + n_asked) % n_classes)
    columns = {}
    for path in ("photo/sky", "photo/boat", "photo"):
        values = rng.standard_normal((len(y), 2)) + rng.uniform(0, 2, (n_classes, 2))[y]
        present = np.ones(len(y), bool)
        if kind == "whole numbers":
            values = np.round(2 * values)
        if kind == "missing parts" and path != "photo":
            present = rng.random(len(y)) < 0.6
            values[~present] = values[present].mean(axis=0)
        columns[f"{path}|presence"] = present.astype(float)
        columns |= {f"{path}|d_{k}": values[:, k] for k in range(2)}
    X = pd.DataFrame(columns)
    if kind == "copied rows":
        X.iloc[1:n_rows:4] = X.iloc[0 : n_rows - 1 : 4].to_numpy()
    return SimpleNamespace(X=X[:n_rows], y=y[:n_rows], asked=X[n_rows:], rng=rng)


def answers(model, rows):
    """What a fitted model says of a few rows, and of itself."""
    distances, _ = model.kneighbors(rows)
    pairs = np.stack([rows.iloc[:-1], rows.iloc[1:]], axis=1) if hasattr(rows, "iloc") else None
    return SimpleNamespace(
        distances=distances,
        pairs=None if pairs is None else model.pair_distance(pairs),
        proba=model.predict_proba(rows),
        labels=model.predict(rows),
        scores=model.node_scores_,
        outcomes=model.node_outcomes_,
    )


def assert_same_answers(found, expected, rtol=1e-6):
    """Compare answers up to rounding; the label too, unless two classes have the same votes."""
    size = np.abs(expected.distances).max(initial=0)
    assert_allclose(found.distances, expected.distances, rtol=rtol, atol=1e-6 * size)
    assert_allclose(found.proba, expected.proba, rtol=rtol, atol=1e-6)
    ordered = np.sort(expected.proba, axis=1)
    clear = ordered[:, -1] - ordered[:, -2] > 1e-6
    assert_array_equal(found.labels[clear], expected.labels[clear])
    order = expected.scores.index
    assert_allclose(found.scores[order], expected.scores, atol=1e-9)
    assert found.outcomes[order].tolist() == expected.outcomes.tolist()


@cases(25)
@given(tables(), models())
def test_rows_in_another_order(data, model):
    expected = answers(model.fit(data.X, data.y), data.asked)
    order = data.rng.permutation(len(data.y))
    found = answers(model.fit(data.X.iloc[order], data.y[order]), data.asked)
    assert_same_answers(found, expected)


@cases(15)
@given(tables(), models(), st.permutations(["Ärmel", "boat", "zebra"]))
def test_classes_with_other_names(data, model, names):
    expected = answers(model.fit(data.X, data.y), data.asked)
    names = np.array(names)[: len(np.unique(data.y))]
    found = answers(model.fit(data.X, names[data.y]), data.asked)
    places = np.searchsorted(np.sort(names), names)
    assert_array_equal(model.classes_, np.sort(names))
    found.proba = found.proba[:, places]
    found.labels = (found.labels[:, None] == names).argmax(axis=1)
    assert_same_answers(found, expected)


@cases(15)
@given(tables(), models())
def test_columns_in_another_order(data, model):
    expected = answers(model.fit(data.X, data.y), data.asked)
    order = data.rng.permutation(data.X.columns)
    found = answers(model.fit(data.X[order], data.y), data.asked[order])
    assert_same_answers(found, expected)


@cases(15)
@given(tables(), models(), st.sampled_from(["C", "F", "strided", "read-only"]))
def test_memory_order_and_containers(data, model, layout):
    model.set_params(tree={"photo": {"sky": [0, 1, 2], "boat": [3, 4, 5], "both": [6, 7, 8]}})
    X = data.X.to_numpy().copy()
    mapped = model.fit(X, data.y).transform(X)
    expected = model.predict_proba(data.asked.to_numpy())
    changed = laid_out(X, layout)
    model.fit(changed, data.y if layout == "C" else data.y.tolist())
    assert_array_equal(model.transform(X), mapped)
    found = model.predict_proba(laid_out(data.asked.to_numpy().copy(), layout))
    assert_allclose(found, expected, rtol=1e-9, atol=1e-9)


@cases(10)
@given(tables(), models(), st.integers(2, 3))
def test_any_number_of_jobs(data, model, n_jobs):
    expected = model.fit(data.X, data.y).transform(data.X)
    model.set_params(n_jobs=n_jobs).fit(data.X, data.y)
    assert_array_equal(model.transform(data.X), expected)


@cases(15)
@given(tables(), models())
def test_a_row_alone_and_among_others(data, model):
    model.fit(data.X, data.y)
    rows = pd.concat([data.asked, data.X[:6]])
    batch, labels = model.predict_proba(rows), model.predict(rows)
    for i in range(len(rows)):
        assert_allclose(model.predict_proba(rows.iloc[[i]])[0], batch[i], rtol=1e-9, atol=1e-9)
        assert model.predict(rows.iloc[[i]])[0] == labels[i]


FACTOR_OF_ROUNDING = 1e8


@cases(10)
@given(tables(), models(), st.floats(1, 1e12))
def test_rows_far_outside_the_range_of_fit(data, model, factor):
    model.fit(data.X, data.y)
    far = data.asked * factor
    batch = model.predict_proba(far)
    assert np.isfinite(batch).all()
    assert_allclose(batch.sum(axis=1), 1)
    # farther away, whether two training rows are equally far is a matter of rounding
    for i in range(len(far) if factor <= FACTOR_OF_ROUNDING else 0):
        assert_allclose(model.predict_proba(far.iloc[[i]])[0], batch[i], atol=1e-6)


@st.composite
def pictures(draw, segmenters=tuple(SEGMENTERS)):
    """Tiny uint8 images of one shape with label maps, and a transformer for them."""
    rng = np.random.default_rng(draw(seeds))
    shape = draw(st.integers(5, 12)), draw(st.integers(5, 12))
    channels = draw(st.sampled_from([(), (3,)]))
    images = rng.integers(0, 256, (5, *shape, *channels), dtype=np.uint8)
    if draw(st.booleans()):
        images[:, : shape[0] // 2] = rng.integers(0, 256, (5, 1, 1, *channels))
    masks = rng.integers(0, 3, (5, *shape))
    name = draw(st.sampled_from(segmenters))
    transformer = SegmentTreeTransformer(
        SEGMENTERS[name],
        descriptors=draw(st.sampled_from([DESCRIPTORS, ("color",), ("shape", "lbp")])),
        random_state=0,
    )
    return SimpleNamespace(
        images=images, masks=masks if name == "masks" else None, transformer=transformer, rng=rng
    )


def table_of(data, images, masks=None):
    return data.transformer.fit_transform(images, segments=data.masks if masks is None else masks)


@cases(25)
@given(
    data=pictures(), container=st.sampled_from(["list", "files", "texts", "collection", "tuple"])
)
def test_images_in_any_container(data, container, tmp_path_factory):
    expected = table_of(data, data.images)
    images, masks = list(data.images), data.masks
    if container == "tuple":
        images = tuple(images)
    if container in ("files", "texts"):
        folder = tmp_path_factory.mktemp("photos")
        images = [saved(folder / f"{i}.png", image) for i, image in enumerate(data.images)]
        images = [str(path) for path in images] if container == "texts" else images
        masks = None if masks is None else list(masks)
    if container == "collection" and masks is not None:
        found = data.transformer.fit_transform(SegmentedImages(images, masks))
    else:
        found = table_of(data, images, masks)
    pd.testing.assert_frame_equal(found, expected, check_exact=True)


@cases(20)
@given(pictures(), st.sampled_from(["float32", "float64", "uint16"]))
def test_any_scale_of_the_pixels(data, dtype):
    expected = table_of(data, data.images)
    if dtype == "uint16":
        images = data.images.astype(np.uint16) * 257
    else:
        images = data.images.astype(dtype) / np.dtype(dtype).type(255)
    assert_allclose(table_of(data, images), expected, rtol=1e-4, atol=1e-4)


@cases(15)
@given(pictures(), st.sampled_from(["F", "strided", "read-only"]))
def test_any_memory_order_of_images(data, layout):
    expected = table_of(data, data.images)
    masks = None if data.masks is None else laid_out(data.masks, layout)
    found = table_of(data, laid_out(data.images, layout), masks)
    pd.testing.assert_frame_equal(found, expected, check_exact=True)


@cases(15)
@given(pictures(UNLEARNED))
def test_images_in_another_order(data):
    expected = table_of(data, data.images)
    order = data.rng.permutation(len(data.images))
    found = table_of(data, data.images[order], None if data.masks is None else data.masks[order])
    assert_allclose(found, expected.iloc[order], rtol=1e-6, atol=1e-6)


@cases(15)
@given(pictures(), st.sampled_from([None, 2]))
def test_an_image_alone_and_among_others(data, n_jobs):
    table_of(data, data.images)
    masks = data.masks
    rows = data.transformer.set_params(n_jobs=n_jobs).transform(data.images, segments=masks)
    for i in (0, 3):
        own = None if masks is None else masks[[i]]
        alone = data.transformer.transform(data.images[[i]], segments=own)
        assert_array_equal(alone.to_numpy(), rows.iloc[[i]].to_numpy())


@cases(15)
@given(pictures(UNLEARNED), st.sampled_from([10.0, 1e3, 1e6, 1e12, 1e30]))
def test_pixels_far_outside_the_range_of_fit(data, factor):
    images = (data.images / 255).astype(np.float32)
    table_of(data, images)
    far = images.copy()
    far[1:3] *= np.float32(factor)
    try:
        rows = data.transformer.transform(far, segments=data.masks).to_numpy()
    except ValueError as error:  # too far to mean anything: said of the image
        assert "Image 1 of X" in str(error)  # noqa: PT017
        return
    assert np.isfinite(rows).all()
    alone = data.transformer.transform(images, segments=data.masks).to_numpy()
    assert_array_equal(rows[[0, 3, 4]], alone[[0, 3, 4]])


def laid_out(array, layout):
    """The same numbers in another memory order."""
    if layout == "F":
        return np.asfortranarray(array)
    if layout == "strided":
        return np.repeat(array, 2, axis=-1)[..., ::2]
    array = array.copy()
    array.flags.writeable = layout != "read-only"
    return array


def saved(path, image):
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, format="png")
    path.write_bytes(buffer.getvalue())
    return path
