"""ONNX networks as segmenters: what the spec says is what is done, whatever the batch."""

import pickle
from dataclasses import replace
from importlib.util import find_spec

import numpy as np
import pytest
from scipy.ndimage import map_coordinates
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks

from hierseg_learn import HierarchicalMetricClassifier, SegmentTreeTransformer
from hierseg_learn.datasets import load_segmented_folder
from hierseg_learn.networks import OnnxNetwork, PhotoInput
from hierseg_learn.segmentation import BODYPIX, OnnxSegmenter, OnnxSpec
from hierseg_learn.segmentation._onnx import on_photo
from hierseg_learn.tree import SegmentTree
from tests.toy_networks import save_onnx

needs_networks = pytest.mark.skipif(
    not (find_spec("onnxruntime") and find_spec("onnx")), reason="needs onnxruntime and onnx"
)
NAMES = ("wall", "hat", "hair", "dress", "shoe")
TREE = {"photo": {"background": 9, "person": {"head": 4, "clothes": [2, 3]}}}
HEADS = {"hat": "head", "hair": "head", "dress": "clothes"}
SPEC = OnnxSpec(NAMES, output="classes", photos=PhotoInput(size=32, multiple=4, mean=0.5, std=0.5))
GATED = replace(SPEC, gate="person")


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    if not (find_spec("onnxruntime") and find_spec("onnx")):
        pytest.skip("needs onnxruntime and onnx")
    return save_onnx(tmp_path_factory.mktemp("onnx") / "toy.onnx", {"classes": 5, "person": 1})


@pytest.fixture(scope="module")
def images():
    rng = np.random.default_rng(0)
    shapes = [(24, 20), (40, 33), (24, 20), (1, 1), (31, 64), (2, 90), (24, 20)]
    return [
        np.kron(rng.integers(0, 256, ((h + 7) // 8, (w + 7) // 8, 3)), np.ones((8, 8, 1)))[
            :h, :w
        ].astype(np.uint8)
        for h, w in shapes
    ]


def pooled(folder, stride=2):
    """Network whose scores are the mean colors of squares."""
    from onnx import parser, save

    sides = f"[{stride}, {stride}]"
    model = parser.parse_model(f"""
        <ir_version: 8, opset_import: ["" : 13]>
        net (float[n, 3, h, w] photo) => (float[n, 3, y, x] scores)
        {{ scores = AveragePool<kernel_shape = {sides}, strides = {sides}>(photo) }}""")
    save(model, folder / "pooled.onnx")
    return folder / "pooled.onnx"


def test_interpolation_by_hand():
    """Cells of 2 pixels: their centers are at 1 and 3, or with aligned corners at .5 and 3.5."""
    maps = np.array([[[0.0, 1.0]]], dtype=np.float32)
    found = on_photo(maps, (1, 4), (1, 4), align_corners=False)
    np.testing.assert_allclose(found, [[[0, 0.25, 0.75, 1]]])
    found = on_photo(maps, (1, 4), (1, 4), align_corners=True)
    np.testing.assert_allclose(found, [[[0, 1 / 3, 2 / 3, 1]]], rtol=1e-6)


@pytest.mark.parametrize("photo", [(7, 50), (65, 33), (1, 1), (100, 3)])
@pytest.mark.parametrize("align_corners", [False, True])
def test_interpolation_to_any_photo(align_corners, photo):
    """The middle of every pixel, in the photo, in the input and in cells."""
    size, maps = (65, 33), np.random.default_rng(0).normal(size=(3, 5, 3)).astype(np.float32)
    places = []
    for n_pixels, side, n_cells in zip(photo, size, maps.shape[1:], strict=True):
        middle = (np.arange(n_pixels) + 0.5) / n_pixels * side
        if align_corners:
            places.append((middle - 0.5) / 16)
        else:
            places.append(middle / (side / n_cells) - 0.5)
    places = np.stack(np.meshgrid(*places, indexing="ij"))
    expected = [map_coordinates(one, places, order=1, mode="nearest") for one in maps]
    found = on_photo(maps, size, photo, align_corners)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("photo", [(7, 50), (64, 32), (1, 1)])
def test_interpolation_is_that_of_torch(photo):
    torch = pytest.importorskip("torch")
    maps = np.random.default_rng(0).normal(size=(3, 4, 5)).astype(np.float32)
    expected = torch.nn.functional.interpolate(
        torch.from_numpy(maps)[None], photo, mode="bilinear", align_corners=False
    )
    found = on_photo(maps, (64, 80), photo, align_corners=False)
    np.testing.assert_allclose(found, expected[0].numpy(), rtol=1e-5, atol=1e-5)


@needs_networks
def test_the_color_of_squares(tmp_path):
    """Red on the left and blue on the right, at any size of photo and input."""
    photo = np.zeros((6, 16, 3))
    photo[:, :8, 0] = photo[:, 8:, 2] = 1
    names = ["red", "green", "blue"]
    for size in [None, 32, (4, 8), (24, 80)]:
        spec = OnnxSpec(names, photos=PhotoInput(size=size, multiple=2))
        segmenter = OnnxSegmenter(pooled(tmp_path), spec).fit([photo])
        assert segmenter.tree_.to_nested() == {"image": {"red": 0, "green": 1, "blue": 2}}
        for scale in (1, 3):
            given = photo.repeat(scale, axis=0).repeat(scale, axis=1)
            expected = np.where(given[..., 0] > 0, 0, 2)
            np.testing.assert_array_equal(segmenter.segment(given), expected)


@needs_networks
@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, [0, 0, 1, 2]),
        ({"threshold": 0.5, "probabilities": True}, [0, -1, 1, -1]),
        ({"threshold": 0.3, "probabilities": True}, [0, 0, 1, 2]),
        # of logits, 0.5 is above 0 and 0.7 above 0.847
        ({"threshold": 0.5}, [0, 0, 1, 2]),
        ({"threshold": 0.7}, [0, -1, 1, -1]),
    ],
)
def test_a_threshold_leaves_pixels_without_a_class(settings, expected, tmp_path):
    colors = [[[1, 0, 0], [0.4, 0.2, 0], [0, 0.9, 0], [0, 0, 0.4]]]
    photo = np.repeat(np.repeat(colors, 6, axis=1), 2, axis=0)
    spec = OnnxSpec(["red", "green", "blue"], **settings)
    segmenter = OnnxSegmenter(pooled(tmp_path), spec, background=None).fit([photo])
    np.testing.assert_array_equal(segmenter.segment(photo)[0, 2::6], expected)


