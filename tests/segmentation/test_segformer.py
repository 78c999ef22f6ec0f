"""Networks as segmenters: classes become parts by name, whatever the batch and the image."""

import json
import pickle
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.utils.estimator_checks import parametrize_with_checks

from hierseg_learn import SegmentTreeTransformer
from hierseg_learn.segmentation import SegFormerSegmenter
from hierseg_learn.tree import SegmentTree
from hierseg_learn.utils import trusted_types

HAS_NETWORKS = bool(find_spec("torch") and find_spec("transformers"))
needs_networks = pytest.mark.skipif(not HAS_NETWORKS, reason="needs torch and transformers")
NAMES = ("wall", "hat", "hair", "dress", "shoe")
TREE = {"photo": {"background": 9, "person": {"head": 4, "clothes": [2, 3]}}}
HEADS = {"hat": "head", "hair": "head", "dress": "clothes"}


def segformer():
    from transformers import SegformerConfig, SegformerForSemanticSegmentation

    config = SegformerConfig(
        num_encoder_blocks=2,
        depths=[1, 1],
        sr_ratios=[2, 1],
        hidden_sizes=[8, 8],
        patch_sizes=[7, 3],
        strides=[4, 2],
        num_attention_heads=[1, 1],
        mlp_ratios=[2, 2],
        decoder_hidden_size=8,
        id2label=dict(enumerate(NAMES)),
        initializer_range=0.5,
    )
    return SegformerForSemanticSegmentation(config)


def upernet():
    from transformers import ConvNextConfig, UperNetConfig, UperNetForSemanticSegmentation

    backbone = ConvNextConfig(
        hidden_sizes=[8, 8, 8, 8], depths=[1, 1, 1, 1], out_features=["stage1", "stage4"]
    )
    config = UperNetConfig(
        backbone_config=backbone,
        hidden_size=8,
        pool_scales=[1, 2],
        use_auxiliary_head=False,
        id2label=dict(enumerate(NAMES)),
        initializer_range=0.5,
    )
    return UperNetForSemanticSegmentation(config)


def mobilevit():
    from transformers import MobileViTConfig, MobileViTForSemanticSegmentation

    config = MobileViTConfig(
        hidden_sizes=[8, 8, 8],
        neck_hidden_sizes=[4, 4, 4, 8, 8, 8, 8],
        num_attention_heads=1,
        aspp_out_channels=8,
        atrous_rates=[1, 2, 3],
        id2label=dict(enumerate(NAMES)),
        initializer_range=0.5,
    )
    return MobileViTForSemanticSegmentation(config)


def mask2former():
    import torch
    from transformers import Mask2FormerConfig, Mask2FormerForUniversalSegmentation, SwinConfig

    backbone = SwinConfig(
        embed_dim=8,
        depths=[1, 1, 1, 1],
        num_heads=[1, 1, 1, 1],
        window_size=2,
        out_features=["stage1", "stage2", "stage3", "stage4"],
    )
    config = Mask2FormerConfig(
        backbone_config=backbone,
        feature_size=32,
        mask_feature_size=32,
        hidden_dim=32,
        encoder_feedforward_dim=8,
        dim_feedforward=8,
        num_attention_heads=1,
        encoder_layers=1,
        decoder_layers=2,
        num_queries=6,
        id2label=dict(enumerate(NAMES)),
        init_std=0.5,
    )
    network = Mask2FormerForUniversalSegmentation(config)
    # random queries all say the same, unless what they agree on is taken away
    said = network(pixel_values=torch.rand(1, 3, 64, 64)).class_queries_logits[0]
    network.class_predictor.bias.data -= said.mean(dim=0)
    network.class_predictor.weight.data *= 10
    network.class_predictor.bias.data *= 10
    return network


