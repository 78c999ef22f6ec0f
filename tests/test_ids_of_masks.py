"""Ids of label maps that are parts, in every function; a warning tells what is dropped."""

import pickle
import struct
import warnings
import zlib

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from sklearn.base import clone

from hierseg_learn import SegmentedImages, SegmentTreeTransformer
from hierseg_learn.datasets import load_segmented_folder, make_biased
from hierseg_learn.images import ImageFiles
from hierseg_learn.segmentation import (
    CallableSegmenter,
    GridSegmenter,
    MaskSegmenter,
    SegmenterUnion,
    part_report,
)

RNG = np.random.default_rng(0)
PHOTOS = RNG.integers(0, 256, (4, 12, 12, 3), dtype=np.uint8)
MASKS = np.zeros((4, 12, 12), dtype=np.uint8)
MASKS[:, 3:9, 3:9] = 255
THREE = MASKS.copy()
THREE[:, :3] = 1
LESION = {"photo": {"skin": 0, "lesion": 255}}
SAID = r"255 in uint8 label maps is no part .* 25% of the pixels"


@pytest.fixture(autouse=True)
def no_other_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def transformer(segmenter="auto", **params):
    return SegmentTreeTransformer(segmenter, descriptors="color", **params)


def otsu(image):
    return (image.mean(axis=-1) > 0.5).astype(np.uint8) * 255


def three(image):
    return THREE[0]


def saved(tmp_path, masks):
    image = pytest.importorskip("PIL.Image")
    paths = [tmp_path / f"mask_{i}.png" for i in range(len(masks))]
    for path, mask in zip(paths, masks):
        image.fromarray(mask).save(path)
    return paths


@pytest.mark.parametrize("given", ["array", "files", "pillow", "bool"])
def test_black_and_white_masks_have_two_parts(tmp_path, given):
    masks = MASKS.copy()
    masks[3] = 255
    if given != "array":
        masks = masks > 0 if given == "bool" else saved(tmp_path, masks)
    if given == "pillow":
        image = pytest.importorskip("PIL.Image")
        masks = [image.fromarray(np.asarray(image.open(path))) for path in masks]
    object_id = 1 if given == "bool" else 255
    for X in (SegmentedImages(PHOTOS, masks), list(SegmentedImages(PHOTOS, masks))):
        model = transformer().fit(X)
        assert model.tree_.names == ("part_0", f"part_{object_id}", "image")
        area = model.transform(X)[f"image/part_{object_id}|area"]
        assert_array_equal(area, np.float32([0.25, 0.25, 0.25, 1]))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, ">u2", np.int32, np.int64, float])
@pytest.mark.parametrize("segmenter", ["auto", MaskSegmenter(LESION), MaskSegmenter()])
def test_an_id_that_the_tree_names_is_a_part(dtype, segmenter):
    model = transformer(segmenter, tree=LESION)
    area = model.fit_transform(PHOTOS, segments=MASKS.astype(dtype)).filter(like="area")
    assert_array_equal(area, np.tile(np.float32([0.75, 0.25, 1]), (4, 1)))


@pytest.mark.parametrize("tree", [None, LESION])
def test_functions_follow_the_same_rules(tree):
    model = transformer(otsu, tree=tree).fit(PHOTOS)
    assert model.tree_.n_leaves == 2
    assert (model.transform(PHOTOS)[f"{model.tree_.root_name}|area"] == 1).all()
    model = transformer(three, tree=None if tree is None else {"photo": {"a": 0, "b": 1}})
    with pytest.warns(UserWarning, match=SAID):
        model.fit(PHOTOS)
    assert model.tree_.n_leaves == 2
    model.transform(PHOTOS)
    model = transformer(CallableSegmenter(three, unlabeled=255)).fit(PHOTOS)
    assert model.tree_.n_leaves == transformer(three, unlabeled=255).fit(PHOTOS).tree_.n_leaves == 2
    assert transformer(three, unlabeled=[]).fit(PHOTOS).tree_.n_leaves == 3


@pytest.mark.parametrize("tree", [None, {"photo": {"a": 0, "b": 1}}])
@pytest.mark.parametrize("n_jobs", [None, 2])
@pytest.mark.parametrize("on_disk", [False, True])
def test_what_is_dropped_is_said_once_with_its_share(tmp_path, tree, n_jobs, on_disk):
    masks = saved(tmp_path, THREE) if on_disk else THREE
    X = SegmentedImages(PHOTOS, masks)[np.arange(40) % 4]
    with pytest.warns(UserWarning, match=SAID) as said:
        model = transformer(tree=tree, n_jobs=n_jobs).fit(X)
    assert len(said) == 1
    # said in fit, so not again
    model.transform(X)
    model = transformer(tree=tree, n_jobs=n_jobs).fit(PHOTOS, segments=THREE % 255)
    with pytest.warns(UserWarning, match=SAID):
        model.transform(X)
    transformer(tree=tree, unlabeled=255).fit(X).transform(X)