@needs_networks
@pytest.mark.parametrize(("threshold", "tested"), [(None, 0.0), (0.5, 0.0), (0.9, np.log(9))])
def test_a_gate_says_where_there_are_classes(path, images, threshold, tested):
    spec = replace(GATED, threshold=threshold)
    every = OnnxSegmenter(path, SPEC).fit(images)
    gated = OnnxSegmenter(path, spec, background=None).fit(images)
    assert gated.tree_ == every.tree_
    network, kinds = OnnxNetwork(path), set()
    for image in images:
        given = SPEC.photos.prepare(image / np.float32(255))
        gate = network.run(given[np.newaxis], ["person"])["person"][0]
        [gate] = on_photo(gate, given.shape[1:], image.shape[:2], align_corners=False)
        labels = np.where(gate > tested, every.segment(image), -1)
        np.testing.assert_array_equal(gated.segment(image), labels)
        kinds |= {*np.unique(labels)}
    assert -1 in kinds
    assert len(kinds) > 2
    with_rest = OnnxSegmenter(path, spec).fit(images)
    parts = {"background": 0, **{name: k + 1 for k, name in enumerate(NAMES)}}
    assert with_rest.tree_.to_nested() == {"image": parts}
    np.testing.assert_array_equal(with_rest.segment(images[1]), gated.segment(images[1]) + 1)


@needs_networks
@pytest.mark.parametrize(
    ("settings", "leaves", "absent", "present"),
    [
        ({}, {"background": 0, "lesion": 1}, 0, 1),
        ({"background": None}, {"background": 0, "lesion": 1}, 0, 1),
        ({"background": None, "classes": {"lesion": "spot"}}, {"spot": 0}, -1, 0),
        ({"tree": {"image": {"lesion": 4}}, "background": None}, None, -1, 4),
    ],
)
def test_a_network_of_one_class_has_a_background(
    settings, leaves, absent, present, images, tmp_path
):
    path = save_onnx(tmp_path / "a.onnx", {"lesion": 1})
    segmenter = OnnxSegmenter(path, OnnxSpec(["lesion"]), **settings).fit(images)
    if leaves is not None:
        assert segmenter.tree_.to_nested() == {"image": leaves}
    found = segmenter.segment_images(images)
    assert {*np.unique(np.concatenate([one.ravel() for one in found]))} == {absent, present}


