"""Annotation files of labelme, Label Studio and CVAT."""

import base64
import io
import json
import pickle

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from PIL import Image

from hierseg_learn.datasets import load_annotations

HEIGHT, WIDTH = 12, 16
SQUARE = [[2, 3], [6, 3], [6, 7], [2, 7]]


def square(top=3, left=2, bottom=7, right=6, part=1):
    mask = np.zeros((HEIGHT, WIDTH), dtype=int)
    mask[top:bottom, left:right] = part
    return mask


def as_png(mask):
    stream = io.BytesIO()
    Image.fromarray(mask).save(stream, "PNG")
    return base64.b64encode(stream.getvalue()).decode()


def shape(label="cat", points=SQUARE, kind="polygon", **more):
    """One shape as labelme writes it."""
    return {
        "label": label, "points": points, "group_id": None, "description": "",
        "shape_type": kind, "flags": {}, "mask": None, **more,
    }  # fmt: skip


@pytest.fixture
def labelme(tmp_path, write, photo):
    """Write a photo and its file of labelme."""

    def labelme(name, shapes, flags=None, **more):
        write(f"{name}.jpg", photo(HEIGHT, WIDTH))
        content = {
            "version": "5.5.0", "flags": flags or {}, "shapes": shapes, "imagePath": f"{name}.jpg",
            "imageData": None, "imageHeight": HEIGHT, "imageWidth": WIDTH, **more,
        }  # fmt: skip
        (tmp_path / f"{name}.json").write_text(json.dumps(content))
        return tmp_path

    return labelme


def test_shapes_of_labelme(labelme):
    stored = np.zeros((3, 4), dtype=bool)
    stored[1, 1:3] = True
    inside = square(6, 6, 7, 8)
    cases = {
        "polygon": (shape(), square()),
        "rectangle": (shape(points=[[6, 7], [2, 3]], kind="rectangle"), square()),
        "turned": (shape(kind="oriented_rectangle"), square()),
        "stamp": (shape(points=[[5, 5], [8, 7]], kind="mask", mask=as_png(stored)), inside),
        "between": (
            shape(points=[[5.4, 5.6], [8.4, 7.6]], kind="mask", mask=as_png(stored)),
            inside,
        ),
    }
    for name, (given, _) in cases.items():
        path = labelme(name, [given])
    data = load_annotations(path)
    assert data.part_names == {0: "background", 1: "cat"}
    assert data.tree == {"image": {"background": 0, "cat": 1}}
    for name, item in zip(data.ids, data.images):
        assert_array_equal(item.mask, cases[name][1], err_msg=name)


def test_circles_of_labelme(labelme):
    path = labelme("a", [shape(points=[[8, 6], [8, 2]], kind="circle")])
    rows, columns = np.indices((HEIGHT, WIDTH)) + 0.5
    expected = (rows - 6) ** 2 + (columns - 8) ** 2 <= 16
    assert_array_equal(load_annotations(path).images[0].mask, expected)


def test_order_holes_and_names_of_labelme(labelme):
    shapes = [
        shape("cat", [[0, 0], [16, 0], [16, 12], [0, 12]]),
        shape("_background_", SQUARE),
        shape("__ignore__", [[8, 3], [10, 3], [10, 7], [8, 7]]),
        shape("eye", [[0, 0], [2, 0], [2, 2], [0, 2]]),
    ]
    path = labelme("a", shapes)
    expected = np.full((HEIGHT, WIDTH), 1)
    expected[3:7, 2:6], expected[3:7, 8:10], expected[:2, :2] = 0, -1, 2
    data = load_annotations(path)
    assert_array_equal(data.images[0].mask, expected)
    assert data.part_names == {0: "background", 1: "cat", 2: "eye"}
    other = load_annotations(path, background=None, part_names=["eye", "cat"])
    assert_array_equal(other.images[0].mask, np.array([-1, 2, 1, -1])[expected])
    with pytest.raises(ValueError, match=r"name 1 part\(s\) that are not known: 'eye' \(1\); exp"):
        load_annotations(path, part_names=["cat"])


