"""Folders of photos and masks in public layouts."""

import os
import pickle
import re
import shutil

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from PIL import Image

from hierseg_learn import SegmentTreeTransformer
from hierseg_learn.datasets import load_image_folder, pair_files
from hierseg_learn.tree import SegmentTree

LEVELS = 0, 128, 255


@pytest.fixture
def folder(tmp_path, write, photo, ids):
    """Three photos in folders of two classes, masks in one folder."""
    masks = {}
    for name in ("cat/a", "cat/b", "dog/c"):
        write(f"images/{name}.jpg", photo())
        masks[name] = ids()
        write(f"masks/{name[4:]}.png", masks[name])
    return tmp_path, masks


def check_masks(data, masks):
    """Every mask is what was written, beside the photo of its name."""
    assert sorted(data.ids) == sorted(masks)
    for item, name in zip(data.images, data.ids):
        assert item.image.shape == (*item.mask.shape, 3)
        assert_array_equal(item.mask, masks[name])


def test_classes_are_folders(folder):
    path, masks = folder
    data = load_image_folder(path, part_names=["rest", "fur", "eye"])
    check_masks(data, masks)
    assert data.target_names == ["cat", "dog"]
    assert data.target.tolist() == [0, 0, 1]
    assert data.part_names == {0: "rest", 1: "fur", 2: "eye"}
    assert data.tree == {"image": {"rest": 0, "fur": 1, "eye": 2}}
    assert data.left_out == {}
    assert data.filenames[2].endswith("dog/c.jpg")
    assert data.mask_filenames[2].endswith("masks/c.png")
    table = SegmentTreeTransformer(tree=data.tree, descriptors="color").fit_transform(data.images)
    assert table.shape[0] == 3


def test_forms(folder):
    path, _ = folder
    X, y = load_image_folder(path, return_X_y=True)
    assert len(X) == len(y) == 3
    data = load_image_folder(path, as_frame=True)
    assert data.frame["label"].tolist() == ["cat", "cat", "dog"]
    assert data.frame.index.tolist() == ["cat/a", "cat/b", "dog/c"]
    assert data.tree is None
    assert pickle.loads(pickle.dumps(data.images))[1].mask.shape == (6, 8)


@pytest.mark.parametrize(
    "labels",
    [
        r"^(\w+)/",
        re.compile(r"cat|dog"),
        {"a": "cat", "b": "cat", "dog/c": "dog"},
        lambda file: file.split("/")[0],
    ],
)
def test_classes_by_pattern_mapping_and_function(folder, labels):
    data = load_image_folder(folder[0], labels=labels)
    assert [data.target_names[code] for code in data.target] == ["cat", "cat", "dog"]


@pytest.mark.parametrize(
    ("text", "column", "expected"),
    [
        ("filename,label\na.jpg,x\nb.jpg,y\nc.jpg,x\n", None, ["x", "y", "x"]),
        ("id;class;split\na;x;train\nb;y;train\nc;z;test\n", None, ["x", "y", "z"]),
        ("image\tsex\tage\na\tf\told\nb\tm\tnew\nc\tf\told\n", "age", ["old", "new", "old"]),
        ("filename,cat,dog\na.jpg,1,0\nb.jpg,1,0\nc.jpg,0,1\n", None, ["cat", "cat", "dog"]),
        ("3\nSmiling Young\na.jpg 1 -1\nb.jpg -1 -1\nc.jpg 1 1\n", "Smiling",
         ["Smiling", "not Smiling", "Smiling"]),
        ("a street\nb street\nc beach\n", None, ["street", "street", "beach"]),
    ],
)  # fmt: skip
def test_classes_by_table(folder, text, column, expected):
    (folder[0] / "list.txt").write_text(text)
    labels = "list.txt" if column is None else ("list.txt", column)
    data = load_image_folder(folder[0], labels=labels)
    assert [data.target_names[code] for code in data.target] == expected


def test_split_of_a_table_keeps_the_codes(folder):
    (folder[0] / "index.csv").write_text("id,label,split\na,x,train\nb,y,train\nc,z,test\n")
    data = load_image_folder(folder[0], labels="index.csv", split="test")
    assert data.ids == ["dog/c"]
    assert (data.target_names, data.target.tolist()) == (["x", "y", "z"], [2])
    with pytest.raises(ValueError, match=r"split='val' has no photo; index.csv has .*'test', 'tr"):
        load_image_folder(folder[0], labels="index.csv", split="val")


@pytest.mark.parametrize("key", ["1", "1.jpg"])
def test_a_row_of_a_table_is_about_one_photo(tmp_path, write, photo, ids, key):
    for name in ("left/1", "right/1", "right/2"):
        write(f"images/{name}.jpg", photo())
        write(f"masks/{name}.png", ids())
    table = tmp_path / "index.csv"
    table.write_text(f"id,label\n{key},cat\n2,dog\n")
    with pytest.raises(
        ValueError, match=r"names '1.*', which fits several photos: 'left/1.*right/1"
    ):
        load_image_folder(tmp_path, labels="index.csv")
    with pytest.raises(ValueError, match=r"labels names '1.*', which fits several photos"):
        load_image_folder(tmp_path, labels={key: "cat", "2": "dog"})
    table.write_text(f"id,label\nleft/{key},cat\nright/{key},cow\n2,dog\n")
    data = load_image_folder(tmp_path, labels="index.csv")
    assert [data.target_names[code] for code in data.target] == ["cat", "cow", "dog"]
    assert data.ids == ["left/1", "right/1", "right/2"]