@needs_networks
def test_classes_become_parts_by_name(path, images):
    raw = OnnxSegmenter(path, SPEC).fit(images).segment(images[1])
    assert len(np.unique(raw)) > 2
    segmenter = OnnxSegmenter(path, SPEC, classes=HEADS).fit(images)
    nested = {"image": {"background": 0, "head": 1, "clothes": 2}}
    assert segmenter.tree_.to_nested() == nested
    np.testing.assert_array_equal(segmenter.segment(images[1]), np.array([0, 1, 1, 2, 0])[raw])
    segmenter = OnnxSegmenter(path, SPEC, classes=HEADS, tree=TREE).fit(images)
    assert segmenter.tree_ == SegmentTree.from_nested(TREE)
    np.testing.assert_array_equal(segmenter.segment(images[1]), np.array([9, 4, 4, 2, 9])[raw])


@needs_networks
def test_the_tree_of_the_spec(path, images):
    tree = {"room": {"wall": 7, "person": {"hat": 3, "hair": 2, "dress": 5, "shoe": 1}}}
    spec = replace(GATED, tree=tree)
    raw = OnnxSegmenter(path, GATED, background=None).fit(images).segment(images[1])
    without = OnnxSegmenter(path, spec, background=None).fit(images)
    assert without.tree_.to_nested() == tree
    ids = np.array([7, 3, 2, 5, 1, -1])
    np.testing.assert_array_equal(without.segment(images[1]), ids[raw])
    segmenter = OnnxSegmenter(path, spec, background="rest").fit(images)
    assert segmenter.tree_.to_nested() == {"room": {"rest": 8, **tree["room"]}}
    np.testing.assert_array_equal(segmenter.segment(images[1]), np.where(raw < 0, 8, ids[raw]))
    segmenter = OnnxSegmenter(path, spec, classes=HEADS).fit(images)
    assert segmenter.tree_.to_nested() == {"image": {"background": 0, "head": 1, "clothes": 2}}


@needs_networks
@pytest.mark.parametrize(
    ("tree", "has_rest"),
    [
        ({"room": {"wall": 7, "person": {"hat": 3, "hair": 2, "dress": 5, "shoe": 1}}}, False),
        ({"room": {"hat": 3, "hair": 2, "dress": 5, "shoe": 1}}, True),
    ],
)
def test_the_tree_of_the_spec_gets_a_background_if_it_has_pixels(path, images, tree, has_rest):
    segmenter = OnnxSegmenter(path, replace(SPEC, tree=tree)).fit(images)
    rest = {"background": 6} if has_rest else {}
    assert segmenter.tree_.to_nested() == {"room": {**rest, **tree["room"]}}
    own = OnnxSegmenter(path, replace(SPEC, tree=tree), background="hat").fit(images)
    assert own.tree_.to_nested() == tree


@needs_networks
@pytest.mark.parametrize("batch", ["n", 1, 3])
@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
def test_any_file_of_the_same_network(path, images, tmp_path, layout, batch):
    heads = {"classes": 5, "person": 1}
    other = save_onnx(tmp_path / "a.onnx", heads, layout=layout, batch=batch)
    expected = OnnxSegmenter(path, GATED).fit(images).segment_images(images)
    found = OnnxSegmenter(other, GATED).fit(images).segment_images(images)
    for one, two in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, two)


@needs_networks
def test_sizes_that_the_file_fixes(path, images, tmp_path):
    fixed = save_onnx(tmp_path / "a.onnx", {"classes": 5}, size=(20, 48))
    expected = OnnxSegmenter(path, replace(SPEC, photos=replace(SPEC.photos, size=(20, 48))))
    found = OnnxSegmenter(fixed, SPEC).fit(images).segment_images(images)
    for one, two in zip(found, expected.fit(images).segment_images(images), strict=True):
        np.testing.assert_array_equal(one, two)


