"""Deep descriptors: exact pooling, no leakage, the same bits, and everything that is built on."""

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks

from hierseg_learn import HierarchicalMetricClassifier, SegmentedImages, SegmentTreeTransformer
from hierseg_learn.audit import node_reliance
from hierseg_learn.descriptors import ColorDescriptor, DeepDescriptor, ImageChannels, _deep
from hierseg_learn.networks import open_trunk
from hierseg_learn.report import write_report
from hierseg_learn.sampling import SegmentSwapSampler
from hierseg_learn.transformer.part_editor import PartEditor
from tests.toy_networks import save_onnx
from tests.toy_trunks import PREPROCESSING, small_module

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

TRUNK = open_trunk(small_module(), preprocessing=PREPROCESSING)
SAME = open_trunk(small_module(same=True), preprocessing=PREPROCESSING)
MASKS = pytest.mark.parametrize("mask", [None, "input"])
TREE = {"photo": {"sky": 0, "ground": {"road": 1, "car": 2}}}


def photo(seed=0, shape=(20, 14, 3)):
    return np.random.default_rng(seed).random(shape).astype(np.float32)


def regions_of(shape, n_regions=3, seed=0):
    """Blobs, and pixels of no region."""
    rng = np.random.default_rng([seed, 1])
    seeds = rng.random((n_regions, 2)) * shape[:2]
    places = np.stack(np.indices(shape[:2]), axis=-1)[..., np.newaxis, :]
    nearest = ((places - seeds) ** 2).sum(axis=-1).argmin(axis=-1)
    return np.where(rng.random(shape[:2]) < 0.1, -1, nearest)


def data(n=12, seed=0, shape=(20, 14, 3)):
    images = [photo([seed, i], shape) for i in range(n)]
    masks = [regions_of(shape, seed=seed + i).astype(np.int32) for i in range(n)]
    y = np.arange(n) % 2
    for image, mask, label in zip(images, masks, y):
        image[mask == 2] *= 0.3 + 0.6 * label
    return SegmentedImages(images, masks), y


def transformer(**params):
    return SegmentTreeTransformer(
        tree=TREE, descriptors=[("deep", DeepDescriptor(TRUNK, **params))]
    )


@parametrize_with_checks([DeepDescriptor(TRUNK), DeepDescriptor(TRUNK, mask=None)])
def test_scikit_learn_checks(estimator, check):
    check(estimator)


def enlarged(values, edges, scale):
    """Repeat the cells of a map on a fine grid of points of the photo."""
    points = (np.arange(scale) + 0.5) / scale * edges[-1]
    return values[np.searchsorted(edges, points, side="right") - 1]