@pytest.mark.parametrize("form", ["table", "{}", "photos/{}.jpg", "/JPEGImages/{}.jpg m/{}.png"])
def test_splits_tell_photos_of_one_name_apart(tmp_path, write, photo, ids, form):
    names = [f"{kind}/{name}" for kind in ("cat", "dog") for name in ("1", "v1.0_2", "3")]
    for name in names:
        write(f"images/{name}.jpg", photo())
        write(f"masks/{name}.png", ids())
    splits = {"train": [*names[:2], names[5]], "test": names[2:5]}
    rows = [f"{name}.jpg,{name[:3]},{split}" for split, own in splits.items() for name in own]
    (tmp_path / "index.csv").write_text("\n".join(["id,label,split", *rows]))
    for split, own in splits.items():
        if form != "table":
            (tmp_path / f"{split}.txt").write_text("\n".join(form.format(n, n) for n in own))
        data = load_image_folder(
            tmp_path, split=split, labels="index.csv" if form == "table" else None
        )
        assert sorted(data.ids) == sorted(own)
        assert [data.target_names[code] for code in data.target] == [n[:3] for n in data.ids]


def test_a_list_of_last_names_names_all_photos_that_have_them(folder):
    path, _ = folder
    (path / "train.txt").write_text("a\ndog/c.jpg\n")
    assert load_image_folder(path, split="train").ids == ["cat/a", "dog/c"]


@pytest.fixture
def same_names(tmp_path, write, photo, ids):
    """Photos of two classes that have the same names, masks in folders of these classes."""
    names = [f"{kind}/{name}" for kind in ("cat", "dog") for name in ("1", "2")]
    for name in names:
        write(f"masks/{name}_mask.png", ids())
    return [str(write(f"photos/{name}.png", photo())) for name in names], tmp_path / "masks"


@pytest.mark.parametrize("order", [slice(None), slice(None, None, -1), slice(1, None, 2)])
def test_single_photos_of_one_name_have_their_own_masks(same_names, order):
    files, masks = same_names
    files = files[order]
    wanted = [file.replace("/photos/", "/masks/").replace(".png", "_mask.png") for file in files]
    assert pair_files(files, masks).mask_filenames == wanted


def test_a_missing_mask_is_not_that_of_a_photo_of_the_same_name(same_names, write, ids):
    files, masks = same_names
    (masks / "dog" / "1_mask.png").unlink()
    with pytest.raises(ValueError, match=r"holds no mask for 1 of 4 photos: .*dog/1.png"):
        pair_files(files, masks)
    data = pair_files(files, masks, unmatched="keep")
    assert data.mask_filenames[2] == f"{masks}/1_mask.png"  # not there, which reading it says
    shutil.rmtree(masks)
    for name in ("1", "2"):
        write(f"masks/{name}.png", ids())
    with pytest.raises(ValueError, match=r"one mask, '1.png', for the photos .*cat/1.*dog/1"):
        pair_files(files, masks)


@pytest.mark.parametrize(
    ("images", "masks"),
    [
        ("train/images/{}", "train/masks/{}"),
        ("images/train/{}", "annotations/train/{}"),
        ("train/{}", "trainannot/{}"),
        ("train/{}", "train/{}_mask"),
        ("train/{}", "train_labels/{}"),
    ],
)
def test_layouts_with_splits(tmp_path, write, photo, ids, images, masks):
    expected = {}
    for split in ("train", "test"):
        for name in ("0001", "0002"):
            key = f"{split}/{name}"
            expected[key] = ids()
            write(f"{images.format(name)}.jpg".replace("train", split), photo())
            write(f"{masks.format(name)}.png".replace("train", split), expected[key])
    both = load_image_folder(tmp_path)
    check_masks(both, expected)
    test = load_image_folder(tmp_path, split="test", as_frame=True)
    check_masks(test, {name[5:]: mask for name, mask in expected.items() if "test" in name})
    assert set(test.frame["split"]) == {"test"}
    with pytest.raises(ValueError, match=r"'other' has no folder; .*'te?[rs].*'te?[rs]"):
        load_image_folder(tmp_path, split="other")


@pytest.mark.parametrize("ending", ["_mask", "_seg", "_P", "-labels"])
def test_masks_beside_photos(tmp_path, write, photo, ids, ending):
    masks = {name: ids() for name in ("a", "b")}
    for name, mask in masks.items():
        write(f"{name}.jpg", photo())
        write(f"{name}{ending}.png", mask)
    given = {"mask_suffix": ending} if ending == "-labels" else {}
    check_masks(load_image_folder(tmp_path, **given), masks)
    if given:
        with pytest.raises(ValueError, match=r"no masks that can be told .* pass masks="):
            load_image_folder(tmp_path)