@needs_networks
@pytest.mark.parametrize(("batch_size", "n_jobs"), [(1, None), (2, 1), (3, 2), (100, 3)])
def test_any_batch_size_and_number_of_threads_give_the_same_labels(
    path, images, batch_size, n_jobs
):
    segmenter = OnnxSegmenter(path, GATED, batch_size=batch_size, n_jobs=n_jobs).fit(images)
    one_by_one = OnnxSegmenter(path, GATED).fit(images)
    for image, labels in zip(images, segmenter.segment_images(images), strict=True):
        np.testing.assert_array_equal(labels, one_by_one.segment(image))


@needs_networks
def test_images_of_one_size_go_together_on_a_gpu(path, images, monkeypatch):
    """Their labels come back in the order of the images."""
    expected = OnnxSegmenter(path, GATED).fit(images).segment_images(images)
    shapes, run = [], OnnxNetwork.run

    def counted(self, inputs, outputs=None):
        shapes.append(inputs.shape)
        return run(self, inputs, outputs)

    monkeypatch.setattr(OnnxNetwork, "on_cuda", True)
    monkeypatch.setattr(OnnxNetwork, "run", counted)
    found = OnnxSegmenter(path, GATED, batch_size=100).fit(images).segment_images(images)
    assert sorted(shape[0] for shape in shapes) == [1, 1, 1, 4]
    for one, two in zip(found, expected, strict=True):
        assert np.mean(one != two) < 0.01


@needs_networks
def test_large_images_are_interpolated_class_by_class(path, images, monkeypatch):
    segmenter = OnnxSegmenter(path, GATED).fit(images)
    at_once = segmenter.segment(images[1])
    monkeypatch.setattr("hierseg_learn.segmentation._onnx.MAX_VALUES", 2 * at_once.size)
    np.testing.assert_array_equal(segmenter.segment(images[1]), at_once)


@needs_networks
def test_gray_and_float_images(path, images):
    colored = OnnxSegmenter(path, SPEC).fit(images)
    gray = images[1][..., 0]
    found = OnnxSegmenter(path, SPEC).fit([gray]).segment(gray)
    np.testing.assert_array_equal(found, colored.segment(np.stack([gray] * 3, axis=-1)))
    floats = [image / 255 for image in images]
    found = OnnxSegmenter(path, SPEC).fit(floats).segment(floats[1])
    np.testing.assert_array_equal(found, colored.segment(images[1]))


@needs_networks
def test_networks_of_gray_images(images, tmp_path):
    path = save_onnx(tmp_path / "a.onnx", {"classes": 5}, n_channels=1)
    gray = images[1][..., 0]
    segmenter = OnnxSegmenter(path, SPEC).fit([gray])
    assert len(np.unique(segmenter.segment(gray))) > 1
    with pytest.raises(ValueError, match=r"^Image 0 of X: '.*a\.onnx' takes gray images, got col"):
        OnnxSegmenter(path, SPEC).fit(images).segment_images(images)


@needs_networks
def test_an_image_smaller_than_a_cell_is_enlarged(tmp_path):
    spec = OnnxSpec(["red", "green", "blue"], photos=PhotoInput(multiple=16))
    image = np.array([[[0, 0.2, 0.9]]])
    segmenter = OnnxSegmenter(pooled(tmp_path, 16), spec).fit([image])
    np.testing.assert_array_equal(segmenter.segment(image), [[2]])


@needs_networks
def test_a_pickle_holds_path_and_hash(path, images):
    segmenter = OnnxSegmenter(path, GATED).fit(images)
    stored = pickle.dumps(segmenter)
    assert len(stored) < 3000
    again = pickle.loads(stored)
    np.testing.assert_array_equal(again.segment(images[1]), segmenter.segment(images[1]))
    assert clone(segmenter).get_params() == segmenter.get_params()
    assert segmenter.sha256_ == OnnxNetwork(path).sha256


@needs_networks
def test_skops_holds_path_and_hash(path, images):
    sio = pytest.importorskip("skops.io", reason="skops is not installed")
    segmenter = OnnxSegmenter(str(path), GATED).fit(images)
    stored = sio.dumps(segmenter)
    untrusted = sio.get_untrusted_types(data=stored)
    assert all(name.startswith("hierseg_learn.") for name in untrusted)
    again = sio.loads(stored, trusted=untrusted)
    np.testing.assert_array_equal(again.segment(images[1]), segmenter.segment(images[1]))


