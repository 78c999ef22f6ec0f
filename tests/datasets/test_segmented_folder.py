"""Folders of photos with label maps."""

import codecs
import json

import numpy as np
import pytest
from PIL import Image

from hierseg_learn.datasets import load_segmented_folder

TREE = {"photo": {"sky": 0, "ground": {"sea": [1, 2], "sand": 3}}}


@pytest.fixture
def folder(tmp_path):
    """Three photos of different sizes; the ids have leading zeros, the labels are not sorted."""
    rng = np.random.default_rng(0)
    for name in ("images", "masks"):
        (tmp_path / name).mkdir()
    for i, (height, width) in enumerate([(4, 3), (5, 5), (2, 6)]):
        photo = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
        mask = rng.integers(0, 4, (height, width), dtype=np.uint8)
        Image.fromarray(photo).save(tmp_path / "images" / f"00{i}.{'PNG' if i else 'jpg'}")
        Image.fromarray(mask).save(tmp_path / "masks" / f"00{i}.png")
    (tmp_path / "images" / "notes.txt").write_text("not a photo")
    (tmp_path / "index.csv").write_text(
        "id,label,split\n001,pier,train\n000,beach,train\n002,dune,test\n"
    )
    (tmp_path / "parts.json").write_text(json.dumps({"parts": {"0": "sky"}, "tree": TREE}))
    return tmp_path


def test_reads_all(folder):
    data = load_segmented_folder(folder)
    assert data.ids == ["001", "000", "002"]
    assert data.target_names == ["beach", "dune", "pier"]
    assert data.target.tolist() == [2, 0, 1]
    assert data.tree == TREE
    assert data.part_names == {0: "sky", 1: "sea", 2: "sea", 3: "sand"}
    assert [item.mask.shape for item in data.images] == [(5, 5), (4, 3), (2, 6)]
    assert data.images[0].image.shape == (5, 5, 3)
    assert data.filenames[1].endswith("000.jpg")
    np.testing.assert_array_equal(
        data.images[2].mask, np.asarray(Image.open(folder / "masks" / "002.png"))
    )
    assert data.DESCR == ""


def test_split_keeps_the_codes(folder):
    data = load_segmented_folder(str(folder), split="test")
    assert data.ids == ["002"]
    assert data.target_names == ["beach", "dune", "pier"]
    assert data.target.tolist() == [1]


def test_photos_are_read_late(folder):
    data = load_segmented_folder(folder)
    (folder / "images" / "001.PNG").write_bytes(b"broken since")
    with pytest.raises(ValueError, match="0"):
        data.images[0]
    assert data.images[1].image.shape == (4, 3, 3)


def test_return_forms(folder):
    (folder / "README.md").write_text("The coast.")
    X, y = load_segmented_folder(folder, return_X_y=True)
    assert len(X) == len(y) == 3
    data = load_segmented_folder(folder, as_frame=True)
    assert data.frame.index.tolist() == ["001", "000", "002"]
    assert data.frame["label"].tolist() == ["pier", "beach", "dune"]
    assert data.target.tolist() == [2, 0, 1]
    assert data.frame["mask_filename"].tolist() == data.mask_filenames
    assert data.DESCR == "The coast."


def test_split_column_is_needed_for_splits_only(folder):
    (folder / "index.csv").write_text("id,label\n001,pier\n")
    assert load_segmented_folder(folder).ids == ["001"]
    with pytest.raises(ValueError, match="must have a column 'split'"):
        load_segmented_folder(folder, split="train")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("id,split\n001,train\n", "must have a column 'label'"),
        ("", "must have a column 'id'"),
        ("id,label\n", "names no image"),
        ("id,label\n001,a\n001,b\n", "line 3 of index.csv repeats the id '001'"),
        ("id,label\n001,a,b\n", "line 2 of index.csv"),
        ("id,label\n001\n", "line 2 of index.csv"),
        ("id,label\n001,\n", "line 2 of index.csv"),
    ],
)
def test_wrong_index(folder, content, message):
    (folder / "index.csv").write_text(content)
    with pytest.raises(ValueError, match=message):
        load_segmented_folder(folder)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "not valid JSON"),
        ("[]", "nested tree under 'tree'"),
        ('{"parts": {"0": "sky"}}', "nested tree under 'tree'"),
        ('{"tree": {"photo": {"sky": "blue"}}}', "leaf 'sky'"),
        ('{"tree": {"photo": {"sky": 0}}, "parts": {"x": "sky"}}', "'parts'"),
        ('{"tree": {"photo": {"sky": 0}}, "parts": ["sky"]}', "'parts'"),
    ],
)
def test_wrong_parts(folder, content, message):
    (folder / "parts.json").write_text(content)
    with pytest.raises(ValueError, match=message):
        load_segmented_folder(folder)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("index.csv", "index of the images"),
        ("parts.json", "tree of the parts"),
        ("masks/000.png", r"masks/ holds no file for image 1 \(id '000'\)"),
        ("images/002.PNG", r"images/ holds no file for image 2 \(id '002'\)"),
    ],
)
def test_missing_files(folder, name, message):
    (folder / name).unlink()
    with pytest.raises(FileNotFoundError, match=message):
        load_segmented_folder(folder)