def test_npy_masks(tmp_path, write, photo):
    write("images/a.jpg", photo())
    mask = np.arange(48).reshape(6, 8) - 1
    (tmp_path / "masks").mkdir()
    np.save(tmp_path / "masks" / "a.npy", mask)
    data = load_image_folder(tmp_path)
    assert_array_equal(data.images[0].mask, mask)
    np.save(tmp_path / "masks" / "a.npy", np.array([{}], dtype=object))
    with pytest.raises(ValueError, match="cannot be read"):
        load_image_folder(tmp_path)


def test_roboflow(tmp_path, write, photo, ids):
    mask = ids()
    write("train/x_jpg.rf.1.jpg", photo())
    write("train/x_jpg.rf.1_mask.png", mask)
    (tmp_path / "train" / "_classes.csv").write_text(
        "Pixel Value, Class\n0, background\n1, leaf\n2, stem\n"
    )
    data = load_image_folder(tmp_path, split="train")
    check_masks(data, {"x_jpg.rf.1": mask})
    assert data.part_names == {0: "background", 1: "leaf", 2: "stem"}


def test_class_names(folder):
    path, masks = folder
    (path / "class_names.txt").write_text("__ignore__\n_background_\nfur\neye\n")
    data = load_image_folder(path)
    assert data.part_names == {0: "_background_", 1: "fur", 2: "eye"}
    check_masks(data, masks)


def test_labelmap_of_cvat(tmp_path, write, photo, ids):
    mask = ids()
    colors = np.array([(0, 0, 0), (250, 50, 83), (51, 221, 255)], dtype=np.uint8)
    write("JPEGImages/a.jpg", photo())
    write("SegmentationClass/a.png", colors[mask])
    (tmp_path / "labelmap.txt").write_text(
        "# label:color_rgb:parts:actions\nbackground:0,0,0::\ncat:250,50,83::\ndog:51,221,255::\n"
    )
    data = load_image_folder(tmp_path)
    check_masks(data, {"a": mask})
    assert data.part_names == {0: "background", 1: "cat", 2: "dog"}
    # an unknown color, and a map without colors, whose masks hold the number of the line
    write("SegmentationClass/a.png", colors[mask] + np.uint8(1))
    with pytest.raises(
        ValueError, match=r"holds 3 color\(s\) that labelmap.txt does not name.*\(1, 1"
    ):
        load_image_folder(tmp_path).images[0]
    (tmp_path / "labelmap.txt").write_text("background:::\ncat:::\ndog:::\n")
    write("SegmentationClass/a.png", mask)
    data = load_image_folder(tmp_path)
    check_masks(data, {"a": mask})
    (tmp_path / "labelmap.txt").write_text("background:0,0,0::\ncat:::\n")
    with pytest.raises(ValueError, match="has colors for 1 of 2 names"):
        load_image_folder(tmp_path)


@pytest.mark.parametrize("alpha", [False, True])
def test_palette_of_colors(tmp_path, write, photo, ids, alpha):
    mask = ids()
    colors = np.array([(0, 0, 0, 255), (9, 8, 7, 255), (1, 2, 3, 255)], dtype=np.uint8)
    write("images/a.png", np.dstack([photo(), np.full((6, 8), 255, np.uint8)]))
    write("masks/a.png", colors[mask] if alpha else colors[mask][..., :3])
    palette = {(1, 2, 3): "eye", (9, 8, 7): "fur", (0, 0, 0): None}
    data = load_image_folder(tmp_path, palette=palette)
    assert data.part_names == {0: "eye", 1: "fur"}
    assert_array_equal(data.images[0].mask, np.array([-1, 1, 0])[mask])
    ids_given = load_image_folder(tmp_path, palette=palette, part_names={3: "fur", 7: "eye"})
    assert_array_equal(ids_given.images[0].mask, np.array([-1, 3, 7])[mask])


def test_palette_of_values(tmp_path, write, photo, ids):
    mask = ids(n_parts=2)
    write("images/a.jpg", photo())
    write("masks/a.png", mask * np.uint8(255))
    data = load_image_folder(tmp_path, palette={0: "rest", 255: "cat"})
    check_masks(data, {"a": mask})
    with pytest.raises(ValueError, match=r"holds 1 value\(s\) that palette= does not name.*255"):
        load_image_folder(tmp_path, palette={0: "rest", 1: "cat"}).images[0]


def test_palette_files_keep_their_index(tmp_path, write, photo, ids):
    mask = ids()
    write("images/a.jpg", photo())
    write("masks/a.png", mask, palette=[0, 0, 0, 128, 0, 0, 0, 128, 0])
    check_masks(load_image_folder(tmp_path), {"a": mask})
    palette = {(0, 0, 0): "rest", (128, 0, 0): "plane", (0, 128, 0): "bike"}
    check_masks(load_image_folder(tmp_path, palette=palette), {"a": mask})