def test_what_labelme_leaves_out(labelme, write, photo):
    path = labelme("a", [shape(), shape("line", [[0, 0], [1, 1]], "line")])
    labelme("b", [shape(points=[[-9, -9], [-1, -9], [-1, -1]])])
    labelme("c", [shape(points=[[2, 3], [60, 3], [60, 7], [2, 7]])])
    write("alone.jpg", photo())
    (path / "other.json").write_text("{}")
    data = load_annotations(path)
    assert data.ids == ["a", "c"]
    assert_array_equal(data.images[1].mask, square(right=WIDTH))
    assert data.left_out == {
        "lines, points and others that cover no pixel": ["a.jpg: line"],
        "outlines outside of their photo": ["b.jpg: cat"],
        "outlines that reach out of their photo, clipped": ["c.jpg: cat"],
        "files that are not of labelme": ["other.json"],
        "photos that the annotations do not name": ["alone.jpg"],
        "photos without annotation": ["b.jpg"],
    }
    assert data.part_names == {0: "background", 1: "cat"}


def test_flags_of_labelme_are_classes(labelme):
    path = labelme("a", [shape()], {"indoor": True, "outdoor": False})
    labelme("b", [shape()], {"indoor": False, "outdoor": True})
    data = load_annotations(path)
    assert (data.target_names, data.target.tolist()) == (["indoor", "outdoor"], [0, 1])
    labelme("c", [shape()], {"indoor": True, "outdoor": True})
    with pytest.raises(ValueError, match=r"1 of 3 photos have no class, or several: 'c.jpg'"):
        load_annotations(path)
    assert load_annotations(path, unmatched="drop").ids == ["a", "b"]


def test_splits_of_labelme_are_folders(labelme):
    path = labelme("a", [shape()])
    for name in ("train", "test"):
        (path / name).mkdir()
        for file in ("a.json", "a.jpg"):
            (path / name / file).write_bytes((path / file).read_bytes())
    data = load_annotations(path, split="train", as_frame=True)
    assert (data.ids, data.left_out) == (["a"], {})
    assert data.frame["split"].tolist() == ["train"]
    assert load_annotations(path).ids == ["a", "test/a", "train/a"]
    with pytest.raises(FileNotFoundError, match=r"must be a folder with images, got .*val"):
        load_annotations(path, split="val")


def test_old_files_of_labelme_have_no_size(labelme):
    path = labelme("a", [shape()], imageHeight=None, imageWidth=None)
    assert_array_equal(load_annotations(path).images[0].mask, square())


def test_photos_of_labelme_elsewhere(labelme, tmp_path):
    path = labelme("a", [shape()], imagePath="..\\photos\\a.jpg")
    (path / "photos").mkdir()
    (path / "a.jpg").rename(path / "photos" / "a.jpg")
    with pytest.raises(ValueError, match=r"names '..\\\\photos\\\\a.jpg', which leads out"):
        load_annotations(path)
    assert_array_equal(load_annotations(path, images=path / "photos").images[0].mask, square())
    labelme("b", [shape()])
    (path / "b.jpg").unlink()
    with pytest.raises(
        FileNotFoundError, match=r"1 of 2 annotated photos are not in .*\('b.jpg'\)"
    ):
        load_annotations(path, images=path / "photos")
    data = load_annotations(path, images=path / "photos", unmatched="drop")
    assert data.left_out["annotated photos that are not there"] == ["b.jpg"]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"imageWidth": 10**6, "imageHeight": 10**6}, "is said to be .*, the limit of Pillow"),
        ({"imageWidth": -1}, "expected at least 1 x 1"),
        ({"imageWidth": "wide"}, "expected integers"),
        ({"imagePath": 3}, "no valid 'imagePath'"),
        ({"shapes": [{"points": []}]}, "no valid 'label'"),
        ({"shapes": [shape(points=[[1, 2], [3]])]}, "no pairs of numbers"),
        ({"shapes": [shape(kind="spiral")]}, "type 'spiral' with 4 points, which is not known"),
        ({"shapes": [shape(kind="mask", mask="AAAA")]}, "a mask that is no image"),
    ],
)
def test_damaged_files_of_labelme(labelme, more, message):
    path = labelme("a", **{"shapes": [shape()], **more})
    with pytest.raises(ValueError, match=message):
        load_annotations(path)


