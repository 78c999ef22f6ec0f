"""Every snippet of the page "Your masks" runs on files in the layouts that it names."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

PAGE = Path(__file__).resolve().parents[2] / "docs" / "user_guide" / "your_masks.rst"
COLORS = np.array([(0, 0, 0), (0, 128, 0), (9, 9, 9)], dtype=np.uint8)
SHAPE = {"label": "cat", "points": [[1, 1], [5, 1], [5, 5]], "shape_type": "polygon"}
COCO = {
    "images": [{"id": 1, "file_name": "1.jpg", "height": 6, "width": 8}],
    "categories": [{"id": 1, "name": "cat", "supercategory": "animal"}],
}
CVAT = (
    '<annotations><image name="1.jpg" width="8" height="6">'
    '<box label="cat" xtl="1" ytl="1" xbr="3" ybr="3"/></image></annotations>'
)


def snippets():
    """Code of every block, dedented."""
    blocks = re.findall(r"\.\. code-block:: python\n\n((?:   .*\n|\n)+)", PAGE.read_text("utf-8"))
    return [re.sub(r"^   ", "", block, flags=re.MULTILINE) for block in blocks]


class Pets:
    """Items like those of torchvision's pets, or of Hugging Face's library."""

    def __init__(self, make):
        self.make = make

    def __len__(self):
        return 2

    def __getitem__(self, i):
        return self.make()


@pytest.fixture
def layouts(tmp_path, write, photo, ids):
    """Write one or two photos in each layout."""

    def text(name, content):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        content = content if isinstance(content, str) else json.dumps(content)
        (tmp_path / name).write_text(content)

    def pair(photo_name, mask_name, mask=None):
        write(photo_name, photo())
        write(mask_name, ids() if mask is None else mask)

    for name in ("cat/1", "dog/2"):
        pair(f"pets/images/{name}.jpg", f"pets/masks/{name[4:]}.png")
    text("pets/classes.csv", "photo,label,breed\n1,cat,tabby\n2,dog,pug\n")
    pair("survey/photos/raw/1.jpg", "survey/labels/final/1-gt.png")
    pair("fields/train/1.jpg", "fields/train/1_mask.png")
    text("fields/train/_classes.csv", "Pixel Value, Class\n0, soil\n1, weed\n2, crop\n")
    pair("painted/images/1.jpg", "painted/masks/1.png", COLORS[ids()])
    pair("binary/images/1.jpg", "binary/masks/1.png", ids(n_parts=2) * np.uint8(255))
    pair("cvat_masks/JPEGImages/1.jpg", "cvat_masks/SegmentationClass/1.png", COLORS[ids()])
    text("cvat_masks/labelmap.txt", "ground:0,0,0::\nleaf:0,128,0::\nstem:9,9,9::\n")
    for part in ("skin", "eyes", "hair"):
        pair("faces/images/7.jpg", f"faces/masks/7_{part}.png", ids(n_parts=2) * np.uint8(255))
    for number in (1, 2):
        pair("cells/images/7.jpg", f"cells/masks/7/{number}.png", ids(n_parts=2) * np.uint8(255))
    write("celeba/CelebA-HQ-img/0.jpg", photo(1024, 1024))
    part = np.zeros((512, 512), dtype=np.uint8)
    part[100:300] = 255
    write("celeba/CelebAMask-HQ-mask-anno/0/00000_skin.png", part)
    text("celeba/CelebAMask-HQ-attribute-anno.txt", "1\nSmiling Young\n0.jpg 1 -1\n")
    annotations = "TrainVal_parsing_annotations/val_segmentations"
    pair("lip/TrainVal_images/val_images/1.jpg", f"lip/{annotations}/1.png")
    pair("atr/JPEGImages/1.jpg", "atr/SegmentationClassAug/1.png")
    city = "cityscapes/{}/train/aachen/aachen_1_{}.png"
    pair(city.format("leftImg8bit", "leftImg8bit"), city.format("gtFine", "gtFine_labelIds"),
         ids() + np.uint8(7))  # fmt: skip
    pair("ade/images/training/1.jpg", "ade/annotations/training/1.png")
    pair("ade_full/images/ADE/training/a/1.jpg", "ade_full/images/ADE/training/a/1_seg.png",
         photo())  # fmt: skip
    pair("voc/JPEGImages/1.jpg", "voc/SegmentationClass/1.png")
    text("voc/ImageSets/Segmentation/train.txt", "1\n")
    write("labelme/1.jpg", photo())
    size = {"imagePath": "1.jpg", "imageHeight": 6, "imageWidth": 8}
    text("labelme/1.json", {"shapes": [SHAPE], **size})
    write("uploads/1.jpg", photo())
    value = {"points": [[10, 10], [60, 10], [60, 60]], "polygonlabels": ["cat"]}
    result = {"type": "polygonlabels", "original_width": 8, "original_height": 6, "value": value}
    task = {"data": {"image": "/data/upload/1/1.jpg"}, "annotations": [{"result": [result]}]}
    text("project.json", [task])
    text("annotations.xml", CVAT)
    write("coco/val2017/1.jpg", photo())
    entry = {"id": 1, "image_id": 1, "category_id": 1, "segmentation": [[1, 1, 5, 1, 5, 5]],
             "area": 8, "iscrowd": 0}  # fmt: skip
    text("coco/annotations/instances_val2017.json", {**COCO, "annotations": [entry]})
    entry = {"image_id": 1, "file_name": "1.png", "segments_info": [{"id": 5, "category_id": 1}]}
    text("coco/annotations/panoptic_val2017.json", {**COCO, "annotations": [entry]})
    segments = np.zeros((6, 8, 3), dtype=np.uint8)
    segments[2:4, :, 0] = 5
    write("coco/annotations/panoptic_val2017/1.png", segments)
    named = Pets(lambda: {"image": photo(), "annotation": ids(), "label": "cat"})
    pets = Pets(lambda: (Image.fromarray(photo()), (1, Image.fromarray(ids()))))
    return {"hugging_face": named, "torchvision_pets": pets}


def test_all_snippets_run(layouts, tmp_path, monkeypatch):
    pytest.importorskip("pycocotools", reason="paints the masks of COCO")
    monkeypatch.chdir(tmp_path)
    n_read = 0
    for code in snippets():
        exec(code, layouts)
        calls = re.findall(r"^(?:data = )?(load_\w+\((?:[^()]|\([^()]*\))*\))", code, re.MULTILINE)
        for call in calls:
            data = eval(call, layouts)
            item = data.images[len(data.images) - 1]
            assert item.image.shape == (*item.mask.shape, 3), call
            n_read += 1
    assert n_read >= 30
