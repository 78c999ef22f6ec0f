"""Annotations in COCO's format, written and read by pycocotools."""

import json
import sys

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from hierseg_learn.datasets import load_coco
from hierseg_learn.tree import SegmentTree

pytest.importorskip("pycocotools", reason="paints the masks")
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO

HEIGHT, WIDTH = 20, 30
CATEGORIES = [
    {"id": 1, "name": "person", "supercategory": "person"},
    {"id": 18, "name": "dog", "supercategory": "animal"},
    {"id": 17, "name": "cat", "supercategory": "animal"},
]


def compressed(mask):
    rle = coco_mask.encode(np.asfortranarray(mask.astype(np.uint8)))
    return {"size": rle["size"], "counts": rle["counts"].decode()}


def plain(mask):
    values = mask.ravel(order="F").astype(int)
    ends = np.flatnonzero(np.diff(values)) + 1
    counts = np.diff([0, *ends, values.size]).tolist()
    return {"size": list(mask.shape), "counts": ([0] if values[0] else []) + counts}


def box(top, left, bottom, right):
    mask = np.zeros((HEIGHT, WIDTH), dtype=bool)
    mask[top:bottom, left:right] = True
    return mask


def ring(top, left, bottom, right):
    return [left, top, right, top, right, bottom, left, bottom]


def annotation(number, segmentation, category=17, image=1, area=None, crowd=0, **more):
    if area is None and isinstance(segmentation, dict):
        packed = coco_mask.frPyObjects(segmentation, HEIGHT, WIDTH)
        area = int(coco_mask.area(packed))
    return {
        "id": number, "image_id": image, "category_id": category, "segmentation": segmentation,
        "area": area, "bbox": [0, 0, 1, 1], "iscrowd": crowd, **more,
    }  # fmt: skip


@pytest.fixture
def coco(tmp_path, write, photo):
    """Write photos and their file; returns its path."""

    def coco(annotations, n_photos=1, categories=CATEGORIES, **more):
        images = []
        for number in range(1, n_photos + 1):
            name = f"{number:012d}.jpg"
            write(f"val2017/{name}", photo(HEIGHT, WIDTH))
            images.append({"id": number, "file_name": name, "height": HEIGHT, "width": WIDTH})
        content = {"images": images, "annotations": annotations, "categories": categories, **more}
        file = tmp_path / "annotations" / "instances_val2017.json"
        file.parent.mkdir(exist_ok=True)
        file.write_text(json.dumps(content))
        return file

    return coco


@pytest.mark.parametrize("background", ["background", None])
def test_masks_are_those_of_pycocotools(coco, background):
    rng = np.random.default_rng(0)
    annotations = []
    for number in range(12):
        mask = rng.random((HEIGHT, WIDTH)) < 0.1
        turns = np.sort(rng.random(9)) * 2 * np.pi
        reach = rng.uniform(3, 9, 9)
        center = rng.uniform(4, 16, 2)
        outline = np.c_[center[0] + reach * np.cos(turns), center[1] + reach * np.sin(turns)]
        segmentation = [[outline.ravel().round(2).tolist()], compressed(mask), plain(mask)]
        kind = CATEGORIES[number % 2]["id"]
        area = int(rng.integers(10, 200))
        annotations.append(annotation(number + 1, segmentation[number % 3], kind, area=area))
    file = coco(annotations)
    tool = COCO(str(file))
    expected = np.full((HEIGHT, WIDTH), 0 if background else -1)
    for entry in sorted(tool.loadAnns(tool.getAnnIds(1)), key=lambda entry: -entry["area"]):
        expected[tool.annToMask(entry) > 0] = entry["category_id"]
    data = load_coco(file, background=background)
    assert_array_equal(data.images[0].mask, expected)
    assert data.images[0].image.shape == (HEIGHT, WIDTH, 3)
    assert data.target is None


def test_names_and_tree(coco):
    data = load_coco(coco([annotation(1, [ring(2, 3, 5, 9)])]))
    assert data.part_names == {0: "background", 1: "person", 17: "cat", 18: "dog"}
    assert data.tree == {"image": {"background": 0, "person": 1, "animal": {"dog": 18, "cat": 17}}}
    with_zero = [{"id": 0, "name": "leaf", "supercategory": "none"}, *CATEGORIES]
    data = load_coco(coco([annotation(1, [ring(2, 3, 5, 9)], 0)], categories=with_zero))
    assert data.part_names[19] == "background"
    assert_array_equal(data.images[0].mask, np.where(box(2, 3, 5, 9), 0, 19))
    assert SegmentTree.from_nested(data.tree).n_leaves == 5
    twice = [*CATEGORIES, {"id": 3, "name": "cat"}]
    data = load_coco(coco([annotation(1, [ring(2, 3, 5, 9)], 3)], categories=twice))
    assert (data.part_names[3], data.part_names[17]) == ("cat (3)", "cat (17)")