def test_truncated_json_and_empty_folder(labelme, tmp_path):
    path = labelme("a", [shape()])
    text = (path / "a.json").read_text()
    (path / "a.json").write_text(text[:-20])
    with pytest.raises(ValueError, match=r"a.json' is not valid JSON, or was cut off"):
        load_annotations(path)
    (path / "a.json").unlink()
    with pytest.raises(ValueError, match=r"holds no .json file of labelme"):
        load_annotations(path)
    with pytest.raises(FileNotFoundError, match="is not there"):
        load_annotations(path / "nowhere")


def test_sizes_of_annotations(labelme, write, photo):
    path = labelme("a", [shape()])
    write("a.jpg", photo(2 * HEIGHT, 2 * WIDTH))
    with pytest.raises(ValueError, match="12 x 16 pixels, its photo is 24 x 32"):
        load_annotations(path)
    data = load_annotations(path, max_side=WIDTH)
    assert_array_equal(data.images[0].mask, square())
    assert data.images[0].image.shape == (HEIGHT, WIDTH, 3)
    assert_array_equal(pickle.loads(pickle.dumps(data.images))[0].mask, square())


class Bits:
    """Packer of the run lengths of Label Studio's brush."""

    def __init__(self):
        self.bits = []

    def put(self, value, n_bits):
        self.bits += [value >> k & 1 for k in reversed(range(n_bits))]

    def packed(self):
        return np.packbits(self.bits).tolist()


def brush_rle(mask, longest_run=4096):
    """Runs and plain stretches of the four equal channels of a mask, as the brush writes them."""
    values = np.repeat(mask.astype(np.uint8).ravel() * 255, 4)
    sizes = (3, 4, 8, 12)
    out = Bits()
    out.put(len(values), 32)
    out.put(8 - 1, 5)
    for size in sizes:
        out.put(size - 1, 4)
    starts = np.flatnonzero(np.r_[True, values[1:] != values[:-1]])
    for start, stop in zip(starts, [*starts[1:], len(values)]):
        while start < stop:
            run = min(stop - start, longest_run)
            place = next(k for k, size in enumerate(sizes) if run - 1 < 2**size)
            is_run = run > 4
            out.put(int(is_run), 1)
            out.put(place, 2)
            out.put(run - 1, sizes[place])
            for _ in range(1 if is_run else run):
                out.put(int(values[start]), 8)
            start += run
    return out.packed()


def region(kind, label, number="r1", **value):
    return {
        "id": number, "type": f"{kind}labels", "from_name": "tag", "to_name": "image",
        "original_width": WIDTH, "original_height": HEIGHT, "image_rotation": 0,
        "value": {f"{kind}labels": [label], **value},
    }  # fmt: skip


def task(results, image="/data/upload/3/0f1e2d3c-a.jpg", **data):
    return {
        "id": 1, "data": {"image": image, **data}, "predictions": [],
        "annotations": [{"id": 9, "was_cancelled": False, "result": results}],
    }  # fmt: skip


@pytest.fixture
def label_studio(tmp_path, write, photo):
    def label_studio(tasks, names=("0f1e2d3c-a.jpg",)):
        for name in names:
            write(name, photo(HEIGHT, WIDTH))
        file = tmp_path / "project.json"
        file.write_text(json.dumps(tasks))
        return file

    return label_studio


def percent(x, y):
    return {"x": 100 * x / WIDTH, "y": 100 * y / HEIGHT}


