"""Networks in ONNX files: what goes in, what comes out, and that the file is the same."""

import pickle
import sys
from importlib.util import find_spec

import numpy as np
import pytest
from joblib import Parallel, delayed

from hierseg_learn.networks import OnnxNetwork
from tests.toy_networks import save_onnx

pytestmark = pytest.mark.skipif(
    not (find_spec("onnxruntime") and find_spec("onnx")), reason="needs onnxruntime and onnx"
)
HEADS = {"classes": 5, "person": 1}


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return save_onnx(tmp_path_factory.mktemp("onnx") / "toy.onnx", HEADS)


@pytest.fixture(scope="module")
def photos():
    return np.random.default_rng(0).normal(size=(5, 3, 21, 30)).astype(np.float32)


def expected_maps(path, photos):
    """The two convolutions by hand: sums of products over a padded photo, every fourth place."""
    import onnx
    from onnx import numpy_helper

    tensors = {t.name: numpy_helper.to_array(t) for t in onnx.load(path).graph.initializer}
    padded = np.pad(photos, [(0, 0), (0, 0), (1, 1), (1, 1)])
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(2, 3))[:, :, ::4, ::4]
    features = np.maximum(np.einsum("ncyxij,fcij->nfyx", windows, tensors["filters"]), 0)
    return {
        name: np.einsum("nfyx,cf->ncyx", features, tensors[f"{name}_filters"][:, :, 0, 0])
        for name in HEADS
    }