def test_ids_may_be_text(coco):
    expected = load_coco(coco([annotation(1, [ring(2, 3, 5, 9)], 17)]))
    # some tools write ids as text in one place and as numbers in another
    as_text = [{**entry, "id": str(entry["id"])} for entry in CATEGORIES]
    for categories, category, image in (
        (as_text, "17", "1"),
        (as_text, 17, 1),
        (CATEGORIES, "17", "1"),
    ):
        file = coco([annotation(1, [ring(2, 3, 5, 9)], category, image)], categories=categories)
        found = load_coco(file)
        assert found.part_names == expected.part_names
        assert_array_equal(found.images[0].mask, expected.images[0].mask)
    words = [{"id": f"{entry['name']}-id", "name": entry["name"]} for entry in CATEGORIES]
    found = load_coco(coco([annotation(1, [ring(2, 3, 5, 9)], "dog-id")], categories=words))
    assert found.part_names == {0: "background", 1: "person", 2: "dog", 3: "cat"}
    assert_array_equal(found.images[0].mask, np.where(box(2, 3, 5, 9), 2, 0))
    mixed = [*words, {"id": 7, "name": "bird"}]
    found = load_coco(coco([annotation(1, [ring(2, 3, 5, 9)], 7)], categories=mixed))
    assert found.part_names[7] == "bird"
    assert len(found.part_names) == 5
    with pytest.raises(ValueError, match="gives the id 17 to two categories, 'cat' and 'lion'"):
        load_coco(coco([], categories=[*CATEGORIES, {"id": 17, "name": "lion"}]))


def test_order_of_painting(coco):
    small, large = (
        annotation(1, [ring(2, 3, 5, 9)], 1, area=18),
        annotation(2, [ring(0, 0, 9, 9)], area=81),
    )
    file = coco([small, large])
    assert_array_equal(
        load_coco(file).images[0].mask, np.where(box(2, 3, 5, 9), 1, 17 * box(0, 0, 9, 9))
    )
    assert_array_equal(load_coco(file, order="file").images[0].mask, 17 * box(0, 0, 9, 9))
    for entry in (small, large):
        del entry["area"]
    assert_array_equal(load_coco(coco([small, large])).images[0].mask[3, 4], 1)


def test_crowds(coco):
    crowd = annotation(1, compressed(box(0, 0, 9, 9)), crowd=1, area=1)
    one = annotation(2, [ring(2, 3, 5, 9)], 1, area=18)
    file = coco([crowd, one])
    part = np.where(box(2, 3, 5, 9), 1, 17 * box(0, 0, 9, 9))
    assert_array_equal(load_coco(file).images[0].mask, part)
    nothing = load_coco(file, crowd="unlabeled").images[0].mask
    assert_array_equal(nothing, np.where(part == 17, -1, part))
    data = load_coco(file, crowd="drop")
    assert_array_equal(data.images[0].mask, box(2, 3, 5, 9))
    assert data.left_out == {"regions of a crowd": ["000000000001.jpg: cat"]}


def test_a_photo_that_is_missing_is_not_one_of_the_same_name(tmp_path, coco, write, photo):
    file = coco([annotation(1, [ring(2, 3, 5, 9)]), annotation(2, [ring(1, 1, 8, 8)], image=2)])
    content = json.loads(file.read_text())
    names = ["cat/1.jpg", "photos/dog/2.jpg"]  # the second begins above the folder
    size = {"height": HEIGHT, "width": WIDTH}
    content["images"] = [{"id": k, "file_name": n, **size} for k, n in enumerate(names, start=1)]
    file.write_text(json.dumps(content))
    for name in ("dog/1", "dog/2", "cat/2"):
        write(f"val2017/{name}.jpg", photo(HEIGHT, WIDTH))
    with pytest.raises(FileNotFoundError, match=r"1 of 2 annotated photos are not in .*cat/1\.jpg"):
        load_coco(file)
    data = load_coco(file, unmatched="drop")
    assert data.ids == ["dog/2"]
    assert_array_equal(data.images[0].mask, 17 * box(1, 1, 8, 8))


def test_what_is_left_out(coco, write, photo):
    file = coco(
        [
            annotation(1, [ring(2, 3, 5, 99), ring(40, 40, 50, 50), [1, 2, 3, 4]]),
            annotation(2, [[1, 2, 3, 4, 5, 6, 7]]),
            annotation(3, []),
            annotation(4, [ring(2, 3, 5, 9)], image=77),
        ],
        n_photos=2,
    )
    write("val2017/other.jpg", photo())
    data = load_coco(file)
    assert data.ids == ["000000000001"]
    assert_array_equal(data.images[0].mask, 17 * box(2, 3, 5, WIDTH))
    name = "000000000001.jpg"
    assert data.left_out == {
        "outlines that reach out of their photo, clipped": [f"{name}: cat"],
        "outlines outside of their photo": [f"{name}: cat"],
        "outlines of fewer than three points, or without area": [f"{name}: cat"],
        "polygons with an odd number of coordinates": [f"{name}: cat"],
        "annotations without a segmentation": [f"{name}: cat", f"{name}: cat"],
        "annotations of photos that are not in the file": ["annotation 4"],
        "photos that the annotations do not name": ["other.jpg"],
        "photos without annotation": ["000000000002.jpg"],
    }


