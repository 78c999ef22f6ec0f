"""Trunks: where their cells lie, which layers they have, and what becomes of their weights."""

import pickle
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from itertools import product

import numpy as np
import pytest
from sklearn.base import clone

from hierseg_learn.descriptors import DeepDescriptor
from hierseg_learn.networks import Cells, Preprocessing, open_trunk
from tests.toy_networks import save_onnx
from tests.toy_trunks import PREPROCESSING, small_module

torch = pytest.importorskip("torch", reason="PyTorch is not installed")


@pytest.fixture
def timm():
    return pytest.importorskip("timm", reason="timm is not installed")


def noise(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def centers_by_hand(trunk, length):
    """Middle of the rows of pixels that change a cell, for cells that no border is near."""
    x = noise(1, 3, length, 16)
    plain = trunk.feature_maps(x)
    changes = []
    for row in range(length):
        changed = x.copy()
        changed[:, :, row] += 100
        changes.append((trunk.feature_maps(changed) != plain).any(axis=(0, 1, 3)))
    changes = np.array(changes)
    inner = np.flatnonzero(~changes[0] & ~changes[-1])
    return {i: np.flatnonzero(changes[:, i]).mean() + 0.5 for i in inner}


@pytest.mark.parametrize(("same", "length"), list(product([False, True], range(33, 41))))
def test_cells_lie_in_the_middle_of_what_they_see(same, length):
    trunk = open_trunk(small_module(same=same), preprocessing=PREPROCESSING)
    cells = trunk.cells(length, 16)
    assert len(cells.rows) == trunk.feature_maps(noise(1, 3, length, 16)).shape[2]
    expected = centers_by_hand(trunk, length)
    assert len(expected) > 4
    for i, center in expected.items():
        assert cells.rows[i] == center


def test_padding_of_tensorflow_shifts_cells_by_the_size(timm):
    trunk = open_trunk(timm.create_model("tf_efficientnet_lite0"))
    firsts = [trunk.cells(height, 64).rows[0] for height in (1024, 1000, 993)]
    assert firsts == [31.5, 7.5, 0.5]
    trunk = open_trunk(timm.create_model("resnet10t"))
    assert [trunk.cells(height, 64).rows[0] for height in (256, 232, 225)] == [0.5, 0.5, 0.5]


def test_cells_cover_the_image():
    cells = Cells((4, 4), np.array([-1.0, 3.0, 7.0]), np.array([2.0]), (6, 4))
    np.testing.assert_array_equal(cells.edges(0), [0, 1, 5, 6])
    np.testing.assert_array_equal(cells.edges(1), [0, 4])


def test_layers_by_number_are_the_last_of_each_resolution(timm):
    trunk = open_trunk(timm.create_model("tf_efficientnet_lite0"))
    assert trunk.layer_names == ("bn1", "blocks.1", "blocks.2", "blocks.4", "bn2")
    found = [trunk.with_layer(k) for k in range(-5, 0)]
    assert [one.stride for one in found] == [(2, 2), (4, 4), (8, 8), (16, 16), (32, 32)]
    assert [one.n_channels for one in found] == [32, 24, 40, 112, 1280]
    named = trunk.with_layer("blocks.6")
    assert (named.layer_name, named.n_channels, named.stride) == ("blocks.6", 320, (32, 32))
    with pytest.raises(ValueError, match=r"layer=5 must lie in \[-5, 5\), for EfficientNet has 5"):
        trunk.with_layer(5)
    with pytest.raises(ValueError, match="layer='head' names no layer of EfficientNet"):
        trunk.with_layer("head")


def test_maps_are_those_of_the_layer():
    module = small_module().eval()
    trunk = open_trunk(module, layer="1", preprocessing=PREPROCESSING)
    x = noise(3, 3, 16, 24)
    expected = module[:2](torch.from_numpy(x)).detach().numpy()
    np.testing.assert_allclose(trunk.feature_maps(x), expected, atol=1e-6)
    assert trunk.feature_maps(x).dtype == np.float32


@pytest.mark.parametrize("name", ["vit_tiny_patch16_224", "vit_pe_core_tiny_patch16_384"])
def test_tokens_become_a_map_without_classes(name, timm):
    model = timm.create_model(name, img_size=64, depth=2).eval()
    trunk = open_trunk(model, preprocessing={"size": 64})
    x = noise(1, 3, 64, 64)
    tokens = model.forward_features(torch.from_numpy(x)).detach().numpy()[:, -16:]
    maps = trunk.feature_maps(x)
    np.testing.assert_allclose(maps.reshape(1, -1, 16).transpose(0, 2, 1), tokens, atol=1e-5)
    assert not trunk.is_flexible
    assert trunk.input_size(100, 300) == (64, 64)
    np.testing.assert_array_equal(trunk.cells(64, 64).rows, [8, 24, 40, 56])
    assert len(trunk.layer_names) == 2


def test_channels_may_come_last(timm):
    model = timm.create_model("swin_tiny_patch4_window7_224", depths=(1, 1, 1, 1)).eval()
    trunk = open_trunk(model)
    x = noise(1, 3, 224, 224)
    expected = model.forward_features(torch.from_numpy(x)).detach().numpy()
    np.testing.assert_allclose(trunk.feature_maps(x).transpose(0, 2, 3, 1), expected, atol=1e-5)
    assert trunk.stride == (32, 32)


@pytest.fixture
def folder(tmp_path):
    """A small transformer with registers, and its image processor, as transformers saves them."""
    transformers = pytest.importorskip("transformers", reason="transformers is not installed")
    torch.manual_seed(0)
    config = transformers.Dinov2WithRegistersConfig(
        hidden_size=12,
        num_hidden_layers=2,
        num_attention_heads=2,
        patch_size=8,
        image_size=32,
        num_register_tokens=3,
    )
    transformers.Dinov2WithRegistersModel(config).save_pretrained(tmp_path)
    transformers.BitImageProcessor(
        size={"shortest_edge": 32}, image_mean=[0.1, 0.2, 0.3], resample=2, do_center_crop=False
    ).save_pretrained(tmp_path)
    return tmp_path


def test_folders_of_transformers(folder):
    import transformers

    trunk = open_trunk(folder)
    assert trunk.preprocessing.size == (32, 32)
    assert trunk.preprocessing.mean == pytest.approx((0.1, 0.2, 0.3))
    assert trunk.preprocessing.interpolation == "bilinear"
    model = transformers.AutoModel.from_pretrained(folder).eval()
    x = noise(1, 3, 32, 40)
    tokens = model(torch.from_numpy(x)).last_hidden_state.detach().numpy()[:, 4:]
    maps = trunk.feature_maps(x)
    assert maps.shape == (1, 12, 4, 5)
    np.testing.assert_allclose(maps.reshape(1, 12, 20).transpose(0, 2, 1), tokens, atol=1e-5)
    again = pickle.loads(pickle.dumps(trunk))
    np.testing.assert_array_equal(again.feature_maps(x), maps)
    assert len(pickle.dumps(trunk)) < 2000


def test_preprocessing_of_timm_is_read(timm):
    model = timm.create_model("vit_base_patch32_clip_224.openai", depth=1)
    trunk = open_trunk(model)
    config = timm.data.resolve_data_config({}, model=model)
    assert trunk.preprocessing.mean == config["mean"]
    assert trunk.preprocessing.std == config["std"]
    assert trunk.preprocessing.interpolation == config["interpolation"]
    assert trunk.preprocessing.size == (224, 224)
    changed = open_trunk(model, preprocessing={"mean": 0.5, "interpolation": "box"})
    assert changed.preprocessing.mean == (0.5, 0.5, 0.5)
    assert changed.preprocessing.std == config["std"]


def test_preprocessing_is_never_assumed(tmp_path):
    with pytest.raises(ValueError, match="preprocessing must be given for a Sequential, which"):
        open_trunk(small_module())
    with pytest.raises(ValueError, match="preprocessing must be given for the ONNX file"):
        open_trunk(save_onnx(tmp_path / "net.onnx", {"maps": 3}))
    for wrong in ({"size": 16, "mean": 0.5}, {"size": 16, "mean": 0.5, "std": 0.5, "crop": 1}):
        with pytest.raises(ValueError, match="preprocessing must be a dict with size, mean, std"):
            open_trunk(small_module(), preprocessing=wrong)
    with pytest.raises(ValueError, match="preprocessing has std="):
        open_trunk(small_module(), preprocessing={"size": 16, "mean": 0.5, "std": 0})
    with pytest.raises(ValueError, match="interpolation='cubic'"):
        open_trunk(small_module(), preprocessing={**PREPROCESSING, "interpolation": "cubic"})


def test_photos_are_standardized():
    trunk = open_trunk(small_module(), preprocessing=PREPROCESSING)
    photo = np.full((8, 8, 3), 51, dtype=np.uint8)
    np.testing.assert_allclose(trunk.prepare(photo, (16, 12)), -1.2, rtol=1e-6)
    assert trunk.prepare(photo, (16, 12)).shape == (3, 16, 12)


def test_input_keeps_aspect_and_area():
    trunk = open_trunk(small_module(), preprocessing={**PREPROCESSING, "size": 64})
    assert trunk.input_size(100, 100) == (64, 64)
    assert trunk.input_size(400, 100) == (128, 32)
    assert trunk.input_size(100, 400, 32) == (16, 64)
    assert trunk.input_size(1, 100_000) == (4, 1024)


@pytest.fixture
def checkpoint(tmp_path, timm):
    torch.manual_seed(0)
    model = timm.create_model("mobilenetv3_small_050")
    path = tmp_path / "weights.pth"
    torch.save(model.state_dict(), path)
    return path


def test_weights_come_from_a_file(checkpoint, timm):
    trunk = open_trunk("mobilenetv3_small_050", checkpoint=checkpoint)
    model = timm.create_model("mobilenetv3_small_050").eval()
    model.load_state_dict(torch.load(checkpoint))
    x = noise(1, 3, 64, 64)
    expected = open_trunk(model).feature_maps(x)
    np.testing.assert_array_equal(trunk.feature_maps(x), expected)
    assert trunk.fingerprint[0] == str(checkpoint)
    saved = pickle.dumps(trunk)
    assert len(saved) < 2000
    np.testing.assert_array_equal(pickle.loads(saved).feature_maps(x), expected)
    state = torch.load(checkpoint)
    torch.save({f"module_{k}": v for k, v in state.items()}, checkpoint)
    with pytest.raises(ValueError, match=r"holds other weights than in fit: their SHA-256 is \w+…"):
        pickle.loads(saved).feature_maps(x)
    with pytest.raises(ValueError, match=r"in their order all shapes fit: match='order'"):
        open_trunk("mobilenetv3_small_050", checkpoint=checkpoint)
    ordered = open_trunk("mobilenetv3_small_050", checkpoint=checkpoint, match="order")
    np.testing.assert_array_equal(ordered.feature_maps(x), expected)
    checkpoint.unlink()
    with pytest.raises(FileNotFoundError, match="must hold the weights of a network"):
        ordered.feature_maps(x)


def test_what_does_not_fit_is_said(checkpoint, tmp_path):
    with pytest.raises(ValueError, match="does not fit 'resnet10t': 72 of the"):
        open_trunk("resnet10t", checkpoint=checkpoint)
    with pytest.raises(ValueError, match="does not fit 'resnet10t': its"):
        open_trunk("resnet10t", checkpoint=checkpoint, match="order")
    with pytest.raises(ValueError, match="neither a model of timm"):
        open_trunk("resnet1", checkpoint=checkpoint)
    with pytest.raises(ValueError, match=r"got neither\. Nothing is downloaded unless asked"):
        open_trunk("resnet10t")
    with pytest.raises(FileNotFoundError, match="must hold the weights"):
        open_trunk("resnet10t", checkpoint=tmp_path / "none.pth")
    with pytest.raises(ValueError, match=r"holds no config\.json"):
        open_trunk(tmp_path)
    (tmp_path / "text.pth").write_text("no weights")
    with pytest.raises(ValueError, match="cannot be read"):
        open_trunk("resnet10t", checkpoint=tmp_path / "text.pth")
    with pytest.raises(TypeError, match="network must be a torch"):
        open_trunk(3)
    with pytest.raises(ValueError, match="must have a layer whose output is a map"):
        open_trunk(torch.nn.AdaptiveAvgPool2d(1), preprocessing=PREPROCESSING)
    with pytest.raises(ValueError, match="does not take images of 16 × 16 pixels"):
        open_trunk(torch.nn.Conv2d(4, 2, 3), preprocessing=PREPROCESSING)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_no_gpu_is_said():
    trunk = open_trunk(small_module(), preprocessing=PREPROCESSING)
    with pytest.raises(RuntimeError, match="device='cuda' was asked for, but PyTorch finds no"):
        trunk.feature_maps(noise(1, 3, 16, 16), "cuda")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_gives_the_same():
    trunk = open_trunk(small_module(), preprocessing=PREPROCESSING)
    x = noise(4, 3, 16, 16)
    np.testing.assert_allclose(trunk.feature_maps(x, "cuda"), trunk.feature_maps(x), atol=1e-4)


def test_modules_are_copied():
    module = small_module()
    trunk = open_trunk(module, preprocessing=PREPROCESSING)
    x = noise(1, 3, 16, 16)
    expected = trunk.feature_maps(x)
    with torch.no_grad():
        module[0].weight.zero_()
    np.testing.assert_array_equal(trunk.feature_maps(x), expected)
    again = pickle.loads(pickle.dumps(trunk))
    np.testing.assert_array_equal(again.feature_maps(x), expected)
    assert again.fingerprint == trunk.fingerprint == ("Sequential", trunk.sha256)
    assert module.training


def test_trunks_are_shared_by_clones():
    trunk = open_trunk(small_module(), preprocessing=PREPROCESSING)
    assert deepcopy(trunk) is trunk
    assert clone(DeepDescriptor(trunk)).network is trunk
    assert open_trunk(trunk) is trunk
    assert open_trunk(trunk, layer="1").layer_name == "1"
    assert open_trunk(trunk, preprocessing={"size": 32}).preprocessing == Preprocessing(
        (32, 32), (0.5,) * 3, (0.25,) * 3, "bilinear"
    )


def test_bits_do_not_depend_on_the_batch_or_on_threads(timm):
    trunk = open_trunk(timm.create_model("mobilenetv3_small_050"))
    x = noise(6, 3, 64, 96)
    expected = np.concatenate([trunk.feature_maps(one[None]) for one in x])
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        np.testing.assert_array_equal(trunk.feature_maps(x), expected)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    with ThreadPoolExecutor(3) as pool:
        found = list(pool.map(lambda one: trunk.feature_maps(one[None]), x))
    np.testing.assert_array_equal(np.concatenate(found), expected)


@pytest.mark.parametrize(("stride", "length"), [(4, 30), (4, 32), (8, 64)])
def test_cells_of_onnx_files_are_measured_from_outside(tmp_path, stride, length):
    path = save_onnx(tmp_path / "net.onnx", {"maps": 5}, stride=stride)
    trunk = open_trunk(path, preprocessing=PREPROCESSING)
    cells = trunk.cells(length, 16)
    # a kernel of 3 with a padding of 1 sees the pixel that it starts at in the middle
    np.testing.assert_array_equal(cells.rows, np.arange(0, length, stride) + 0.5)
    assert len(cells.rows) == trunk.feature_maps(noise(1, 3, length, 16)).shape[2]


@pytest.mark.parametrize("operator", ["MaxPool", "AveragePool"])
def test_cells_behind_a_pooling_are_measured(tmp_path, operator):
    """ONNX Runtime's MaxPool drops NaN, so a cell that sees some is seen by the change it makes."""
    parser = pytest.importorskip("onnx.parser")
    model = parser.parse_model(f"""
        <ir_version: 8, opset_import: ["" : 13]>
        net (float[n, 3, h, w] photo) => (float[n, 3, y, x] maps) {{
            maps = {operator}<kernel_shape = [3, 3], strides = [2, 2], pads = [1, 1, 1, 1]>(photo)
        }}""")
    (tmp_path / "a.onnx").write_bytes(model.SerializeToString())
    cells = open_trunk(tmp_path / "a.onnx", preprocessing=PREPROCESSING).cells(16, 17)
    np.testing.assert_array_equal(cells.rows, 2 * np.arange(8) + 0.5)
    np.testing.assert_array_equal(cells.cols, 2 * np.arange(9) + 0.5)


def test_onnx_files_are_trunks(tmp_path):
    path = save_onnx(tmp_path / "net.onnx", {"coarse": 5, "other": 2})
    trunk = open_trunk(path, layer="coarse", preprocessing=PREPROCESSING)
    assert (trunk.n_channels, trunk.stride, trunk.is_flexible) == (5, (4, 4), True)
    assert open_trunk(path, preprocessing=PREPROCESSING).layer_name == "other"
    assert trunk.feature_maps(noise(2, 3, 16, 24)).shape == (2, 5, 4, 6)
    assert pickle.loads(pickle.dumps(trunk)).sha256 == trunk.sha256
    with pytest.raises(ValueError, match=r"no output 'fine'.*'coarse', 'other'"):
        open_trunk(path, layer="fine", preprocessing=PREPROCESSING)
    with pytest.raises(ValueError, match=r"layer=2 must lie in \[-2, 2\)"):
        open_trunk(path, layer=2, preprocessing=PREPROCESSING)
    save_onnx(path, {"coarse": 5}, seed=1)
    with pytest.raises(ValueError, match="another network than expected"):
        trunk.feature_maps(noise(1, 3, 16, 16))
    fixed = save_onnx(tmp_path / "fixed.onnx", {"maps": 5}, size=(16, 24))
    with pytest.raises(ValueError, match="takes images of 16 × 24 pixels"):
        open_trunk(fixed, preprocessing=PREPROCESSING)
    trunk = open_trunk(fixed, preprocessing={**PREPROCESSING, "size": (16, 24)})
    assert trunk.input_size(500, 100) == (16, 24)