CELEBA = ("skin", "nose", "eye_g", "l_eye", "r_eye", "l_brow", "r_brow", "l_ear", "r_ear", "mouth",
          "u_lip", "l_lip", "hair", "hat", "ear_r", "neck_l", "neck", "cloth")  # fmt: skip


@pytest.fixture
def celeba(tmp_path, write, photo):
    """Photos of 16 pixels, files of parts of 8, that overlap; 255 is the part."""
    rng = np.random.default_rng(3)
    expected = {}
    for number in (0, 1, 2000, 11):
        write(f"CelebA-HQ-img/{number}.jpg", photo(16, 16))
        mask = np.zeros((8, 8), dtype=np.uint8)
        for place, part in enumerate(CELEBA, start=1):
            inside = rng.random((8, 8)) < 0.2
            if rng.random() < 0.6 or part == "skin":
                name = f"CelebAMask-HQ-mask-anno/{number // 2000}/{number:05d}_{part}.png"
                write(name, inside * np.uint8(255))
                mask[inside] = place
        expected[str(number)] = mask
    return tmp_path, expected


def test_celebamask_hq(celeba):
    path, expected = celeba
    with pytest.raises(
        ValueError, match=r"4 of 4 masks .* is 8 x 8 pixels, its photo is 16 x 16.*max_"
    ):
        load_image_folder(path, layout="celebamask-hq")
    data = load_image_folder(path, layout="celebamask-hq", resize="mask")
    check_masks(data, expected)
    assert data.part_names[3] == "eyeglasses"
    assert SegmentTree.from_nested(data.tree).n_leaves == 19
    large = load_image_folder(path, layout="celebamask-hq", resize="photo")
    assert_array_equal(large.images[1].mask, np.kron(expected["1"], np.ones((2, 2), int)))
    rows = ["4", "Male Young", "0.jpg 1 1", "1.jpg -1 1", "2000.jpg 1 -1", "11.jpg -1 -1"]
    (path / "list.txt").write_text("\n".join(rows))
    data = load_image_folder(
        path, layout="celebamask-hq", max_side=8, labels=("list.txt", "Male"), background=None
    )
    assert data.target_names == ["Male", "not Male"]
    assert (data.images[0].mask[expected["0"] == 0] == -1).all()
    assert len(pickle.dumps(data.images)) < 6000


def test_own_files_of_parts_and_their_order(tmp_path, write, photo):
    full, left = np.ones((6, 8), bool), np.zeros((6, 8), bool)
    left[:, :3] = True
    for name, endings in {"a": ["hair", "skin"], "b_1": ["skin"], "b": ["hair"]}.items():
        write(f"images/{name}.png", photo())
        for ending in endings:
            write(f"masks/{name}_{ending}.png", full if ending == "skin" else left)
    first = load_image_folder(tmp_path, one_per_part=True, part_names=["hair", "skin"])
    assert_array_equal(first.images[0].mask, np.full((6, 8), 2))
    other = load_image_folder(tmp_path, one_per_part=True, part_names=["skin", "hair"])
    assert_array_equal(other.images[0].mask, np.where(left, 2, 1))
    assert other.ids == ["a", "b", "b_1"]
    assert_array_equal(other.images[2].mask, 1)
    assert other.part_names == {0: "background", 1: "skin", 2: "hair"}
    with pytest.raises(ValueError, match=r"1 part\(s\) of the files are not in .*'hair'; expected"):
        load_image_folder(tmp_path, one_per_part=True, part_names=["skin", "nose"])


@pytest.mark.parametrize(
    "form", ["masks/{0}_{1}.png", "masks/{0}/{1}.png", "images/{0}_nucleus_{1}.png"]
)
def test_one_file_per_object(tmp_path, write, photo, form):
    expected = np.zeros((6, 8), dtype=int)
    for k in range(3):
        inside = np.zeros((6, 8), bool)
        inside[k : k + 2, 2 * k : 2 * k + 2] = True
        expected[inside] = 1
        write(form.format("x", k), inside)
    write("images/x.png", photo())
    folders = {"images": "images"} if form.startswith("images") else {}
    data = load_image_folder(tmp_path, one_per_part=True, part_names=["nucleus"], **folders)
    assert data.ids == ["x"]
    assert_array_equal(data.images[0].mask, expected)
    if "nucleus" not in form and "{0}_" in form:
        with pytest.raises(ValueError, match="numbered and name no part"):
            load_image_folder(tmp_path, one_per_part=True)


def test_lip(tmp_path, write, photo, ids):
    masks = {}
    for split in ("train", "val"):
        masks[f"{split}/1_2"] = ids(n_parts=20)
        write(f"TrainVal_images/{split}_images/1_2.jpg", photo())
        write(f"TrainVal_parsing_annotations/{split}_segmentations/1_2.png", masks[f"{split}/1_2"])
    data = load_image_folder(tmp_path, layout="lip")
    check_masks(data, masks)
    assert data.part_names[13] == "face"
    assert len(data.part_names) == 20
    only = load_image_folder(tmp_path, layout="lip", split="val")
    check_masks(only, {"1_2": masks["val/1_2"]})