def eomt(n_classes=5):
    import torch
    from transformers import EomtConfig, EomtForUniversalSegmentation

    config = EomtConfig(
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        image_size=32,
        patch_size=8,
        num_blocks=1,
        num_queries=8,
        num_upscale_blocks=1,
        num_register_tokens=0,
        layerscale_value=1.0,
        id2label=dict(enumerate(NAMES[:n_classes])),
    )
    network = EomtForUniversalSegmentation(config)
    with torch.no_grad():
        for values in network.parameters():
            if values.ndim > 1:
                values.normal_(0, 0.5)
    return network


def processor(name):
    import transformers

    side = {"height": 32, "width": 32}
    if name == "mobilevit":
        return transformers.MobileViTImageProcessor(
            size={"shortest_edge": 32}, crop_size=side, do_center_crop=True
        )
    if name == "mask2former":
        return transformers.Mask2FormerImageProcessor(
            size={"height": 64, "width": 64}, ignore_index=255
        )
    return transformers.SegformerImageProcessor(size=side)


NETWORKS = {
    "segformer": segformer,
    "upernet": upernet,
    "mobilevit": mobilevit,
    "mask2former": mask2former,
}


def save(name, folder):
    import torch

    torch.manual_seed(0)
    NETWORKS[name]().save_pretrained(folder)
    processor(name).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory):
    if not HAS_NETWORKS:
        pytest.skip("needs torch and transformers")
    return save("segformer", tmp_path_factory.mktemp("segformer"))


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


def expected_classes(folder, image):
    """Steps of the documentation of transformers, one image at a time, all classes at once."""
    import torch
    from transformers import AutoImageProcessor, AutoModelForSemanticSegmentation

    network = AutoModelForSemanticSegmentation.from_pretrained(folder).eval()
    inputs = AutoImageProcessor.from_pretrained(folder)(image, return_tensors="pt")
    with torch.no_grad():
        logits = network(**inputs).logits
    large = torch.nn.functional.interpolate(
        logits, size=image.shape[:2], mode="bilinear", align_corners=False
    )
    return large[0].argmax(dim=0).numpy()


def test_every_class_is_a_part_by_default(checkpoint, images):
    segmenter = SegFormerSegmenter(checkpoint, device="cpu").fit(images)
    assert segmenter.class_names_ == NAMES
    assert segmenter.tree_.to_nested() == {"image": {name: k for k, name in enumerate(NAMES)}}
    labels = segmenter.segment(images[1])
    assert labels.dtype == np.int32
    assert len(np.unique(labels)) > 1
    np.testing.assert_array_equal(labels, expected_classes(checkpoint, images[1]))


@pytest.mark.parametrize("batch_size", [1, 2, 3, 100])
def test_any_batch_size_gives_the_same_labels(checkpoint, images, batch_size):
    segmenter = SegFormerSegmenter(checkpoint, batch_size=batch_size, device="cpu").fit(images)
    for image, labels in zip(images, segmenter.segment_images(images), strict=True):
        np.testing.assert_array_equal(labels, segmenter.segment(image))


def test_no_more_images_than_batch_size_at_once(checkpoint, images, monkeypatch):
    from hierseg_learn.segmentation._network import SegmentationNetwork

    sizes, predict = [], SegmentationNetwork.predict

    def counted(self, given):
        sizes.append(len(given))
        return predict(self, given)

    monkeypatch.setattr(SegmentationNetwork, "predict", counted)
    SegFormerSegmenter(checkpoint, batch_size=3, device="cpu").fit(images).segment_images(images)
    assert sizes == [3, 3, 1]


def test_large_images_are_interpolated_class_by_class(checkpoint, images, monkeypatch):
    segmenter = SegFormerSegmenter(checkpoint, device="cpu").fit(images)
    at_once = segmenter.segment(images[1])
    monkeypatch.setattr("hierseg_learn.segmentation._network.MAX_VALUES", 2 * at_once.size)
    np.testing.assert_array_equal(segmenter.segment(images[1]), at_once)