@needs_networks
def test_another_network_in_the_same_file_is_refused(images, tmp_path):
    heads = {"classes": 5}
    segmenter = OnnxSegmenter(save_onnx(tmp_path / "a.onnx", heads), SPEC).fit(images)
    save_onnx(tmp_path / "a.onnx", heads, seed=1)
    with pytest.raises(ValueError, match=r"holds another network than expected: its SHA-256 is"):
        segmenter.segment(images[0])
    segmenter.fit(images).segment(images[0])


@needs_networks
@pytest.mark.filterwarnings("ignore:.* never occurred in the training images:UserWarning")
def test_in_a_pipeline(path, images):
    kept = [image for image in images if image.size > 300] * 3
    segmenter = OnnxSegmenter(path, SPEC, classes=HEADS, tree=TREE)
    tables = [
        SegmentTreeTransformer(segmenter, descriptors="color", n_jobs=n_jobs).fit_transform(kept)
        for n_jobs in (1, 2)
    ]
    np.testing.assert_allclose(tables[0]["photo|area"], 1)
    np.testing.assert_array_equal(*tables)
    model = make_pipeline(
        SegmentTreeTransformer(OnnxSegmenter(path, GATED, background=None), descriptors="color"),
        HierarchicalMetricClassifier(n_neighbors=1),
    )
    search = GridSearchCV(
        model,
        {"segmenttreetransformer__segmenter__spec": [GATED, replace(GATED, threshold=0.9)]},
        cv=3,
        error_score="raise",
    ).fit(kept, np.arange(len(kept)) % 5)
    assert len(search.cv_results_["params"]) == 2


@needs_networks
def test_progress(path, images, capsys):
    segmenter = OnnxSegmenter(path, SPEC).fit(images)
    segmenter.segment_images(images)
    assert capsys.readouterr().err == ""
    segmenter.set_params(verbose=1).segment_images(images)
    assert "7/7" in capsys.readouterr().err


@needs_networks
@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (
            replace(SPEC, output="parts"),
            "has no output 'parts'; its outputs are 'classes', 'person'",
        ),
        (replace(SPEC, gate="mask"), "has no output 'mask'; its outputs are"),
        (
            replace(SPEC, output=None),
            "has the outputs 'classes', 'person'; name that of the classes by output",
        ),
        (
            replace(SPEC, class_names=("a", "b")),
            r"Output 'classes' .* has 5 map\(s\), and the spec has 2 class\(es\) for it",
        ),
        (replace(SPEC, gate="classes"), "'classes' is given as output and as gate"),
    ],
)
def test_heads_that_do_not_fit(path, images, spec, message):
    with pytest.raises(ValueError, match=message):
        OnnxSegmenter(path, spec).fit(images)


@needs_networks
@pytest.mark.parametrize(
    ("outputs", "body", "message"),
    [
        ("float[n, 3] a", "a = ReduceMean<axes = [2, 3], keepdims = 0>(photo)", "expected maps"),
        ("float[n, z, y, x] a", "a = Concat<axis = 1>(photo, photo)", r"has 6 map\(s\)"),
        (
            "float[n, 3, y, x] a",
            "a = AveragePool<kernel_shape = [1, 8], strides = [1, 8]>(photo)",
            "answers 64 × 32 pixels with 64 × 4: another aspect ratio",
        ),
        ("float[n, 3, y, x] a", "b = Sub(photo, photo)\n a = Div(b, b)", "holds NaN"),
    ],
)
def test_answers_that_do_not_fit(tmp_path, outputs, body, message):
    from onnx import parser, save

    head = '<ir_version: 8, opset_import: ["" : 13]> net (float[n, 3, h, w] photo)'
    save(parser.parse_model(f"{head} => ({outputs}) {{ {body} }}"), tmp_path / "a.onnx")
    images = [np.zeros((64, 32, 3)), np.zeros((64, 32, 3))]
    segmenter = OnnxSegmenter(tmp_path / "a.onnx", OnnxSpec(["a", "b", "c"]))
    with pytest.raises(ValueError, match=message):
        segmenter.fit(images).segment_images(images)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"class_names": "abc"}, "class_names must be a sequence of names, got 'abc'"),
        ({"class_names": []}, r"class_names must be a sequence of names, got \[\]"),
        ({"class_names": [1, 2]}, r"class_names must be a sequence of names, got \[1, 2\]"),
        ({"class_names": None}, "class_names must be a sequence of names, got None"),
        ({"threshold": 1.0}, "threshold must lie between 0 and 1, got 1.0"),
        ({"threshold": "high"}, "threshold must lie between 0 and 1, got 'high'"),
        ({"tree": {"a": {"hat": 0, "hut": 1}}}, "tree has the leaves 'hut', which are no class_na"),
        ({"tree": {"a": {"hat": 0}, "b": {"hair": 1}}}, "one root"),
    ],
)
def test_wrong_specs(settings, message):
    with pytest.raises(ValueError, match=message):
        OnnxSpec(**{"class_names": NAMES, **settings})