@pytest.mark.parametrize("place", ["collection", "transformer", "segmenter", "member"])
def test_unlabeled_is_remembered(place):
    masks = THREE.astype(int)
    masks[:, 0, :3] = 9
    said = {"unlabeled": 9}
    X, segments, model = PHOTOS, masks, transformer()
    if place == "collection":
        X, segments = SegmentedImages(PHOTOS, masks, **said), None
    elif place == "transformer":
        model = transformer(**said)
    elif place == "segmenter":
        model = transformer(MaskSegmenter(**said))
    else:
        union = SegmenterUnion([("all", GridSegmenter(1)), ("parts", MaskSegmenter(**said))])
        model = transformer(union)
    model = pickle.loads(pickle.dumps(clone(model).fit(X, segments=segments)))
    assert model.segmenter_.unlabeled_ == (9,)
    assert "part_9" not in model.tree_.names
    table = model.transform(PHOTOS, segments=masks)
    for other in (
        SegmentedImages(PHOTOS, masks),
        SegmentedImages(PHOTOS, masks, unlabeled=[9]),
        list(SegmentedImages(PHOTOS, masks, unlabeled=9)),
    ):
        pd.testing.assert_frame_equal(model.transform(other), table)
    with pytest.raises(ValueError, match=r"X has unlabeled=\[1\], the model has unlabeled=\[9\]"):
        model.transform(SegmentedImages(PHOTOS, masks, unlabeled=1))


def test_unlabeled_takes_the_place_of_255():
    model = transformer(unlabeled=9).fit(PHOTOS, segments=THREE % 255)
    with pytest.raises(ValueError, match="holds part id 255"):
        model.transform(PHOTOS, segments=THREE)


def test_contradictions():
    X = SegmentedImages(PHOTOS, MASKS, unlabeled=255)
    with pytest.raises(ValueError, match=r"unlabeled=\[255\] names the id 255, which is a part"):
        transformer(tree=LESION).fit(X)
    with pytest.raises(ValueError, match=r"X has unlabeled=\[255\], the model has unlabeled=\[0\]"):
        transformer(unlabeled=0).fit(X)
    with pytest.raises(ValueError, match=r"unlabeled=3, but the segmenter has unlabeled=4"):
        transformer(MaskSegmenter(unlabeled=4), unlabeled=3).fit(PHOTOS, segments=MASKS)
    with pytest.raises(ValueError, match=r"Mask 0 of segments is unlabeled everywhere.*unlabeled="):
        transformer().fit(PHOTOS, segments=np.full_like(MASKS, 255))
    for wrong in ("a", 1.5, [True]):
        with pytest.raises((TypeError, ValueError), match="unlabeled"):
            transformer(unlabeled=wrong).fit(PHOTOS, segments=MASKS)


def test_one_item_says_what_its_collection_says():
    masks = THREE.astype(np.uint16)
    X = SegmentedImages(PHOTOS, masks, unlabeled=255)
    model = transformer().fit(X)
    again = pickle.loads(pickle.dumps(X))
    for one in (X[0], [X[0]], X[[0]], X[:1], again[0], next(iter(again))):
        pd.testing.assert_frame_equal(model.transform(one), model.transform(X).iloc[:1])
    assert set(np.unique(X[0].mask)) == {-1, 0, 1}
    whole = SegmentedImages(PHOTOS, THREE, unlabeled=[])
    assert set(np.unique(whole[0].mask)) == {0, 1, 255}
    assert transformer().fit(list(whole)).tree_.n_leaves == 3


def test_loaders_and_reports(tmp_path):
    for name, arrays in (("images", PHOTOS), ("masks", THREE)):
        (tmp_path / name).mkdir()
        saved(tmp_path / name, arrays)
    (tmp_path / "index.csv").write_text("id,label\n" + "".join(f"mask_{i},x\n" for i in range(4)))
    (tmp_path / "parts.json").write_text('{"tree": {"photo": {"a": [0, 255], "b": 1}}}')
    data = load_segmented_folder(tmp_path)
    assert (transformer(tree=data.tree).fit_transform(data.images)["photo|area"] == 1).all()
    data = load_segmented_folder(tmp_path, unlabeled=255)
    assert transformer().fit(data.images).tree_.n_leaves == 2
    with pytest.warns(UserWarning, match=SAID):
        report = part_report(GridSegmenter(2).fit(PHOTOS), PHOTOS, THREE)
    assert report.classes == ("class 0", "class 1")
    report = part_report(GridSegmenter(2).fit(PHOTOS), PHOTOS, THREE, unlabeled=[])
    assert report.classes == ("class 0", "class 1", "class 255")
    biased = make_biased(PHOTOS, MASKS, [0, 1, 0, 1], random_state=0)
    assert_array_equal(biased.images.images[0][3:9, 3:9][2:4, 2:4], PHOTOS[0][5:7, 5:7])