@pytest.mark.parametrize("size", [("h", "w"), (21, 30)])
@pytest.mark.parametrize("batch", ["n", 1, 2])
@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
def test_photos_and_maps_come_channels_first(tmp_path, photos, layout, batch, size):
    path = save_onnx(tmp_path / "a.onnx", HEADS, layout=layout, batch=batch, size=size)
    network = OnnxNetwork(path)
    assert network.layout == layout
    assert network.n_channels == 3
    assert network.batch == (None if batch == "n" else batch)
    assert network.input_size == ((None, None) if size == ("h", "w") else size)
    sides = (None, None) if size == ("h", "w") else (6, 8)
    assert network.outputs == {
        name: (network.batch, n_maps, *sides) for name, n_maps in HEADS.items()
    }
    found = network.run(photos)
    for name, maps in expected_maps(path, photos).items():
        np.testing.assert_allclose(found[name], maps, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("order", [[0], [4, 0], [1, 1, 3]])
def test_bits_do_not_depend_on_the_other_images(path, photos, order):
    network = OnnxNetwork(path)
    whole = network.run(photos)["classes"]
    np.testing.assert_array_equal(network.run(photos[order])["classes"], whole[order])


def test_any_array_of_numbers_is_taken(path, photos):
    """Such as float64, another byte order, which onnxruntime would misread, and strides."""
    network = OnnxNetwork(path)
    expected = network.run(photos)["person"]
    swapped = photos.astype(photos.dtype.newbyteorder())
    for given in (photos.astype(np.float64), swapped, np.asfortranarray(photos)):
        np.testing.assert_array_equal(network.run(given)["person"], expected)


def test_only_the_outputs_that_are_asked_for(path, photos):
    assert list(OnnxNetwork(path).run(photos, ["person"])) == ["person"]


def test_a_layout_that_the_shape_does_not_tell(tmp_path, photos):
    path = save_onnx(tmp_path / "a.onnx", HEADS, layout="NHWC", size=(3, 30))
    with pytest.raises(ValueError, match=r"shape \(None, 3, 30, 3\), which does not say where"):
        OnnxNetwork(path)
    network = OnnxNetwork(path, layout="NHWC")
    assert network.run(photos[:, :, :3])["classes"].shape == (5, 5, 1, 8)


def classes_of(given):
    network, photos = given
    return network.run(photos)["classes"]


def test_a_pickle_holds_path_and_hash(path, photos):
    network = OnnxNetwork(path)
    stored = pickle.dumps(network)
    assert len(stored) < 600
    again = pickle.loads(stored)
    assert again.sha256 == network.sha256
    expected = network.run(photos)["classes"]
    np.testing.assert_array_equal(again.run(photos)["classes"], expected)
    for found in Parallel(n_jobs=2)(delayed(classes_of)((network, photos)) for _ in range(2)):
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("external", [False, True])
def test_weights_of_another_hash_are_refused(tmp_path, photos, external):
    path = save_onnx(tmp_path / "a.onnx", HEADS, external=external)
    network = OnnxNetwork(path)
    same = OnnxNetwork(save_onnx(tmp_path / "a.onnx", HEADS, external=external))
    assert same.sha256 == network.sha256
    network.run(photos)
    other = OnnxNetwork(save_onnx(tmp_path / "a.onnx", HEADS, external=external, seed=1))
    assert other.sha256 != network.sha256
    message = rf"SHA-256 is {other.sha256[:12]}…, expected {network.sha256[:12]}…"
    for call in (
        lambda: network.run(photos),
        lambda: pickle.loads(pickle.dumps(network)).run(photos),
        lambda: OnnxNetwork(path, sha256=network.sha256),
    ):
        with pytest.raises(ValueError, match=message):
            call()


def test_weights_that_are_missing_are_named(tmp_path):
    path = save_onnx(tmp_path / "a.onnx", HEADS, external=True)
    (tmp_path / "a.onnx.data").unlink()
    with pytest.raises(FileNotFoundError, match=r"lie in '.*a\.onnx\.data', but there is no such"):
        OnnxNetwork(path)


def test_unknown_outputs_are_told_with_those_there_are(path, photos):
    with pytest.raises(ValueError, match="has no output 'parts'; its outputs are 'classes', 'per"):
        OnnxNetwork(path).run(photos, ["person", "parts"])


@pytest.mark.parametrize("shape", [(2, 1, 8, 8), (3, 8, 8), (2, 3, 20, 30), (0, 3, 21, 30)])
def test_photos_that_do_not_fit(tmp_path, shape):
    network = OnnxNetwork(save_onnx(tmp_path / "a.onnx", HEADS, size=(21, "w")))
    with pytest.raises(ValueError, match="takes images of 3 × 21 × any"):
        network.run(np.zeros(shape, dtype=np.float32))


def test_what_onnxruntime_refuses_is_said(tmp_path):
    """As a network that adds maps of two strides, which have other sizes in some photos."""
    from onnx import parser, save

    model = parser.parse_model("""
        <ir_version: 8, opset_import: ["" : 13]>
        net (float[n, 3, h, w] photo) => (float[n, 3, y, x] maps) {
            fine = MaxPool<kernel_shape = [2, 2], strides = [2, 2]>(photo)
            coarse = MaxPool<kernel_shape = [2, 2], strides = [2, 2], ceil_mode = 1>(photo)
            maps = Add(fine, coarse)
        }""")
    save(model, tmp_path / "a.onnx")
    network = OnnxNetwork(tmp_path / "a.onnx")
    assert network.run(np.zeros((1, 3, 8, 6)))["maps"].shape == (1, 3, 4, 3)
    with pytest.raises(ValueError, match="does not take images of 9 × 6 pixels: "):
        network.run(np.zeros((1, 3, 9, 6)))


def test_an_output_without_images_is_refused(tmp_path, photos):
    from onnx import parser, save

    model = parser.parse_model("""
        <ir_version: 8, opset_import: ["" : 13]>
        net (float[n, 3, h, w] photo) => (float mean)
        { mean = ReduceMean<keepdims = 0>(photo) }""")
    save(model, tmp_path / "a.onnx")
    with pytest.raises(ValueError, match=r"Output 'mean' .* has shape \(\) for 1 image"):
        OnnxNetwork(tmp_path / "a.onnx").run(photos)


def test_files_that_are_no_network_of_photos(tmp_path):
    from onnx import parser, save

    with pytest.raises(FileNotFoundError, match=r"no/net\.onnx' must be an ONNX file, but there"):
        OnnxNetwork("no/net.onnx")
    for content in (b"", b"PK\x03\x04 a zip file", b"\xff" * 40):
        (tmp_path / "a.onnx").write_bytes(content)
        with pytest.raises(ValueError, match=r"must be an ONNX file that onnxruntime .* can open"):
            OnnxNetwork(tmp_path / "a.onnx")
    for given in ("float[n, 4] a", "uint8[n, h, w, 3] a", "float[n, 3, h, w] a, float[n] b"):
        header = '<ir_version: 8, opset_import: ["" : 13]>'
        text = f"{header} net ({given}) => ({given.split(' a')[0]} c)"
        save(parser.parse_model(f"{text} {{ c = Identity(a) }}"), tmp_path / "a.onnx")
        with pytest.raises(
            ValueError, match="must hold a network with one input of photos, float32"
        ):
            OnnxNetwork(tmp_path / "a.onnx")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"layout": "HWC"}, "layout must be 'auto', 'NCHW' or 'NHWC', got 'HWC'"),
        ({"layout": "NHWC", "fixed": True}, "layout='NHWC' makes 30 channels of the input"),
        ({"device": "gpu"}, "device must be 'auto', 'cpu' or 'cuda', got 'gpu'"),
        ({"n_threads": 0}, "n_threads must be an integer of at least 1, got 0"),
    ],
)
def test_wrong_settings(tmp_path, settings, message):
    size = (21, 30) if settings.pop("fixed", False) else ("h", "w")
    with pytest.raises(ValueError, match=message):
        OnnxNetwork(save_onnx(tmp_path / "a.onnx", HEADS, size=size), **settings)


def test_cuda_that_is_not_there(path, monkeypatch):
    import onnxruntime

    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    with pytest.raises(RuntimeError, match="device='cuda' was asked for, but onnxruntime was"):
        OnnxNetwork(path, device="cuda")
    OnnxNetwork(path, device="auto")


def test_without_onnxruntime_the_extra_is_named(path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ImportError, match=r"hierseg-learn\[onnx\]"):
        OnnxNetwork(path)


def test_a_trained_network(shared_data):
    path = shared_data / "models" / "bodypix" / "mobilenet_v1_050_stride16.onnx"
    if not path.is_file():
        pytest.skip("needs the network BodyPix")
    network = OnnxNetwork(path)
    assert (network.layout, network.batch, network.n_channels) == ("NHWC", 1, 3)
    found = network.run(np.zeros((2, 3, 33, 49)), ["segments", "part_heatmaps"])
    assert found["segments"].shape == (2, 1, 3, 4)
    assert found["part_heatmaps"].shape == (2, 24, 3, 4)