def test_grey_and_float_images(checkpoint, images):
    colored = SegFormerSegmenter(checkpoint, device="cpu").fit(images)
    gray = images[1][..., 0]
    found = SegFormerSegmenter(checkpoint, device="cpu").fit([gray]).segment(gray)
    np.testing.assert_array_equal(found, colored.segment(np.stack([gray] * 3, axis=-1)))
    floats = [image / 255 for image in images]
    found = SegFormerSegmenter(checkpoint, device="cpu").fit(floats).segment(floats[1])
    np.testing.assert_array_equal(found, colored.segment(images[1]))


def test_classes_become_parts_by_name(checkpoint, images):
    raw = SegFormerSegmenter(checkpoint, device="cpu").fit(images).segment(images[1])
    segmenter = SegFormerSegmenter(checkpoint, classes=HEADS, device="cpu").fit(images)
    nested = {"image": {"background": 0, "head": 1, "clothes": 2}}
    assert segmenter.tree_.to_nested() == nested
    np.testing.assert_array_equal(segmenter.segment(images[1]), np.array([0, 1, 1, 2, 0])[raw])
    with_tree = SegFormerSegmenter(checkpoint, classes=HEADS, tree=TREE, device="cpu").fit(images)
    assert with_tree.tree_ == SegmentTree.from_nested(TREE)
    np.testing.assert_array_equal(with_tree.segment(images[1]), np.array([9, 4, 4, 2, 9])[raw])


@pytest.mark.parametrize("name", ["upernet", "mobilevit", "mask2former"])
def test_other_networks(name, images, tmp_path):
    if not HAS_NETWORKS:
        pytest.skip("needs torch and transformers")
    segmenter = SegFormerSegmenter(save(name, tmp_path), classes=HEADS, device="cpu").fit(images)
    found = segmenter.segment_images(images)
    others = 0
    for image, labels in zip(images, found, strict=True):
        assert labels.shape == image.shape[:2]
        others += np.count_nonzero(labels != segmenter.segment(image))
    # a batch is rounded differently, and to random weights two classes may be as likely
    assert others <= 0.01 * sum(labels.size for labels in found)
    assert len(np.unique(np.concatenate([labels.ravel() for labels in found]))) > 1


def test_nothing_is_cropped_away(images, tmp_path):
    if not HAS_NETWORKS:
        pytest.skip("needs torch and transformers")
    from hierseg_learn.segmentation._network import load_network

    network = load_network(save("mobilevit", tmp_path), "cpu")
    views, inputs = network._prepare(images[4].astype(np.float32) / 255, 0)
    assert views.is_plain
    assert [values["pixel_values"].shape for values in inputs] == [(3, 32, 66)]


def bright(n_classes=2):
    """Stand-in for a network: bright pixels are class 1, or the only one."""
    from types import SimpleNamespace

    import torch

    class Bright(torch.nn.Module):
        device = torch.device("cpu")

        def forward(self, pixel_values):
            gray = pixel_values.mean(dim=1, keepdim=True)
            above = gray - (gray.max() + gray.min()) / 2
            return SimpleNamespace(logits=torch.cat([-above, above][-n_classes:], dim=1))

    return Bright()


def side(height, width=None):
    return {"height": height, "width": width or height}


def edges(shortest, longest=None):
    return {"shortest_edge": shortest, "longest_edge": longest}


PROCESSORS = {
    "padded to a multiple": ("DPT", {"do_resize": False, "do_pad": True, "size_divisor": 64}),
    "padded to a size": ("Mask2Former", {"size": edges(60, 240), "pad_size": side(256)}),
    "padded right and below": ("Eomt", {"size": edges(64, 64), "do_pad": True}),
    "padded by its crop": (
        "Beit",
        {"size": side(40), "do_center_crop": True, "crop_size": side(48, 64)},
    ),
    "cropped": ("Beit", {"size": side(80), "do_center_crop": True, "crop_size": side(48)}),
    "cropped, flipped colors": ("MobileViT", {"size": edges(64), "crop_size": side(48)}),
    "cropped as it is resized": ("ConvNext", {"size": {"shortest_edge": 48}, "crop_pct": 0.875}),
    "split": ("Eomt", {"size": edges(64), "do_split_image": True}),
    "split and padded": (
        "Eomt",
        {"size": edges(64, 100), "do_split_image": True, "do_pad": True},
    ),
    "aspect": ("DPT", {"size": side(64), "keep_aspect_ratio": True, "ensure_multiple_of": 8}),
}