def test_atr(tmp_path, write, photo, ids):
    mask = ids(n_parts=18)
    write("humanparsing/JPEGImages/2500_1.jpg", photo())
    write("humanparsing/SegmentationClassAug/2500_1.png", mask)
    data = load_image_folder(tmp_path, layout="atr")
    check_masks(data, {"2500_1": mask})
    assert (data.part_names[17], len(data.part_names)) == ("scarf", 18)


def test_cityscapes(tmp_path, write, photo):
    mask = np.array([[0, 3, 7, 33], [24, 25, 26, 11]], dtype=np.uint8)
    stem = "aachen/aachen_000000_000019"
    write(f"leftImg8bit/train/{stem}_leftImg8bit.png", photo(2, 4))
    for kind in ("labelIds", "instanceIds", "color"):
        write(f"gtFine/train/{stem}_gtFine_{kind}.png", mask)
    data = load_image_folder(tmp_path, layout="cityscapes", split="train")
    assert_array_equal(data.images[0].mask, np.where(mask < 7, -1, mask.astype(int)))
    assert (data.target_names, data.left_out) == (["aachen"], {})
    assert data.part_names[33] == "bicycle"
    assert SegmentTree.from_nested(data.tree).path("rider") == "photo/human/rider"


def test_sceneparse150(tmp_path, write, photo):
    mask = np.array([[0, 1, 2], [150, 1, 1]], dtype=np.uint8)
    root = "ADEChallengeData2016"
    write(f"{root}/images/training/ADE_train_00000001.jpg", photo(2, 3))
    write(f"{root}/annotations/training/ADE_train_00000001.png", mask)
    rows = [f"{k}\t0.1\t10\t2\t{name}" for k, name in ((1, "wall"), (2, "building, edifice"))]
    rows += [f"{k}\t0.1\t10\t2\tthing {k}" for k in range(3, 151)]
    (tmp_path / root / "objectInfo150.txt").write_text(
        "\n".join(["Idx\tRatio\tTrain\tVal\tName", *rows])
    )
    (tmp_path / root / "sceneCategories.txt").write_text(
        "ADE_train_00000001 airport_terminal\nADE_val_00000001 beach\n"
    )
    data = load_image_folder(tmp_path, layout="sceneparse150")
    assert_array_equal(data.images[0].mask, np.where(mask == 0, -1, mask.astype(int)))
    assert data.target_names == ["airport_terminal", "beach"]
    assert (data.part_names[2], len(data.part_names)) == ("building", 150)


def test_ade20k(tmp_path, write, photo):
    objects = np.array([[0, 2978], [2978, 300]])
    seg = np.zeros((2, 2, 3), dtype=np.uint8)
    seg[..., 0], seg[..., 1] = objects // 256 * 10, objects % 256
    base = "images/ADE/training/urban/street/ADE_train_00016869"
    write(f"{base}.jpg", photo(2, 2))
    write(f"{base}_seg.png", seg)
    write(f"{base}_parts_1.png", seg)
    (tmp_path / f"{base}.json").write_text(
        '{"annotation": {"object": [{"name_ndx": 2978, "name": "wall"}, '
        '{"name_ndx": 300, "raw_name": "bus"}]}}'
    )
    data = load_image_folder(tmp_path, layout="ade20k", split="training")
    assert_array_equal(data.images[0].mask, np.where(objects == 0, -1, objects))
    assert data.part_names == {300: "bus", 2978: "wall"}
    assert data.target_names == ["urban"]


def test_voc(tmp_path, write, photo):
    mask = np.array([[0, 15, 255]], dtype=np.uint8)
    for name in ("2007_1", "2007_2"):
        write(f"VOCdevkit/VOC2012/JPEGImages/{name}.jpg", photo(1, 3))
    write("VOCdevkit/VOC2012/SegmentationClass/2007_1.png", mask, palette=[0, 0, 0] * 256)
    lists = tmp_path / "VOCdevkit/VOC2012/ImageSets/Segmentation"
    lists.mkdir(parents=True)
    for name in ("train", "trainval"):
        (lists / f"{name}.txt").write_text("2007_1\n")
    for split in (None, "train"):
        data = load_image_folder(tmp_path, layout="voc", split=split)
        assert data.ids == ["2007_1"]
        assert data.images[0].mask.tolist() == [[0, 15, -1]]