def test_what_is_needed(images):
    with pytest.raises(ValueError, match="'path' parameter of OnnxSegmenter"):
        OnnxSegmenter(spec=SPEC).fit(images)
    with pytest.raises(ValueError, match="'spec' parameter of OnnxSegmenter"):
        OnnxSegmenter("net.onnx").fit(images)
    if find_spec("onnxruntime"):
        with pytest.raises(FileNotFoundError, match=r"net\.onnx' must be an ONNX file, but there"):
            OnnxSegmenter("net.onnx", SPEC).fit(images)


@pytest.fixture(scope="module")
def bodypix(shared_data):
    pytest.importorskip("onnxruntime")
    path = shared_data / "models" / "bodypix" / "mobilenet_v1_050_stride16.onnx"
    if not path.is_file():
        pytest.skip("needs the network BodyPix")
    return path


def test_bodypix_finds_persons(bodypix, shared_data):
    """As its README tells of eight photos: intersection over union from .75 to .89."""
    data = load_segmented_folder(shared_data / "ccp_parts")
    chosen = data.images[::82]
    segmenter = OnnxSegmenter(bodypix, BODYPIX, background=None).fit(chosen)
    assert segmenter.tree_.n_leaves == 24
    scores = []
    for item, labels in zip(chosen, segmenter.segment_images(chosen), strict=True):
        found, person = labels >= 0, np.asarray(item.mask) > 0
        scores.append((found & person).sum() / (found | person).sum())
    assert len(scores) == 8
    assert np.median(scores) > 0.8
    assert min(scores) > 0.65


def test_the_parts_of_bodypix_lie_where_they_should(bodypix, shared_data):
    """In the middle of the photos that show whole persons: heads above, feet below."""
    chosen = load_segmented_folder(shared_data / "ccp_parts").images[:12]
    segmenter = OnnxSegmenter(bodypix, BODYPIX).fit(chosen)
    assert segmenter.tree_.to_nested()["image"]["background"] == 24
    rows = {name: [] for name in ("head", "torso", "legs")}
    for labels in segmenter.segment_images(chosen):
        parts = segmenter.tree_.to_nested()["image"]["person"]
        for name in rows:
            ids = [*leaves(parts[name])]
            rows[name].append(np.mean(np.nonzero(np.isin(labels, ids))[0]) / len(labels))
    assert np.all(np.diff([np.median(rows[name]) for name in rows]) > 0.1)


def leaves(nested):
    for value in nested.values():
        yield from leaves(value) if isinstance(value, dict) else [value]


class LazyFile:
    """Path of a network that is saved when it is first asked for."""

    folder = None

    def __fspath__(self):
        from pathlib import Path

        if type(self).folder is None:
            from tempfile import TemporaryDirectory

            type(self).folder = TemporaryDirectory()
            save_onnx(Path(type(self).folder.name, "toy.onnx"), {"classes": 5, "person": 1})
        return f"{type(self).folder.name}/toy.onnx"

    def __repr__(self):
        return "path"


@needs_networks
@parametrize_with_checks(
    [OnnxSegmenter(LazyFile(), OnnxSpec(NAMES, output="classes", gate="person"))]
)
def test_sklearn_checks(estimator, check):
    check(estimator)