@needs_networks
@pytest.mark.parametrize("n_classes", [1, 2])
@pytest.mark.parametrize("case", PROCESSORS)
def test_any_processor_gives_the_right_pixels(case, n_classes):
    import transformers

    from hierseg_learn.segmentation._network import SegmentationNetwork

    name, settings = PROCESSORS[case]
    loader = getattr(transformers, f"{name}ImageProcessor", None)
    if loader is None:
        pytest.skip(f"needs a transformers that has {name}")
    network = SegmentationNetwork(bright(n_classes), loader(**settings), ("dark", "bright"))
    photos = []
    for height, width in [(50, 90), (90, 40), (64, 64), (24, 120)]:
        photo = np.zeros((height, width, 3), np.float32)
        photo[height // 5 : height - height // 5, 5 * width // 9 : 8 * width // 9] = 1
        photos.append(photo)
    for photo in photos:
        found = network.predict([photo])[0] == n_classes - 1
        wanted = photo[..., 0] > 0.5
        assert (found & wanted).sum() > 0.95 * (found | wanted).sum()


@needs_networks
def test_a_photo_that_cannot_be_seen_whole_is_refused_by_name(images):
    import transformers

    from hierseg_learn.segmentation._classes import ImageRefused
    from hierseg_learn.segmentation._network import SegmentationNetwork

    class Cropping(transformers.ViTImageProcessor):
        def __call__(self, photo, **settings):
            return super().__call__(photo[:, :20], **settings)

    network = SegmentationNetwork(bright(), Cropping(size=side(32)), ("dark", "bright"))
    narrow, wide = (np.zeros((30, width, 3), np.float32) for width in (20, 60))
    with pytest.raises(
        ImageRefused, match=r"Cropping cannot prepare a photo of 30 × 60 pixels: it"
    ):
        network.predict([narrow, wide])


@needs_networks
@pytest.mark.parametrize("size", [(32, 64), (64, 32), (40, 100), (32, 32), (20, 30)])
def test_pieces_of_a_photo_are_merged_as_transformers_does(size, tmp_path):
    import torch

    transformers = pytest.importorskip("transformers")
    if not hasattr(transformers, "EomtImageProcessor"):
        pytest.skip("needs a transformers that has Eomt")
    torch.manual_seed(0)
    network = eomt().eval()
    network.save_pretrained(tmp_path)
    splitter = transformers.EomtImageProcessor(size=edges(32), do_split_image=True)
    splitter.save_pretrained(tmp_path)
    photo = np.kron(np.random.default_rng(0).integers(0, 256, (7, 7, 3)), np.ones((20, 20, 1)))
    photo = photo[: size[0], : size[1]].astype(np.uint8)
    inputs = splitter(photo, return_tensors="pt")
    with torch.inference_mode():
        outputs = network(**inputs)
    expected = splitter.post_process_semantic_segmentation(outputs, target_sizes=[size])[0].numpy()
    found = SegFormerSegmenter(tmp_path, device="cpu").fit([photo, photo]).segment(photo)
    assert (found == expected).mean() > 0.995


@needs_networks
def test_a_universal_network_of_one_label(images, tmp_path):
    """Its class is where its sum over the queries is above a half."""
    import torch

    transformers = pytest.importorskip("transformers")
    if not hasattr(transformers, "EomtImageProcessor"):
        pytest.skip("needs a transformers that has Eomt")
    network = eomt(n_classes=1)
    for bias, expected in [(-20.0, "background"), (20.0, "wall")]:
        with torch.no_grad():
            network.class_predictor.weight.zero_()
            network.class_predictor.bias.copy_(torch.tensor([bias, 0.0]))
        network.save_pretrained(tmp_path / str(bias))
        transformers.EomtImageProcessor(size=edges(32, 32), do_pad=True).save_pretrained(
            tmp_path / str(bias)
        )
        segmenter = SegFormerSegmenter(tmp_path / str(bias), device="cpu").fit(images)
        leaves = segmenter.tree_.to_nested()["image"]
        share = (segmenter.segment(images[1]) == leaves[expected]).mean()
        assert share == 1 if expected == "background" else share > 0


@needs_networks
def test_a_network_that_does_not_take_the_photo_names_it(tmp_path):
    """One that needs squares, with a processor that keeps the aspect."""
    transformers = pytest.importorskip("transformers")
    if not hasattr(transformers, "EomtImageProcessor"):
        pytest.skip("needs a transformers that has Eomt")
    eomt().save_pretrained(tmp_path)
    transformers.EomtImageProcessor(size=edges(32)).save_pretrained(tmp_path)
    square, wide = np.zeros((40, 40, 3), np.uint8), np.zeros((40, 80, 3), np.uint8)
    segmenter = SegFormerSegmenter(tmp_path, device="cpu").fit([square, wide])
    assert segmenter.segment(square).shape == (40, 40)
    message = "Eomt.* does not take the image as EomtImageProcessor prepares it whole, with 32 × 64"
    with pytest.raises(ValueError, match=message):
        segmenter.segment(wide)
    with pytest.raises(ValueError, match=f"^Image 1 of X: {message}"):
        segmenter.segment_images([square, wide])


@needs_networks
def test_an_answer_of_another_aspect_is_refused():
    """As DPT gives for 4 × 16 patches, which it lays out as 8 × 8."""
    import torch
    import transformers

    from hierseg_learn.segmentation._classes import ImageRefused
    from hierseg_learn.segmentation._network import SegmentationNetwork

    network = bright()
    answer = network.forward
    network.forward = lambda pixel_values: answer(
        torch.reshape(pixel_values, (len(pixel_values), 3, 64, 64))
    )
    processor = transformers.SegformerImageProcessor(size=side(32, 128))
    photo = np.zeros((30, 110, 3), np.float32)
    with pytest.raises(ImageRefused, match=r"answers 32 × 128 pixels, .* with 64 × 64"):
        SegmentationNetwork(network, processor, ("dark", "bright")).predict([photo])


@needs_networks
def test_a_network_that_wants_more_than_photos_is_refused(images, tmp_path):
    from transformers import OneFormerConfig

    config = OneFormerConfig(id2label=dict(enumerate(NAMES)))
    config.architectures = ["OneFormerForUniversalSegmentation"]
    config.save_pretrained(tmp_path)
    processor("segformer").save_pretrained(tmp_path)
    with pytest.raises(
        ValueError, match="OneFormerForUniversalSegmentation also takes task_inputs"
    ):
        SegFormerSegmenter(tmp_path, device="cpu").fit(images)


def one_label(folder, bias):
    import torch
    from transformers import SegformerConfig, SegformerForSemanticSegmentation

    config = SegformerConfig(**segformer().config.to_diff_dict() | {"id2label": {0: "lesion"}})
    network = SegformerForSemanticSegmentation(config)
    with torch.no_grad():
        network.decode_head.classifier.weight.zero_()
        network.decode_head.classifier.bias.fill_(bias)
    network.save_pretrained(folder)
    processor("segformer").save_pretrained(folder)
    return folder


@needs_networks
@pytest.mark.parametrize(
    ("settings", "leaves", "absent", "present"),
    [
        ({}, {"background": 0, "lesion": 1}, 0, 1),
        ({"background": "skin"}, {"skin": 0, "lesion": 1}, 0, 1),
        ({"background": None}, {"background": 0, "lesion": 1}, 0, 1),
        ({"background": None, "classes": {"lesion": "spot"}}, {"spot": 0}, -1, 0),
        ({"classes": {"lesion": "spot"}}, {"background": 0, "spot": 1}, 0, 1),
        ({"tree": {"image": {"lesion": 4, "background": 7}}}, None, 7, 4),
        ({"tree": {"image": {"lesion": 4}}, "background": None}, None, -1, 4),
    ],
)
def test_a_network_of_one_label_has_a_background(
    settings, leaves, absent, present, images, tmp_path
):
    for bias, expected in [(-5.0, absent), (0.0, absent), (5.0, present)]:
        folder = one_label(tmp_path / str(bias), bias)
        segmenter = SegFormerSegmenter(folder, device="cpu", **settings).fit(images)
        assert segmenter.class_names_ == ("lesion",)
        if leaves is not None:
            assert segmenter.tree_.to_nested() == {"image": leaves}
        np.testing.assert_array_equal(np.unique(segmenter.segment(images[1])), [expected])


@needs_networks
def test_a_tree_without_a_background_for_one_label_is_refused(images, tmp_path):
    tree = {"image": {"lesion": 4}}
    with pytest.raises(ValueError, match="background names the part 'background', which is no"):
        SegFormerSegmenter(one_label(tmp_path, 0.0), tree=tree, device="cpu").fit(images)


@needs_networks
@pytest.mark.parametrize("key", ["image_processor_type", "feature_extractor_type"])
def test_old_names_of_processors(checkpoint, images, tmp_path, key):
    folder = tmp_path / "copy"
    shutil.copytree(checkpoint, folder)
    path = folder / "preprocessor_config.json"
    saved = json.loads(path.read_text())
    del saved["image_processor_type"]
    path.write_text(json.dumps(saved | {key: "SegformerFeatureExtractor"}))
    old, new = (SegFormerSegmenter(f, device="cpu").fit(images) for f in (folder, checkpoint))
    np.testing.assert_array_equal(old.segment(images[1]), new.segment(images[1]))
    path.write_text(json.dumps(saved))
    np.testing.assert_array_equal(old.segment(images[1]), new.segment(images[1]))


@needs_networks
def test_a_processor_that_cannot_be_read(checkpoint, images, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(checkpoint, folder)
    (folder / "preprocessor_config.json").write_text("{")
    with pytest.raises(ValueError, match=r"preprocessor_config\.json .*cannot be read by"):
        SegFormerSegmenter(folder, device="cpu").fit(images)


@needs_networks
@pytest.mark.parametrize(
    ("id2label", "message"),
    [
        ({0: "a", 2: "b"}, r"number the classes from 0 without gaps, got \[0, 2\]"),
        ({1: "a"}, "from 0"),
    ],
)
def test_classes_with_gaps(checkpoint, images, tmp_path, id2label, message):
    folder = tmp_path / "copy"
    shutil.copytree(checkpoint, folder)
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"id2label": id2label}))
    with pytest.raises(ValueError, match=message):
        SegFormerSegmenter(folder, device="cpu").fit(images)