def test_trees(folder):
    path, _ = folder
    names = ["rest", "fur", "eye"]
    nested = {"photo": {"rest": None, "animal": {"fur": None, "eye": None}}}
    expected = {"photo": {"rest": 0, "animal": {"fur": 1, "eye": 2}}}
    for tree in (nested, SegmentTree.from_nested(nested), expected):
        assert load_image_folder(path, part_names=names, tree=tree).tree == expected
    grouped = {"photo": {"rest": 0, "animal": ["fur", "eye"]}}
    data = load_image_folder(path, part_names=names, tree=grouped)
    assert data.tree == {"photo": {"rest": 0, "animal": [1, 2]}}
    with pytest.raises(ValueError, match=r"no leaf for 1 part\(s\): 'eye'"):
        load_image_folder(path, part_names=names, tree={"photo": {"rest": 0, "fur": 1}})
    with pytest.raises(ValueError, match="Leaf 'fur' of tree= names the part 'wool'"):
        load_image_folder(path, part_names=names, tree={"photo": {"fur": "wool"}})


def test_unlabeled_by_name(folder):
    path, masks = folder
    data = load_image_folder(path, part_names=["rest", "fur", "eye"], unlabeled="rest")
    assert data.part_names == {1: "fur", 2: "eye"}
    mask = masks["cat/a"].astype(int)
    assert_array_equal(data.images[0].mask, np.where(mask == 0, -1, mask))
    with pytest.raises(ValueError, match="unlabeled= names the part 'wool'; the parts are 'rest'"):
        load_image_folder(path, part_names=["rest", "fur", "eye"], unlabeled=["wool"])


def test_sizes(tmp_path, write, photo, ids):
    big, mask = photo(8, 12), ids(4, 6)
    write("images/a.png", big)
    write("masks/a.png", mask)
    with pytest.raises(
        ValueError, match=r"1 of 1 masks .* 4 x 6 pixels, its photo is 8 x 12.*resize="
    ):
        load_image_folder(tmp_path)
    small = big.reshape(4, 2, 6, 2, 3).mean(axis=(1, 3))
    for options in ({"resize": "mask"}, {"resize": (4, 6)}, {"max_side": 6}):
        data = load_image_folder(tmp_path, **options)
        assert_array_equal(data.images[0].mask, mask)
        assert np.abs(data.images[0].image - small).max() <= 1
        assert data.images.images.header(0) == ((4, 6, 3), np.dtype(np.uint8))
        assert data.filenames == [str(tmp_path / "images/a.png")]
    for options in ({"resize": "photo"}, {"max_side": 12}, {"max_side": 99}):
        data = load_image_folder(tmp_path, **options)
        assert_array_equal(data.images[0].mask, np.kron(mask, np.ones((2, 2), int)))
        assert_array_equal(data.images[0].image, big)
    with pytest.raises(ValueError, match="resize='mask' and max_side=3 were both given"):
        load_image_folder(tmp_path, resize="mask", max_side=3)
    with pytest.raises(ValueError, match=r"resize=\(4, 0\); expected \(height, width\)"):
        load_image_folder(tmp_path, resize=(4, 0))
    write("masks/a.png", ids(6, 4))
    for options in ({"resize": "mask"}, {"resize": (4, 6)}, {"resize": "photo"}, {"max_side": 6}):
        with pytest.raises(ValueError, match=r"6 x 4 .*8 x 12|8 x 12 .*6 x 4"):
            load_image_folder(tmp_path, **options)


def test_modes(tmp_path, write, ids):
    gray = np.arange(48, dtype=np.uint8).reshape(6, 8)
    opaque = np.dstack([gray, np.full_like(gray, 255)])
    clear = np.dstack([gray, gray])
    write("images/gray.png", gray)
    write("images/opaque.png", opaque)
    for name in ("gray", "opaque"):
        write(f"masks/{name}.png", ids())
    for item in load_image_folder(tmp_path).images:
        assert_array_equal(item.image, np.dstack([gray] * 3))
    with pytest.raises(ValueError, match=r"opaque.png'\) has an alpha channel"):
        load_image_folder(tmp_path, mode=None)
    write("images/opaque.png", gray)
    assert_array_equal(load_image_folder(tmp_path, mode=None).images[0].image, gray)
    write("images/opaque.png", clear)
    with pytest.raises(ValueError, match=r"alpha channel in which 1 of the pixels are transparent"):
        load_image_folder(tmp_path).images[1]