@settings(deadline=None, max_examples=20)
@given(
    height=st.integers(1, 30),
    width=st.integers(1, 30),
    seed=st.integers(0, 2**16),
    same=st.booleans(),
)
def test_pooling_is_exact(height, width, seed, same):
    """Against a map that is enlarged so far that no pixel is in two cells."""
    trunk = SAME if same else TRUNK
    image, regions = photo(seed, (height, width, 3)), regions_of((height, width), seed=seed)
    deep = DeepDescriptor(trunk, mask=None).fit([image])
    size = trunk.input_size(height, width)
    [values] = trunk.feature_maps(trunk.prepare(np.rint(image * 255).astype(np.uint8), size)[None])
    cells = trunk.cells(*size)
    # edges of cells lie at halves of pixels of the input
    fine = [2 * n * side for n, side in zip((height, width), size)]
    rows = [enlarged(np.arange(values.shape[1]), cells.edges(0), fine[0])]
    cols = [enlarged(np.arange(values.shape[2]), cells.edges(1), fine[1])]
    row_shares = np.zeros((height, values.shape[1]))
    np.add.at(row_shares, (np.arange(fine[0]) // (fine[0] // height), rows[0]), height / fine[0])
    col_shares = np.zeros((width, values.shape[2]))
    np.add.at(col_shares, (np.arange(fine[1]) // (fine[1] // width), cols[0]), width / fine[1])
    dense = np.einsum("yi,cij,xj->yxc", row_shares, values.astype(float), col_shares)
    expected = [dense[regions == k].sum(axis=0) / regions.size for k in range(3)]
    sums = deep.pool(ImageChannels(image), regions, 3)
    np.testing.assert_allclose(sums, expected, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(deep.maps(image), dense, rtol=1e-5, atol=1e-6)


@MASKS
@pytest.mark.parametrize("shape", [(20, 14, 3), (9, 40), (1, 1), (2, 50, 3)])
def test_columns_turn_back_into_sums(mask, shape):
    image, regions = photo(3, shape), regions_of(shape)
    deep = DeepDescriptor(TRUNK, mask=mask).fit([image])
    sums = deep.pool(ImageChannels(image), regions, 3)
    area = np.array([np.mean(regions == k) for k in range(3)])
    columns = deep.from_sums(sums, area)
    assert columns.shape == (3, 6)
    assert np.isfinite(columns[area > 0]).all()
    np.testing.assert_allclose(deep.to_sums(columns, area), sums, rtol=1e-9)


def test_sums_of_a_union_are_those_of_its_parts():
    image, regions = photo(), regions_of((20, 14))
    deep = DeepDescriptor(TRUNK, mask=None).fit([image])
    sums = deep.pool(ImageChannels(image), regions, 3)
    union = deep.pool(ImageChannels(image), np.minimum(regions, 0), 1)
    np.testing.assert_allclose(sums.sum(axis=0), union[0], rtol=1e-12)


@MASKS
def test_a_part_of_one_pixel_is_pooled(mask):
    image, regions = photo(shape=(60, 60, 3)), np.zeros((60, 60), dtype=int)
    regions[17, 33] = 1
    deep = DeepDescriptor(TRUNK, mask=mask).fit([image])
    columns = deep.from_sums(deep.pool(ImageChannels(image), regions, 2), [3599 / 3600, 1 / 3600])
    assert np.isfinite(columns).all()
    assert (columns[1] > 0).any()
    if mask is None:
        # the pixel lies within one cell
        np.testing.assert_allclose(columns[1], deep.maps(image)[17, 33], rtol=1e-6)


@pytest.mark.parametrize("shape", [(20, 14, 3), (33, 57, 3), (16, 16)])
def test_a_part_alone_does_not_see_its_surroundings(shape):
    image, other, regions = photo(0, shape), photo(1, (30, 9, *shape[2:])), regions_of(shape)
    deep = DeepDescriptor(TRUNK).fit([image])
    leaks = deep.leakage(ImageChannels(image), ImageChannels(other), regions, 3)
    np.testing.assert_array_equal(leaks, 0)
    plain = DeepDescriptor(TRUNK, mask=None).fit([image])
    leaks = plain.leakage(ImageChannels(image), ImageChannels(other), regions, 3)
    assert (leaks > 0.01).all()


def test_leakage_of_nodes():
    X, _ = data()
    model = transformer().fit(X)
    assert list(model.leakage_) == ["deep"]
    np.testing.assert_array_equal(model.leakage_["deep"], 0)
    plain = transformer(mask=None).fit(X)
    leaks = dict(zip(plain.tree_.names, plain.leakage_["deep"]))
    assert 0.2 > leaks["photo"] > 0  # pixels of no part
    assert min(leaks["car"], leaks["road"], leaks["sky"]) > leaks["photo"]
    again = transformer(mask=None).fit(X)
    np.testing.assert_array_equal(again.leakage_["deep"], plain.leakage_["deep"])
    assert np.isnan(transformer().fit(X[:1]).leakage_["deep"]).all()
    assert SegmentTreeTransformer(tree=TREE, descriptors="color").fit(X).leakage_ == {}


def test_leakage_is_the_change_of_the_sums():
    image, other, regions = photo(0), photo(1), regions_of((20, 14))
    deep = DeepDescriptor(TRUNK, mask=None).fit([image])
    inside = np.isin(regions, [0, 2])
    mixed = np.where(inside[..., None], image, other)
    before, after = (deep.pool(ImageChannels(one), regions, 3) for one in (image, mixed))
    change = (after - before)[[0, 2]].sum(axis=0)
    expected = np.linalg.norm(change) / np.linalg.norm(before[[0, 2]].sum(axis=0))
    [found] = deep.leakage(
        ImageChannels(image), ImageChannels(other), regions, 3, together=[[True, False, True]]
    )
    assert found == pytest.approx(expected, rel=1e-9)
    absent = deep.leakage(ImageChannels(image), ImageChannels(other), np.zeros((20, 14), int), 2)
    np.testing.assert_array_equal(absent, [0, np.nan])


@MASKS
def test_the_same_bits_for_any_batch_and_number_of_jobs(mask):
    X, _ = data(40)
    expected = transformer(mask=mask).fit_transform(X)
    for batch_size in (1, 3):
        table = transformer(mask=mask, batch_size=batch_size).fit_transform(X)
        np.testing.assert_array_equal(table, expected)
    model = transformer(mask=mask).set_params(n_jobs=2)
    np.testing.assert_array_equal(model.fit_transform(X), expected)


def test_parts_are_exchanged_exactly():
    """A row whose part comes from another row is the row of the composed photo."""
    mask = regions_of((20, 14)).astype(np.int32)
    images = [photo(0), photo(1)]
    X = SegmentedImages(images, [mask, mask])
    model = transformer().fit(X)
    editor = PartEditor.from_transformer(model)
    rows = editor.read(model.transform(X))
    for part, name in enumerate(("sky", "road", "car")):
        composed = np.where((mask == part)[..., None], images[1], images[0])
        expected = model.transform(SegmentedImages([composed], [mask]))
        swapped = editor.swap(rows[:1], rows[1:], editor.leaves(name)[np.newaxis])
        np.testing.assert_allclose(swapped, expected, rtol=1e-5, atol=1e-6)
        gone = SegmentedImages([images[0]], [np.where(mask == part, -1, mask)])
        expected = model.transform(gone)
        ablated = editor.ablate(rows[:1], editor.leaves(name))
        np.testing.assert_allclose(ablated, expected, rtol=1e-5, atol=1e-6)


def test_models_are_explained_and_saved():
    X, y = data(24)
    model = make_pipeline(transformer(), HierarchicalMetricClassifier(n_neighbors=3)).fit(X, y)
    rows = model[0].transform(X[:2])
    pair = model[-1].explain_pair(rows.iloc[0], rows.iloc[1])
    assert pair.direct.sum() == pytest.approx(pair.squared_distance, rel=1e-6)
    expected = model.predict_proba(X)
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict_proba(X), expected)
    sampler = SegmentSwapSampler("car", transformer=model[0], random_state=0)
    table, labels = sampler.fit_resample(model[0].transform(X), y)
    assert len(table) == len(labels) >= len(X)


def test_files_are_saved_by_path(tmp_path):
    sio = pytest.importorskip("skops.io", reason="skops is not installed")
    path = save_onnx(tmp_path / "net.onnx", {"maps": 7})
    X, _ = data()
    model = SegmentTreeTransformer(
        tree=TREE,
        descriptors=[("deep", DeepDescriptor(str(path), preprocessing=PREPROCESSING))],
    ).fit(X)
    expected = model.transform(X)
    saved = sio.dumps(model)
    again = sio.loads(saved, trusted=sio.get_untrusted_types(data=saved))
    np.testing.assert_array_equal(again.transform(X), expected)
    assert all(name.startswith("hierseg") for name in sio.get_untrusted_types(data=saved))
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.transform(X), expected)
    save_onnx(path, {"maps": 7}, seed=1)
    with pytest.raises(ValueError, match="another network than expected: its SHA-256 is"):
        again.transform(X)


def test_parameters_are_searched():
    X, y = data(24)
    model = make_pipeline(transformer(), HierarchicalMetricClassifier(n_neighbors=3))
    grid = {"segmenttreetransformer__deep__layer": ["1", -1]}
    search = GridSearchCV(model, grid, cv=2, error_score="raise").fit(X, y)
    assert {len(one) for one in search.cv_results_.values()} == {2}
    deep = clone(transformer(layer="1", size=32)).get_params()["deep"]
    assert (deep.network, deep.layer, deep.size) == (TRUNK, "1", 32)


def test_names_and_origin_of_columns():
    trunk = open_trunk(small_module(n_channels=12), preprocessing=PREPROCESSING)
    deep = DeepDescriptor(trunk, prefix="net").fit([photo()])
    assert deep.get_feature_names_out()[[0, -1]].tolist() == ["net_00", "net_11"]
    assert deep.trunk_.fingerprint[1] == trunk.sha256
    assert (deep.trunk_.layer_name, deep.trunk_.stride) == ("", (4, 4))


def test_gray_photos_have_three_equal_channels():
    gray = photo(shape=(12, 12))
    regions = regions_of((12, 12))
    color = np.repeat(gray[..., None], 3, axis=2)
    found, expected = (
        DeepDescriptor(TRUNK).fit([one]).pool(ImageChannels(one), regions, 3)
        for one in (gray, color)
    )
    np.testing.assert_array_equal(found, expected)


def test_networks_of_one_size_get_the_whole_photo(tmp_path):
    path = save_onnx(tmp_path / "net.onnx", {"maps": 4}, size=(16, 16))
    deep = DeepDescriptor(path, preprocessing=PREPROCESSING).fit([photo()])
    regions = regions_of((20, 14))
    leaks = deep.leakage(ImageChannels(photo()), ImageChannels(photo(1)), regions, 3)
    np.testing.assert_array_equal(leaks, 0)


@MASKS
def test_photos_smaller_than_a_cell_are_described(mask):
    images = [photo(seed, (3, 2, 3)) for seed in range(4)]
    regions = np.array([[0, 0], [0, 1], [1, 1]])
    deep = DeepDescriptor(TRUNK, mask=mask, n_components=None).fit(images)
    sums = deep.pool(ImageChannels(images[0]), regions, 2)
    assert np.isfinite(sums).all()
    assert (np.abs(sums).sum(axis=1) > 0).all()
    other = deep.pool(ImageChannels(images[1]), regions, 2)
    assert not np.allclose(sums, other)


def test_what_is_wrong_is_said():
    with pytest.raises(TypeError, match=r"network must be a torch\.nn\.Module, the name of a timm"):
        DeepDescriptor().fit([photo()])
    with pytest.raises(ValueError, match="layer='9' names no layer"):
        DeepDescriptor(TRUNK, layer="9").fit([photo()])
    with pytest.raises(ValueError, match="The 'mask' parameter of DeepDescriptor"):
        DeepDescriptor(TRUNK, mask="crop").fit([photo()])


@MASKS
@pytest.mark.parametrize("n_components", [2, None])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_network_without_numbers_is_refused(mask, n_components, value):
    """Else its parts would be taken as absent."""
    module = small_module()
    with torch.no_grad():
        module[2].bias[1] = value
    images, y = data()
    deep = DeepDescriptor(module, preprocessing=PREPROCESSING, mask=mask, n_components=n_components)
    model = SegmentTreeTransformer(tree=TREE, descriptors=[("deep", deep)])
    with pytest.raises(ValueError, match="'Sequential' gives NaN or infinity at layer ''"):
        model.fit(images, y)


def test_descriptors_of_colors_leak_nothing():
    image, other = ImageChannels(photo()), ImageChannels(photo(1))
    leaks = ColorDescriptor().fit([photo()]).leakage(image, other, regions_of((20, 14)), 3)
    np.testing.assert_array_equal(leaks, 0)


@MASKS
def test_explanations_and_reports_state_the_leakage(mask, tmp_path):
    X, y = data(30)
    model = make_pipeline(transformer(mask=mask), HierarchicalMetricClassifier(n_neighbors=3))
    model.fit(X, y)
    table = model[0].transform(X)
    leaks = dict(zip(model[0].tree_.names, model[0].leakage_["deep"]))
    expected = "The columns 'deep' of a node depend on its own pixels only."
    if mask is None:
        most = max(leaks, key=leaks.get)
        expected = f"those of {most!r} by {leaks[most]:.2f}. So a contribution is not of its part"
    contrast = model[-1].explain_contrast(table.iloc[0])
    pair = model[-1].explain_pair(table.iloc[0], table.iloc[1])
    for explanation in (contrast, pair, pickle.loads(pickle.dumps(pair))):
        assert expected in explanation.to_text()
        assert expected.replace("'", "&#x27;") in explanation._repr_html_()
    assert expected in node_reliance(model, X, y, n_repeats=1, random_state=0).to_text()
    page = write_report(model, X, y, tmp_path / "report.html").read_text(encoding="utf-8")
    assert expected.replace("'", "&#x27;") in page


def test_a_part_alone_is_the_same_anywhere_in_any_photo():
    """It goes to the middle of an input that it fills."""
    part, outline = photo(5, (9, 6, 3)), regions_of((9, 6), 1, seed=3) == 0
    columns = []
    for seed, shape, (top, left) in ((0, (30, 20), (4, 11)), (1, (15, 40), (6, 0))):
        image, regions = photo(seed, (*shape, 3)), np.full(shape, -1)
        place = slice(top, top + 9), slice(left, left + 6)
        image[place][outline], regions[place][outline] = part[outline], 0
        deep = DeepDescriptor(TRUNK, part_size=32).fit([image])
        area = [np.mean(regions == 0)]
        columns.append(deep.from_sums(deep.pool(ImageChannels(image), regions, 1), area))
    np.testing.assert_allclose(columns[0], columns[1], rtol=1e-5, atol=1e-6)


def test_what_is_around_a_part_is_painted():
    network = torch.nn.Conv2d(3, 3, 1, bias=False)
    with torch.no_grad():
        network.weight[:] = torch.eye(3)[..., None, None]
    image, regions = photo(shape=(40, 40, 3)), np.full((40, 40), -1)
    regions[10:30, 10:30] = 0
    image[10:30, 10:30] = 0.2
    preprocessing = {"size": 16, "mean": (0.2, 0.4, 0.6), "std": 1.0, "interpolation": "box"}
    for fill, around in ((1.0, [1, 1, 1]), (0.0, [0, 0, 0]), (None, [0.2, 0.4, 0.6])):
        deep = DeepDescriptor(network, preprocessing=preprocessing, part_size=20, fill=fill)
        deep.fit([image])
        view = _deep._view_of_part(deep.trunk_, 20, (slice(10, 30),) * 2)._replace(regions=(0,))
        given = _deep._input(deep.trunk_, _deep.as_bytes(image), view, regions, fill)
        assert given.shape == (3, 20, 20)
        np.testing.assert_allclose(given[:, 0, 0], np.subtract(around, [0.2, 0.4, 0.6]), atol=2e-3)
        np.testing.assert_allclose(given[:, 9, 9], np.subtract(0.2, [0.2, 0.4, 0.6]), atol=2e-3)


def test_small_parts_are_enlarged_eightfold_at_most():
    view = _deep._view_of_part(TRUNK, 160, (slice(3, 8), slice(2, 4)))
    assert view.scales == (8, 8)
    assert view.shape == (44, 20)
    middle = np.add(view.origin, np.divide(view.shape, 16))
    np.testing.assert_allclose(middle, [5.5, 3])


@MASKS
def test_principal_components_are_one_linear_map(mask):
    X, _ = data()
    whole = transformer(mask=mask).fit_transform(X)
    model = transformer(mask=mask, n_components=2).fit(X)
    deep = model.descriptors_[0][1]
    np.testing.assert_allclose(deep.components_ @ deep.components_.T, np.eye(2), atol=1e-12)
    assert deep.get_feature_names_out().tolist() == ["deep_0", "deep_1"]
    table = model.transform(X)
    for path in model.tree_.paths:
        channels = whole.filter(regex=f"^{path}[|]deep_").to_numpy()
        found = table.filter(regex=f"^{path}[|]deep_").to_numpy()
        np.testing.assert_allclose(found, channels @ deep.components_.T, rtol=1e-4, atol=1e-5)
    image = X[0].image / 1.0
    dense = DeepDescriptor(TRUNK, mask=mask).fit(X).maps(image) @ deep.components_.T
    np.testing.assert_allclose(deep.maps(image), dense, rtol=1e-4, atol=1e-5)
    assert PartEditor.from_transformer(model).read(table).shape == table.shape


def test_principal_components_are_those_of_the_cells():
    images = [photo(k, (16, 16, 3)) for k in range(5)]
    deep = DeepDescriptor(TRUNK, n_components=3).fit(images)
    given = [TRUNK.prepare(np.rint(255 * one).astype(np.uint8), (16, 16)) for one in images]
    cells = TRUNK.feature_maps(np.stack(given)).transpose(0, 2, 3, 1).reshape(-1, 6)
    expected = np.linalg.svd(cells - cells.mean(axis=0))[2][:3]
    signs = np.sign((expected * deep.components_).sum(axis=1, keepdims=True))
    np.testing.assert_allclose(deep.components_, signs * expected, atol=1e-4)
    assert DeepDescriptor(TRUNK, n_components=6).fit(images).components_ is None


def test_principal_components_do_not_depend_on_the_order_of_photos(monkeypatch):
    monkeypatch.setattr(_deep, "LEARNED_PHOTOS", 3)
    images = list(data(6)[0].images)
    one, other = (
        DeepDescriptor(TRUNK, n_components=2).fit(some).components_
        for some in (images, images[::-1])
    )
    np.testing.assert_array_equal(one, other)