def test_regions_of_label_studio(label_studio):
    rng = np.random.default_rng(0)
    painted = rng.random((HEIGHT, WIDTH)) < 0.3
    painted[2:9] = True
    points = [list(percent(*point).values()) for point in SQUARE]
    size = {"width": 100 * 4 / WIDTH, "height": 100 * 4 / HEIGHT}
    cases = [
        (region("brush", "cat", format="rle", rle=brush_rle(painted)), painted),
        (region("polygon", "cat", points=points, closed=True), square()),
        (region("rectangle", "cat", **percent(2, 3), **size, rotation=0), square()),
        # about its upper left corner, clockwise
        (region("rectangle", "cat", **percent(6, 3), **size, rotation=90), square()),
    ]
    for given, expected in cases:
        data = load_annotations(label_studio([task([given])]))
        assert_array_equal(data.images[0].mask, expected)
    radii = {"radiusX": 100 * 4 / WIDTH, "radiusY": 100 * 2 / HEIGHT}
    rows, columns = np.indices((HEIGHT, WIDTH)) + 0.5
    for rotation, (a, b) in ((0, (4, 2)), (90, (2, 4))):
        given = region("ellipse", "cat", **percent(8, 6), **radii, rotation=rotation)
        data = load_annotations(label_studio([task([given])]))
        expected = ((columns - 8) / a) ** 2 + ((rows - 6) / b) ** 2 <= 1
        assert_array_equal(data.images[0].mask, expected)


def test_classes_splits_and_addresses_of_label_studio(label_studio):
    box = region("rectangle", "cat", **percent(2, 3), width=25, height=100 / 3)
    choice = {"id": "c", "type": "choices", "value": {"choices": ["indoor"]}}
    tasks = [
        task([box, choice], "/data/local-files/?d=photos%2Fa%20b.jpg", split="train"),
        task([box, choice], "s3://bucket/deep/c.jpg", split="test"),
    ]
    file = label_studio(tasks, ["photos/a b.jpg", "c.jpg"])
    data = load_annotations(file)
    assert data.ids == ["photos/a b", "c"]
    assert data.target_names == ["indoor"]
    assert load_annotations(file, split="test").ids == ["c"]
    with pytest.raises(ValueError, match=r"split='val' has no photo; .*\['test', 'train'\]"):
        load_annotations(file, split="val")


def test_what_label_studio_leaves_out(label_studio):
    box = region("rectangle", "cat", **percent(2, 3), width=25, height=100 / 3)
    point = region("keypoint", "cat", "k", **percent(2, 3), width=1)
    bare = {**region("rectangle", "x", "n"), "type": "rectangle", "value": {}}
    given = task([box, point, bare])
    given["annotations"] = [
        {"was_cancelled": True, "result": []}, *given["annotations"], {"result": []},
    ]  # fmt: skip
    empty = task([], "b.jpg")
    data = load_annotations(label_studio([given, empty], ["0f1e2d3c-a.jpg", "b.jpg"]))
    assert_array_equal(data.images[0].mask, square())
    assert data.left_out == {
        "further annotations of one photo": ["/data/upload/3/0f1e2d3c-a.jpg"],
        "lines, points and others that cover no pixel": ["0f1e2d3c-a.jpg: cat"],
        "regions without a label": ["0f1e2d3c-a.jpg: n"],
        "photos without annotation": ["b.jpg"],
    }


def test_wrong_files_of_label_studio(label_studio):
    rle = brush_rle(np.ones((HEIGHT, WIDTH), bool))
    for packed, message in (
        (rle[:-2], "end early"),
        (brush_rle(np.ones((2, 2))), "hold 16 values"),
    ):
        file = label_studio([task([region("brush", "cat", format="rle", rle=packed)])])
        with pytest.raises(ValueError, match=f"cannot be painted .*{message}"):
            load_annotations(file, verify=True)
    with pytest.raises(ValueError, match=r"Task 0 of project.json names no photo"):
        load_annotations(label_studio([task([], "text")]))
    turned = {
        **region("rectangle", "cat", **percent(2, 3), width=9, height=9),
        "image_rotation": 90,
    }
    with pytest.raises(ValueError, match="annotated on a turned photo"):
        load_annotations(label_studio([task([turned])]))
    with pytest.raises(ValueError, match="It looks like COCO's: use load_coco"):
        load_annotations(label_studio({"annotations": []}))
    box = region("rectangle", "cat", **percent(2, 3), width=25, height=100 / 3)
    with pytest.raises(ValueError, match=r"two entries for one photo, '0f1e2d3c-a.jpg'"):
        load_annotations(label_studio([task([box]), task([box])]))