def test_a_missing_mask_may_be_an_error_when_it_is_read(tmp_path):
    for name in ("images/a", "images/b", "masks/b"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.fromarray(np.zeros((4, 3), np.uint8)).save(tmp_path / f"{name}.png")
    data = load_image_folder(tmp_path, unmatched="keep")
    assert data.ids == ["a", "b"]
    assert data.images[1].mask.shape == (4, 3)
    with pytest.raises((ValueError, OSError), match=r"masks/a\.png"):
        data.images[0]
    with pytest.raises(ValueError, match="unmatched='keep' needs one mask per photo"):
        load_image_folder(tmp_path, one_per_part=True, unmatched="keep")
    (tmp_path / "masks" / "b.png").rename(tmp_path / "masks" / "c.png")
    with pytest.raises(ValueError, match="2 of 2 photos have no mask"):
        load_image_folder(tmp_path, unmatched="keep")


def test_pairs_that_do_not_match(tmp_path, write, photo, ids):
    for k in range(15):
        write(f"images/{k:02d}.jpg", photo())
        write(f"masks/{k + 12:02d}.png", ids())
    with pytest.raises(ValueError) as caught:
        load_image_folder(tmp_path)
    message = str(caught.value)
    assert "12 of 15 photos have no mask ('00.jpg', " in message
    assert "'09.jpg' and 2 more), and 12 of 15 masks have no photo ('15', " in message
    data = load_image_folder(tmp_path, unmatched="drop")
    assert data.ids == ["12", "13", "14"]
    assert {reason: len(names) for reason, names in data.left_out.items()} == {
        "photos without a mask": 12,
        "masks without a photo": 12,
    }
    assert "12 left out: photos without a mask" in data.DESCR


def test_two_masks_for_one_photo(folder, write, ids):
    write("masks/a.tif", ids())
    with pytest.raises(
        ValueError, match=r"Two masks .* one photo \('cat/a'\): 'a.png' and 'a.tif'"
    ):
        load_image_folder(folder[0])


def test_two_photos_for_one_mask(folder, write, photo):
    write("images/cat/a.png", photo())
    with pytest.raises(ValueError, match=r"Two photos .* 'cat/a.jpg' and 'cat/a.png'"):
        load_image_folder(folder[0])


def test_photos_without_a_class(folder):
    with pytest.raises(ValueError, match=r"2 of 3 photos have no class.*'cat/a.jpg', 'cat/b.jpg'"):
        load_image_folder(folder[0], labels={"c": "dog"})
    data = load_image_folder(folder[0], labels={"c": "dog"}, unmatched="drop")
    assert data.left_out == {"photos without a class": ["cat/a.jpg", "cat/b.jpg"]}
    with pytest.raises(ValueError, match="gives no class to any of 3 photos"):
        load_image_folder(folder[0], labels=lambda file: None)
    with pytest.raises(ValueError, match="is no regular expression"):
        load_image_folder(folder[0], labels="(")


def test_empty_and_missing_folders(tmp_path, write, photo):
    with pytest.raises(FileNotFoundError, match="path must be a folder"):
        load_image_folder(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="holds no photo"):
        load_image_folder(tmp_path)
    (tmp_path / "masks").mkdir()
    (tmp_path / "images").mkdir()
    with pytest.raises(ValueError, match=r"holds no photo; expected files with the suffixes .jpg"):
        load_image_folder(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"must hold the folders .*'leftImg8bit/\{split\}'"):
        load_image_folder(tmp_path, layout="cityscapes")
    write("images/a.jpg", photo())
    with pytest.raises(ValueError, match="1 of 1 photos have no mask"):
        load_image_folder(tmp_path)


def test_part_ids_without_a_name_are_told_before_a_reader_returns(tmp_path, write, photo):
    for name, part in (("a", 0), ("b", 7)):
        write(f"images/{name}.png", photo())
        mask = np.full(photo().shape[:2], part, dtype=np.uint8)
        mask[0] = 1
        write(f"masks/{name}.png", mask)
    names = ["sky", "sea"]
    load_image_folder(tmp_path, part_names=names)  # only the first mask has been read
    with pytest.raises(ValueError, match=r"masks/b.png.* part id.* without a name.* 7 \(0"):
        load_image_folder(tmp_path, part_names=names, verify=True)
    with pytest.raises(
        ValueError, match=r"masks/a.png.* 0 \(0[.\d]+\); expected 1 \(sky\), 7 \(sea\)\."
    ):
        load_image_folder(tmp_path, part_names={1: "sky", 7: "sea"})
    load_image_folder(tmp_path, part_names={1: "sky", 7: "sea"}, unlabeled=0, verify=True)


@pytest.mark.skipif(os.name == "nt", reason="links need rights on Windows")
def test_links_out_of_the_folder(folder, tmp_path_factory, write, photo):
    path, _ = folder
    outside = tmp_path_factory.mktemp("outside")
    write("elsewhere.jpg", photo()).rename(outside / "x.jpg")
    (path / "images" / "cat" / "x.jpg").symlink_to(outside / "x.jpg")
    with pytest.raises(ValueError, match=r"is a link to .*outside.*x.jpg', out of the folder"):
        load_image_folder(path)
    (path / "images" / "cat" / "x.jpg").unlink()
    # a loop within the folder does no harm
    (path / "images" / "loop").symlink_to(path / "images")
    assert len(load_image_folder(path).images) == 3
    (path / "images" / "loop").unlink()
    (path / "images" / "loop").symlink_to(outside)
    with pytest.raises(ValueError, match="is a link to"):
        load_image_folder(path)


def test_verify_names_truncated_files(folder):
    path, _ = folder
    for name in ("images/cat/a.jpg", "masks/c.png"):
        content = (path / name).read_bytes()
        (path / name).write_bytes(content[: len(content) - 30])
    with pytest.raises(
        ValueError, match=r"2 of 3 photos cannot be used .*a.jpg.* cannot be read.*c.png"
    ):
        load_image_folder(path, verify=True)


def test_the_limit_of_pillow_is_said(folder, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    with pytest.raises(ValueError, match="exceeds limit of 20 pixels"):
        load_image_folder(folder[0])


def test_progress_and_what_is_left_out_are_said(folder, capsys):
    load_image_folder(folder[0], labels={"c": "dog"}, unmatched="drop", verify=True, verbose=1)
    printed = capsys.readouterr()
    assert "2 left out: photos without a class" in printed.err
    assert "Checking files: 1/1" in printed.err


def test_gray_levels_in_a_file_of_one_part(tmp_path, write, photo):
    write("images/a.jpg", photo())
    write("masks/a_hair.png", np.resize(np.array(LEVELS, np.uint8), (6, 8)))
    with pytest.raises(ValueError, match=r"a_hair.png' holds 3 ids: .*expected 0 and one other"):
        load_image_folder(tmp_path, one_per_part=True)


def test_masks_in_a_format_for_photos(folder):
    for file in (folder[0] / "masks").iterdir():
        Image.open(file).save(file.with_suffix(".jpg"))
        file.unlink()
    with pytest.raises(ValueError, match=r"a.jpg'\) is a JPEG file, which does not keep part ids"):
        load_image_folder(folder[0])


@pytest.mark.skipif(os.name == "nt", reason="links need rights on Windows")
def test_links_within_the_folder_are_followed(folder, photo):
    path, masks = folder
    (path / "images" / "dog").rename(path / "pool")
    (path / "images" / "dog").symlink_to(path / "pool")
    check_masks(load_image_folder(path), masks)
    # the folder of the photos is itself a link out
    (path / "images").rename(path.parent / "photos")
    (path / "images").symlink_to(path.parent / "photos")
    with pytest.raises(ValueError, match=r"images' is a link to .*photos', out of the folder"):
        load_image_folder(path)


def test_folders_elsewhere_can_be_given(folder, tmp_path_factory):
    path, masks = folder
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "photos"
    (path / "images").rename(elsewhere)
    check_masks(load_image_folder(path, images=elsewhere, masks="masks"), masks)
    with pytest.raises(FileNotFoundError, match="looked for 'nowhere', 'masks'"):
        load_image_folder(path, images="nowhere", masks="masks")


@pytest.mark.parametrize("name", ["../a.jpg", "/photos/a.jpg", "C:\\photos\\a.jpg"])
def test_a_table_leads_nowhere_else(folder, name):
    (folder[0] / "list.csv").write_text(f"file,label\n{name},cat\n")
    with pytest.raises(ValueError, match=r"list.csv names .*, which leads out of its folder"):
        load_image_folder(folder[0], labels="list.csv")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("file,label\na,x\na,y\n", "repeats the photo 'a'"),
        ("file,label\na\n", "line 2 of list.csv must have one value per column"),
        ("file,cat,dog\na,1,2\n", r"expected one of label, class.*labels=\('list.csv', column\)"),
        ("", "is empty"),
    ],
)
def test_wrong_tables(folder, text, message):
    (folder[0] / "list.csv").write_text(text)
    with pytest.raises(ValueError, match=message):
        load_image_folder(folder[0], labels="list.csv")
    (folder[0] / "list.csv").write_text("file,label\na,x\n")
    with pytest.raises(ValueError, match="has no column 'age'"):
        load_image_folder(folder[0], labels=("list.csv", "age"))
    with pytest.raises(FileNotFoundError, match=r"table .*other.csv' is missing"):
        load_image_folder(folder[0], labels="other.csv")