def gray_png(ids, bits):
    """A PNG file of gray values of 1, 2 or 4 bits, which Pillow does not write."""

    def chunk(kind, data):
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    rows = b""
    for row in ids:
        text = "".join(format(k, f"0{bits}b") for k in row)
        text += "0" * (-len(text) % 8)
        rows += b"\0" + bytes(int(text[k : k + 8], 2) for k in range(0, len(text), 8))
    header = struct.pack(">IIBBBBB", ids.shape[1], ids.shape[0], bits, 0, 0, 0, 0)
    start = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header)
    return start + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_files_of_few_bits_hold_the_ids_that_were_stored(tmp_path, bits):
    image = pytest.importorskip("PIL.Image")
    ids = RNG.integers(0, 2**bits, (7, 9))
    ids[0, 0] = 2**bits - 1
    path = tmp_path / "mask.png"
    path.write_bytes(gray_png(ids, bits))
    assert_array_equal(ImageFiles([path], "mask")[0], ids)
    with image.open(path) as decoded:
        decoded.load()
    X = SegmentedImages(np.zeros((1, 7, 9)), [decoded])
    assert_array_equal(X[0].mask, ids)
    # as a photo it keeps its brightness
    assert ImageFiles([path])[0].max() == (True if bits == 1 else 255)


@pytest.mark.parametrize("top", [3, 20, 255, 300])
def test_plain_graymaps_hold_the_ids_that_were_stored(tmp_path, top):
    pytest.importorskip("PIL")
    ids = np.array([[0, 1, 2, top]])
    path = tmp_path / "mask.pgm"
    path.write_text(f"P2 4 1 {top}\n" + " ".join(map(str, ids[0])) + "\n")
    assert_array_equal(ImageFiles([path], "mask")[0], ids)


@pytest.mark.parametrize("suffix", ["jpg", "webp", "gif", "tif"])
def test_formats_that_change_ids_are_refused(tmp_path, suffix):
    image = pytest.importorskip("PIL.Image")
    ids = np.where(MASKS[0], 80, 3).astype(np.uint8).repeat(8, axis=0).repeat(8, axis=1)
    mask = image.fromarray(ids)
    options = {"compression": "jpeg"} if suffix == "tif" else {}
    if suffix == "gif":
        mask.putpalette(list(range(60)) * 3)
    path = tmp_path / f"mask.{suffix}"
    mask.save(path, **options)
    match = "save label maps as PNG" if suffix == "gif" else "perhaps 3, 80"
    photos = np.zeros((1, 96, 96), dtype=np.uint8)
    with image.open(path) as opened:
        for given in ([path], [opened]):
            with pytest.raises(ValueError, match=rf"Mask 0 of .*{match}"):
                transformer().fit(SegmentedImages(photos, given))


@pytest.mark.parametrize("kind", ["jpeg", "resized"])
def test_masks_that_went_through_a_lossy_format_are_recognized(tmp_path, kind):
    image = pytest.importorskip("PIL.Image")
    rows, columns = np.mgrid[:60, :60]
    disc = np.where((rows - 30) ** 2 + (columns - 27) ** 2 < 350, 80, 0).astype(np.uint8)
    if kind == "jpeg":
        image.fromarray(disc).save(tmp_path / "mask.jpg")
        changed = np.asarray(image.open(tmp_path / "mask.jpg"))
    else:
        changed = np.asarray(image.fromarray(disc).resize((97, 97)))
    photos = np.zeros((2, *changed.shape), dtype=np.uint8)
    with pytest.raises(ValueError, match=r"label maps of X hold \d+ ids.*perhaps 0, 80"):
        transformer().fit(SegmentedImages(photos, [changed] * 2))
    # many parts, some of them small, are no traces
    many = np.arange(400).reshape(20, 20).repeat(4, axis=0).repeat(4, axis=1)
    many[10:70, 10:70] = 0
    model = transformer().fit(SegmentedImages(np.zeros((1, 80, 80), np.uint8), many[np.newaxis]))
    assert model.tree_.n_leaves > 150