CVAT = """<?xml version="1.0" encoding="utf-8"?>
<annotations>
  <version>1.1</version>
  <meta><task><labels>
    <label><name>fur</name><color>#ff0000</color><attributes></attributes></label>
    <label><name>eye</name><color>#00ff00</color><attributes></attributes></label>
    <label><name>indoor</name><color>#00ff00</color><type>tag</type></label>
  </labels></task></meta>
  <image id="0" name="sub/a.jpg" subset="train" width="16" height="12">{}</image>
</annotations>
"""


@pytest.fixture
def cvat(tmp_path, write, photo):
    def cvat(*children):
        write("sub/a.jpg", photo(HEIGHT, WIDTH))
        file = tmp_path / "annotations.xml"
        file.write_text(CVAT.format("".join(children)))
        return file

    return cvat


POLYGON = (
    '<polygon label="{}" source="manual" occluded="0" '
    'points="2.00,3.00;6.00,3.00;6.00,7.00;2.00,7.00" z_order="{}"></polygon>'
)


@pytest.mark.parametrize(
    ("child", "expected"),
    [
        (POLYGON.format("fur", 0), square()),
        ('<box label="fur" xtl="2" ytl="3" xbr="6" ybr="7" z_order="0"/>', square()),
        ('<box label="fur" xtl="2" ytl="3" xbr="6" ybr="7" rotation="90.0"/>', square()),
        ('<box label="fur" xtl="1" ytl="4" xbr="7" ybr="6" rotation="90.0"/>', square(2, 3, 8, 5)),
        ('<mask label="fur" rle="0, 4, 4, 4" left="2" top="3" width="4" height="3"/>',
         square(bottom=4) + square(top=5, bottom=6)),
    ],
)  # fmt: skip
def test_shapes_of_cvat(cvat, child, expected):
    data = load_annotations(cvat(child))
    assert_array_equal(data.images[0].mask, expected)
    assert data.part_names == {0: "background", 1: "fur", 2: "eye", 3: "indoor"}


def test_order_and_tags_of_cvat(cvat):
    file = cvat(POLYGON.format("eye", 1), POLYGON.format("fur", 0), '<tag label="indoor"/>')
    data = load_annotations(file, part_names=["fur", "eye"], split="train")
    assert_array_equal(data.images[0].mask, square(part=2))
    assert data.target_names == ["indoor"]
    rows, columns = np.indices((HEIGHT, WIDTH)) + 0.5
    ellipse = '<ellipse label="fur" cx="8" cy="6" rx="2" ry="4" rotation="90"/>'
    data = load_annotations(cvat(ellipse, '<points label="fur" points="1,1"/>'))
    expected = ((columns - 8) / 4) ** 2 + ((rows - 6) / 2) ** 2 <= 1
    assert_array_equal(data.images[0].mask, expected)
    assert data.left_out == {"lines, points and others that cover no pixel": ["sub/a.jpg: fur"]}


def test_wrong_files_of_cvat(cvat, tmp_path):
    mask = '<mask label="fur" rle="1, 2" left="2" top="3" width="4" height="3"/>'
    with pytest.raises(ValueError, match=r"'sub/a.jpg' .*'fur' cover 3 pixels of 4 x 3"):
        load_annotations(cvat(mask))
    with pytest.raises(ValueError, match=r"lacks a number or a name \('xtl'\)"):
        load_annotations(cvat('<box label="fur" ytl="3" xbr="6" ybr="7"/>'))
    file = cvat(POLYGON.format("fur", 0))
    file.write_text(file.read_text()[:-30])
    with pytest.raises(ValueError, match="not valid XML, or was cut off"):
        load_annotations(file)
    file.write_text("<annotations><track><box/></track></annotations>")
    with pytest.raises(ValueError, match="is of a video"):
        load_annotations(file)
    file.write_text("<annotations></annotations>")
    with pytest.raises(ValueError, match="has no <image>"):
        load_annotations(file)
    file.write_text(CVAT.format("").replace("sub/a.jpg", "../a.jpg"))
    with pytest.raises(ValueError, match=r"names '../a.jpg', which leads out of its folder"):
        load_annotations(file)