@pytest.mark.parametrize(
    ("palette", "message"),
    [
        ({}, "must name colors"),
        ({(0, 0, 0): "a", 3: "b"}, "must name colors"),
        ({(0, 0): "a"}, "of 0 to 255"),
        ({(0, 0, 256): "a"}, "of 0 to 255"),
        ({"red": "a"}, "must name colors"),
    ],
)
def test_wrong_palettes(folder, palette, message):
    with pytest.raises(ValueError, match=message):
        load_image_folder(folder[0], palette=palette)


def test_options_that_exclude_each_other(folder):
    with pytest.raises(ValueError, match="no use for one binary file per part"):
        load_image_folder(folder[0], one_per_part=True, palette={0: "a"})
    with pytest.raises(ValueError, match="palette= names the parts 'a', which part_names= lacks"):
        load_image_folder(folder[0], palette={0: "a"}, part_names=["b"])
    with pytest.raises(TypeError, match="part_names must map part ids to names"):
        load_image_folder(folder[0], part_names={"a": "b"})
    with pytest.raises(ValueError, match="gives the names 'a' to several ids"):
        load_image_folder(folder[0], part_names=["a", "a"])


def test_without_classes(tmp_path, write, photo, ids):
    write("images/a.jpg", photo())
    write("masks/a.png", ids())
    data = load_image_folder(tmp_path, as_frame=True)
    assert data.target is None
    assert list(data.frame.columns) == ["filename", "mask_filename"]