def test_missing_folders(folder):
    (folder / "masks").rename(folder / "elsewhere")
    with pytest.raises(FileNotFoundError, match="'masks'"):
        load_segmented_folder(folder)
    with pytest.raises(FileNotFoundError, match="path must be a folder"):
        load_segmented_folder(folder / "nowhere")


def test_ambiguous_files_and_unknown_split(folder):
    with pytest.raises(ValueError, match=r"splits \['test', 'train'\]"):
        load_segmented_folder(folder, split="validation")
    Image.new("RGB", (3, 4)).save(folder / "images" / "000.png")
    with pytest.raises(ValueError, match=r"several files for image 1 \(id '000'\)"):
        load_segmented_folder(folder)


def test_clothing_photos(shared_data):
    path = shared_data / "ccp_parts"
    train, test = (load_segmented_folder(path, split=split) for split in ("train", "test"))
    assert (len(train.images), len(test.images)) == (492, 163)
    assert train.target_names == test.target_names == ["dress", "jeans", "pants", "shorts", "skirt"]
    assert np.bincount(test.target).tolist() == [46, 24, 55, 10, 28]
    assert train.part_names[4] == "upper_clothes"
    first = train.images[0]
    assert first.image.shape == (*first.mask.shape, 3)
    assert train.DESCR.startswith("# CCP parts")


def rewrite(folder, name, encoding, *, mark=b""):
    file = folder / name
    file.write_bytes(mark + file.read_text(encoding="utf-8").encode(encoding))


@pytest.mark.parametrize("name", ["index.csv", "parts.json"])
def test_a_byte_order_mark_of_utf_8_is_taken(folder, name):
    before = load_segmented_folder(folder)
    rewrite(folder, name, "utf-8", mark=codecs.BOM_UTF8)
    after = load_segmented_folder(folder)
    assert (after.ids, after.tree, after.target_names) == (
        before.ids,
        before.tree,
        before.target_names,
    )


@pytest.mark.parametrize(
    ("encoding", "sentence"),
    [
        ("utf-16", "is in UTF-16, as its first bytes say; save it as UTF-8"),
        ("utf-32", "is in UTF-32, as its first bytes say"),
        ("utf-16-le", "is not in UTF-8: it holds a zero byte at position 1"),
        ("latin-1", r"is not in UTF-8: byte 0xe9 at position \d+, in line \d+"),
        ("cp1252", r"is not in UTF-8: byte 0xe9 at position \d+, in line \d+"),
    ],
)
@pytest.mark.parametrize("name", ["index.csv", "parts.json"])
def test_other_encodings_are_named(folder, name, encoding, sentence):
    file = folder / name
    text = file.read_text(encoding="utf-8")
    word = "beach" if name == "index.csv" else '"parts"'
    file.write_text(text.replace(word, word[:-1] + "é" + word[-1:]), encoding="utf-8")
    rewrite(folder, name, encoding)
    with pytest.raises(ValueError, match=f"{name}.*{sentence}"):
        load_segmented_folder(folder)


def test_semicolons_are_named(folder):
    index = folder / "index.csv"
    index.write_text(index.read_text(encoding="utf-8").replace(",", ";"), encoding="utf-8")
    with pytest.raises(ValueError, match=r"must have a column 'id'.* separated by ';', expected"):
        load_segmented_folder(folder)