def test_panoptic(tmp_path, coco, write):
    numbers = np.zeros((HEIGHT, WIDTH), dtype=int)
    numbers[:5], numbers[5:9] = 3226956, 70000
    colors = np.stack([numbers % 256, numbers // 256 % 256, numbers // 65536], axis=-1)
    segments = [{"id": 3226956, "category_id": 17, "iscrowd": 0}, {"id": 70000, "category_id": 1}]
    entry = {"image_id": 1, "file_name": "000000000001.png", "segments_info": segments}
    file = coco([entry]).rename(tmp_path / "annotations" / "panoptic_val2017.json")
    write("annotations/panoptic_val2017/000000000001.png", colors.astype(np.uint8))
    data = load_coco(file)
    expected = np.full((HEIGHT, WIDTH), -1)
    expected[:5], expected[5:9] = 17, 1
    assert_array_equal(data.images[0].mask, expected)
    assert data.part_names == {1: "person", 17: "cat", 18: "dog"}
    write("annotations/panoptic_val2017/000000000001.png", colors.astype(np.uint8) + np.uint8(1))
    with pytest.raises(ValueError, match="segments_info does not name"):
        load_coco(file).images[0]
    (tmp_path / "annotations" / "panoptic_val2017" / "000000000001.png").unlink()
    with pytest.raises(FileNotFoundError, match="1 of 1 panoptic masks are not in"):
        load_coco(file)


def test_files_of_splits(tmp_path, coco, write, photo):
    file = coco([annotation(1, [ring(2, 3, 5, 9)])])
    for found in (load_coco(tmp_path), load_coco(tmp_path, split="val")):
        assert found.ids == ["000000000001"]
    # as Roboflow writes it
    own = tmp_path / "robo" / "train"
    write("robo/train/000000000001.jpg", photo(HEIGHT, WIDTH))
    file.rename(own / "_annotations.coco.json")
    data = load_coco(tmp_path / "robo", split="train", labels=lambda file: "a")
    assert (data.ids, data.target_names) == (["000000000001"], ["a"])
    with pytest.raises(FileNotFoundError, match="holds no annotations; looked for 'test/_annot"):
        load_coco(tmp_path / "robo", split="test")


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (
            {"segmentation": [0, 0, 9, 0, 9, 9]},
            "annotation 1 has the segmentation .* list of polyg",
        ),
        ({"category_id": 5}, r"1 unknown categories: 5 \(1\); expected 1, 17, 18"),
        ({"segmentation": {"size": [2, 2], "counts": [4]}}, r"are of \[2, 2\] pixels, the photo"),
        ({"segmentation": {"size": [HEIGHT, WIDTH], "counts": [4]}}, "cover 4 pixels of 20 x 30"),
    ],
)
def test_wrong_annotations(coco, changed, message):
    with pytest.raises(ValueError, match=message):
        load_coco(coco([{**annotation(1, [ring(2, 3, 5, 9)]), **changed}]))


def test_wrong_files(tmp_path, coco):
    file = coco([annotation(1, [ring(2, 3, 5, 9)])])
    text = file.read_text()
    for old, new, message in (
        ('"height": 20', '"height": 20000000', "the limit of Pillow"),
        ("000000000001.jpg", "../../secret.jpg", "leads out of its folder"),
        ("000000000001.jpg", "/etc/secret.jpg", "leads out of its folder"),
        ('"categories"', '"classes"', "no valid 'categories'"),
        ("}]}", "", "not valid JSON, or was cut off"),
    ):
        file.write_text(text.replace(old, new))
        with pytest.raises(ValueError, match=message):
            load_coco(file)
    file.write_text(text.replace("000000000001.jpg", "000000000002.jpg"))
    with pytest.raises(
        FileNotFoundError, match=r"1 of 1 annotated photos .*000000000002.jpg.*'\), and 1 of 1"
    ):
        load_coco(file)
    with pytest.raises(FileNotFoundError, match=r"must be a .json file of COCO"):
        load_coco(tmp_path / "nowhere.json")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda content: content["images"][0].pop("id"), "'000000000001.jpg' .* no valid 'id'"),
        (lambda content: content["images"][1].update(id=1), "gives the id 1 to two photos"),
        (lambda content: content["annotations"].append([1]), r"annotations\[1\] .* got \[1\]"),
    ],
    ids=["no id", "one id twice", "no object"],
)
def test_ids_belong_to_one_photo(coco, damage, message):
    # else the shapes of one photo would be painted on another
    file = coco([annotation(1, [ring(2, 3, 5, 9)])], n_photos=2)
    content = json.loads(file.read_text())
    damage(content)
    file.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=message):
        load_coco(file)


def test_pycocotools_is_named_where_it_is_missing(coco, monkeypatch):
    data = load_coco(coco([annotation(1, [ring(2, 3, 5, 9)])]))
    monkeypatch.setitem(sys.modules, "pycocotools", None)
    with pytest.raises(ImportError, match="pip install pycocotools"):
        data.images[0]