def test_a_pickle_holds_no_network(checkpoint, images):
    segmenter = SegFormerSegmenter(checkpoint, device="cpu").fit(images)
    stored = pickle.dumps(segmenter)
    assert len(stored) < 3000
    again = pickle.loads(stored)
    np.testing.assert_array_equal(again.segment(images[1]), segmenter.segment(images[1]))
    assert clone(segmenter).get_params() == segmenter.get_params()


def test_skops_stores_the_path(checkpoint, images):
    sio = pytest.importorskip("skops.io", reason="skops is not installed")
    segmenter = SegFormerSegmenter(Path(checkpoint), device="cpu").fit(images)
    again = sio.loads(sio.dumps(segmenter), trusted=trusted_types())
    assert again.checkpoint == Path(checkpoint)
    np.testing.assert_array_equal(again.segment(images[1]), segmenter.segment(images[1]))


def test_a_network_is_loaded_once(checkpoint, images):
    from hierseg_learn.segmentation._network import load_network

    assert load_network(checkpoint, "cpu") is load_network(str(checkpoint), "cpu")


def test_another_checkpoint_in_the_same_folder_is_refused(checkpoint, images, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(checkpoint, folder)
    segmenter = SegFormerSegmenter(folder, device="cpu").fit(images)
    config = folder / "config.json"
    config.write_text(config.read_text().replace('"shoe"', '"boot"'))
    with pytest.raises(ValueError, match=r"another than in fit: its classes are .*'boot'"):
        segmenter.segment(images[0])


def test_in_the_transformer(checkpoint, images):
    segmenter = SegFormerSegmenter(checkpoint, classes=HEADS, tree=TREE, device="cpu")
    kept = [image for image in images if image.size > 300]
    tables = [
        SegmentTreeTransformer(segmenter, descriptors="color", n_jobs=n_jobs).fit_transform(kept)
        for n_jobs in (1, 2)
    ]
    np.testing.assert_allclose(tables[0]["photo|area"], 1)
    np.testing.assert_array_equal(*tables)


def test_progress(checkpoint, images, capsys):
    segmenter = SegFormerSegmenter(checkpoint, device="cpu").fit(images)
    segmenter.segment_images(images)
    assert capsys.readouterr().err == ""
    segmenter.set_params(verbose=1).segment_images(images)
    assert "7/7" in capsys.readouterr().err


@needs_networks
def test_cuda_that_is_not_there(checkpoint, images, monkeypatch):
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(RuntimeError, match="device='cuda' was asked for, but PyTorch finds no"):
        SegFormerSegmenter(checkpoint, device="cuda").fit(images)
    SegFormerSegmenter(checkpoint, device="auto").fit(images)


@needs_networks
def test_a_classifier_is_no_segmenter(images, tmp_path):
    from transformers import SegformerForImageClassification

    SegformerForImageClassification(segformer().config).save_pretrained(tmp_path)
    processor("segformer").save_pretrained(tmp_path)
    message = "must hold a network for semantic segmentation, got SegformerForImageClassification"
    with pytest.raises(ValueError, match=message):
        SegFormerSegmenter(tmp_path).fit(images)


def test_a_folder_without_a_checkpoint(images, tmp_path):
    with pytest.raises(ValueError, match=r"holds no config\.json\. Nothing is downloaded"):
        SegFormerSegmenter("nvidia/segformer-b0").fit(images)
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ValueError, match=r"holds no preprocessor_config\.json"):
        SegFormerSegmenter(tmp_path).fit(images)
    with pytest.raises(ValueError, match="'checkpoint' parameter"):
        SegFormerSegmenter().fit(images)


@pytest.mark.parametrize("package", ["torch", "transformers"])
def test_without_the_packages_the_extra_is_named(package, images, tmp_path, monkeypatch):
    for name in ("config.json", "preprocessor_config.json"):
        (tmp_path / name).write_text("{}")
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ImportError, match=r"hierseg-learn\[deep\]"):
        SegFormerSegmenter(tmp_path).fit(images)


class LazyFolder:
    """Path of a checkpoint that is saved when it is first asked for."""

    folder = None

    def __fspath__(self):
        if type(self).folder is None:
            from tempfile import TemporaryDirectory

            type(self).folder = TemporaryDirectory()
            save("segformer", type(self).folder.name)
        return type(self).folder.name

    def __repr__(self):
        return "checkpoint"


@needs_networks
@parametrize_with_checks([SegFormerSegmenter(LazyFolder(), device="cpu")])
def test_sklearn_checks(estimator, check):
    check(estimator)
