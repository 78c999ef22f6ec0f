"""Layouts of public data sets and tools, written to disk, and read without a reader."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple
from xml.etree import ElementTree

import numpy as np
from PIL import Image, ImageDraw
from skimage.measure import approximate_polygon, find_contours

from hierseg_learn.tree import SegmentTree

Pair = tuple[np.ndarray, np.ndarray]


class Samples:
    """Some photos with masks, enlarged, as often as asked for; part ids count from 0."""

    def __init__(self, images: Any, tree: dict[str, Any], scale: int) -> None:
        tree = SegmentTree.from_nested(tree)
        self.names = [tree.names[leaf] for leaf in tree.leaves]
        places = np.zeros(256, dtype=np.uint8)
        for place, value in enumerate(tree.leaf_values):
            places[list(value) if isinstance(value, tuple) else value] = place
        self.pairs: list[Pair] = []
        for image, mask in images:
            photo = image if image.dtype == np.uint8 else (255 * image).astype(np.uint8)
            size = (scale * image.shape[1], scale * image.shape[0])
            photo = np.asarray(Image.fromarray(photo).resize(size))
            self.pairs.append((photo, np.kron(places[mask], np.ones((scale, scale), np.uint8))))
        self.outlines = [self._outlines(mask) for _, mask in self.pairs]

    def _outlines(self, mask: np.ndarray) -> list[tuple[int, np.ndarray]]:
        """Part and points (x, y) of every outline in a mask, but for the background."""
        found = []
        for part in range(1, len(self.names)):
            for contour in find_contours(np.pad(mask == part, 1), 0.5):
                points = approximate_polygon(contour - 0.5, 0.5)[:-1, ::-1]
                if len(points) > 2:
                    found.append((part, points.round(2)))
        return found

    def __call__(self, number: int) -> Pair:
        return self.pairs[number % len(self.pairs)]


class Layout(NamedTuple):
    """A layout: how it is written, what a user writes to read it, and what is done without."""

    name: str
    write: Callable[[Path, Samples, int], None]
    code: str
    compared_with: str
    read: Callable[[Path, Samples], Iterator[Pair]]


def save(path: Path, pixels: np.ndarray, palette: np.ndarray | None = None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(pixels)
    if palette is not None:
        image.putpalette(palette.ravel().tolist())
    image.save(path)


def load(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path))


def palette_of(n_colors: int) -> np.ndarray:
    return (np.arange(3 * n_colors) * 37 % 256).astype(np.uint8).reshape(n_colors, 3)


def writer(
    photo_name: str, mask_name: str, colors: str = "ids", first: int = 0
) -> Callable[..., None]:
    """Writer of one photo and one mask a number, ids, indices of a palette, or colors.

    `first` is the first id of a part in the layout.
    """

    def write(folder: Path, samples: Samples, n_photos: int) -> None:
        palette = palette_of(256)
        for number in range(n_photos):
            photo, mask = samples(number)
            save(folder / photo_name.format(number), photo)
            mask = mask + np.uint8(first)
            mask = palette[mask] if colors == "colors" else mask
            given = palette if colors == "palette" else None
            save(folder / mask_name.format(number), mask, given)

    return write


def loop(photos: str, masks: str) -> Callable[..., Iterator[Pair]]:
    """Loop over sorted files, which trusts that both folders hold the same."""

    def read(folder: Path, samples: Samples) -> Iterator[Pair]:
        for photo, mask in zip(sorted(folder.glob(photos)), sorted(folder.glob(masks))):
            yield load(photo), load(mask)

    return read


def read_colors(folder: Path, samples: Samples) -> Iterator[Pair]:
    colors = palette_of(len(samples.names))
    for photo, pixels in loop("images/*.jpg", "masks/*.png")(folder, samples):
        mask = np.zeros(pixels.shape[:2], dtype=np.int32)
        for part, color in enumerate(colors):
            mask[(pixels == color).all(axis=2)] = part
        yield photo, mask


def write_part_files(folder: Path, samples: Samples, n_photos: int) -> None:
    for number in range(n_photos):
        photo, mask = samples(number)
        save(folder / f"images/{number}.jpg", photo)
        for part in range(1, len(samples.names)):
            if (mask == part).any():
                name = f"masks/{number}_{samples.names[part]}.png"
                save(folder / name, ((mask == part) * 255).astype(np.uint8))


def read_part_files(folder: Path, samples: Samples) -> Iterator[Pair]:
    for path in sorted((folder / "images").glob("*.jpg")):
        photo = load(path)
        mask = np.zeros(photo.shape[:2], dtype=np.int32)
        for part, name in enumerate(samples.names[1:], start=1):
            file = folder / "masks" / f"{path.stem}_{name}.png"
            if file.exists():
                mask[load(file) != 0] = part
        yield photo, mask


def write_coco(folder: Path, samples: Samples, n_photos: int) -> None:
    images, annotations = [], []
    for number in range(n_photos):
        photo, mask = samples(number)
        save(folder / f"val2017/{number:06d}.jpg", photo)
        size = {"height": mask.shape[0], "width": mask.shape[1]}
        images.append({"id": number, "file_name": f"{number:06d}.jpg", **size})
        for part, points in samples.outlines[number % len(samples.pairs)]:
            annotations.append({
                "id": len(annotations) + 1, "image_id": number, "category_id": part, "iscrowd": 0,
                "segmentation": [points.ravel().tolist()], "area": float((mask == part).sum()),
                "bbox": [0, 0, 1, 1],
            })  # fmt: skip
    categories = [{"id": k, "name": name} for k, name in enumerate(samples.names) if k]
    content = {"images": images, "annotations": annotations, "categories": categories}
    (folder / "annotations").mkdir()
    (folder / "annotations/instances_val2017.json").write_text(json.dumps(content))


def read_coco(folder: Path, samples: Samples) -> Iterator[Pair]:
    from pycocotools.coco import COCO

    coco = COCO(str(folder / "annotations/instances_val2017.json"))
    for entry in coco.loadImgs(coco.getImgIds()):
        mask = np.zeros((entry["height"], entry["width"]), dtype=np.int32)
        found = coco.loadAnns(coco.getAnnIds(entry["id"]))
        for annotation in sorted(found, key=lambda annotation: -annotation["area"]):
            mask[coco.annToMask(annotation) > 0] = annotation["category_id"]
        yield load(folder / "val2017" / entry["file_name"]), mask


def write_panoptic(folder: Path, samples: Samples, n_photos: int) -> None:
    images, annotations = [], []
    for number in range(n_photos):
        photo, mask = samples(number)
        save(folder / f"val2017/{number:06d}.jpg", photo)
        ids = (mask.astype(int) + 1) * 1000
        colors = np.stack([ids % 256, ids // 256 % 256, ids // 65536], axis=2).astype(np.uint8)
        save(folder / f"annotations/panoptic_val2017/{number:06d}.png", colors)
        size = {"height": mask.shape[0], "width": mask.shape[1]}
        images.append({"id": number, "file_name": f"{number:06d}.jpg", **size})
        segments = [{"id": 1000 * (k + 1), "category_id": k} for k in np.unique(mask).tolist()]
        annotations.append(
            {"image_id": number, "file_name": f"{number:06d}.png", "segments_info": segments}
        )
    categories = [{"id": k, "name": name} for k, name in enumerate(samples.names)]
    content = {"images": images, "annotations": annotations, "categories": categories}
    (folder / "annotations/panoptic_val2017.json").write_text(json.dumps(content))


def read_panoptic(folder: Path, samples: Samples) -> Iterator[Pair]:
    content = json.loads((folder / "annotations/panoptic_val2017.json").read_text())
    for entry in content["annotations"]:
        colors = load(folder / "annotations/panoptic_val2017" / entry["file_name"]).astype(int)
        ids = colors[..., 0] + 256 * colors[..., 1] + 65536 * colors[..., 2]
        mask = np.full(ids.shape, -1, dtype=np.int32)
        for segment in entry["segments_info"]:
            mask[ids == segment["id"]] = segment["category_id"]
        yield load(folder / "val2017" / entry["file_name"].replace("png", "jpg")), mask


def write_labelme(folder: Path, samples: Samples, n_photos: int) -> None:
    for number in range(n_photos):
        photo, mask = samples(number)
        save(folder / f"{number:06d}.jpg", photo)
        shapes = [
            {"label": samples.names[part], "points": points.tolist(), "shape_type": "polygon"}
            for part, points in samples.outlines[number % len(samples.pairs)]
        ]
        content = {
            "shapes": shapes, "imagePath": f"{number:06d}.jpg", "imageData": None, "flags": {},
            "imageHeight": mask.shape[0], "imageWidth": mask.shape[1],
        }  # fmt: skip
        (folder / f"{number:06d}.json").write_text(json.dumps(content))


def draw(outlines: list[tuple[str, Any]], size: tuple[int, int], names: list[str]) -> np.ndarray:
    """Paint polygons with Pillow, one on a canvas of its own each, as labelme does."""
    mask = np.zeros(size, dtype=np.int32)
    for label, points in outlines:
        canvas = Image.new("L", size[::-1])
        ImageDraw.Draw(canvas).polygon([tuple(point) for point in points], fill=1, outline=1)
        mask[np.asarray(canvas, dtype=bool)] = names.index(label)
    return mask


def read_labelme(folder: Path, samples: Samples) -> Iterator[Pair]:
    for path in sorted(folder.glob("*.json")):
        content = json.loads(path.read_text())
        outlines = [(shape["label"], shape["points"]) for shape in content["shapes"]]
        size = content["imageHeight"], content["imageWidth"]
        yield load(folder / content["imagePath"]), draw(outlines, size, samples.names)


def write_cvat(folder: Path, samples: Samples, n_photos: int) -> None:
    root = ElementTree.Element("annotations")
    for number in range(n_photos):
        photo, mask = samples(number)
        save(folder / f"{number:06d}.jpg", photo)
        height, width = map(str, mask.shape)
        image = ElementTree.SubElement(
            root, "image", id=str(number), name=f"{number:06d}.jpg", width=width, height=height
        )
        for part, points in samples.outlines[number % len(samples.pairs)]:
            text = ";".join(f"{x:.2f},{y:.2f}" for x, y in points)
            ElementTree.SubElement(image, "polygon", label=samples.names[part], points=text)
    ElementTree.ElementTree(root).write(folder / "annotations.xml")


def read_cvat(folder: Path, samples: Samples) -> Iterator[Pair]:
    for image in ElementTree.parse(folder / "annotations.xml").getroot().iter("image"):
        outlines = [
            (child.get("label"), [tuple(map(float, pair.split(","))) for pair in
                                  child.get("points").split(";")])
            for child in image
        ]  # fmt: skip
        size = int(image.get("height")), int(image.get("width"))
        yield load(folder / image.get("name")), draw(outlines, size, samples.names)


def write_label_studio(folder: Path, samples: Samples, n_photos: int) -> None:
    tasks = []
    for number in range(n_photos):
        photo, mask = samples(number)
        save(folder / f"{number:06d}.jpg", photo)
        height, width = mask.shape
        results = [
            {
                "id": str(k), "type": "polygonlabels", "original_width": width,
                "original_height": height,
                "value": {
                    "points": (points * 100 / [width, height]).tolist(),
                    "polygonlabels": [samples.names[part]],
                },
            }
            for k, (part, points) in enumerate(samples.outlines[number % len(samples.pairs)])
        ]  # fmt: skip
        data = {"image": f"/data/upload/1/{number:06d}.jpg"}
        tasks.append({"data": data, "annotations": [{"result": results}]})
    (folder / "project.json").write_text(json.dumps(tasks))


def read_label_studio(folder: Path, samples: Samples) -> Iterator[Pair]:
    for task in json.loads((folder / "project.json").read_text()):
        results = task["annotations"][0]["result"]
        size = results[0]["original_height"], results[0]["original_width"]
        scale = np.array(size[::-1]) / 100
        outlines = [
            (result["value"]["polygonlabels"][0], np.array(result["value"]["points"]) * scale)
            for result in results
        ]
        photo = load(folder / task["data"]["image"].rpartition("/")[2])
        yield photo, draw(outlines, size, samples.names)


def write_voc(folder: Path, samples: Samples, n_photos: int) -> None:
    root = "VOCdevkit/VOC2012"
    write = writer(
        root + "/JPEGImages/{:06d}.jpg", root + "/SegmentationClass/{:06d}.png", "palette"
    )
    write(folder, samples, n_photos)
    lists = folder / root / "ImageSets/Segmentation"
    lists.mkdir(parents=True)
    (lists / "train.txt").write_text("\n".join(f"{number:06d}" for number in range(n_photos)))


def read_voc(folder: Path, samples: Samples) -> Iterator[Pair]:
    from torchvision.datasets import VOCSegmentation

    for photo, mask in VOCSegmentation(folder, image_set="train", download=False):
        yield np.asarray(photo), np.asarray(mask)


def read_cityscapes(folder: Path, samples: Samples) -> Iterator[Pair]:
    from torchvision.datasets import Cityscapes

    data = Cityscapes(folder, split="train", target_type="semantic")
    # it takes files as the file system lists them
    data.images.sort()
    data.targets.sort()
    for photo, mask in data:
        yield np.asarray(photo), np.asarray(mask)


def read_items(folder: Path, samples: Samples) -> Iterator[Pair]:
    for photo, mask in python_items(folder):
        yield np.asarray(photo), np.asarray(mask)


class python_items:
    """Data set of torchvision's kind over two folders."""

    def __init__(self, folder: Path) -> None:
        self.photos = sorted((folder / "images").iterdir())
        self.masks = sorted((folder / "masks").iterdir())

    def __len__(self) -> int:
        return len(self.photos)

    def __getitem__(self, i: int) -> tuple[Any, Any]:
        return Image.open(self.photos[i]), Image.open(self.masks[i])


PLAIN = writer("images/{:06d}.jpg", "masks/{:06d}.png")
PLAIN_LOOP = loop("images/*.jpg", "masks/*.png")
LAYOUTS = (
    Layout("ids beside photos", PLAIN, "data = load_image_folder(folder, part_names=names)",
           "loop with Pillow", PLAIN_LOOP),
    Layout("colors", writer("images/{:06d}.jpg", "masks/{:06d}.png", "colors"),
           "data = load_image_folder(folder, palette=palette)", "loop with NumPy", read_colors),
    Layout("one file per part", write_part_files,
           "data = load_image_folder(folder, one_per_part=True, part_names=names[1:])",
           "loop with Pillow", read_part_files),
    Layout("COCO instances", write_coco, "data = load_coco(folder, split='val')",
           "pycocotools", read_coco),
    Layout("COCO panoptic", write_panoptic,
           "data = load_coco(folder / 'annotations/panoptic_val2017.json')", "loop with NumPy",
           read_panoptic),
    Layout("labelme", write_labelme, "data = load_annotations(folder, part_names=names[1:])",
           "loop with Pillow", read_labelme),
    Layout("Label Studio", write_label_studio,
           "data = load_annotations(folder / 'project.json', part_names=names[1:])",
           "loop with Pillow", read_label_studio),
    Layout("CVAT", write_cvat,
           "data = load_annotations(folder / 'annotations.xml', part_names=names[1:])",
           "loop with Pillow", read_cvat),
    Layout("Pascal VOC", write_voc, "data = load_image_folder(folder, layout='voc', split='train')",
           "torchvision", read_voc),
    Layout("Cityscapes",
           writer("leftImg8bit/train/a/a_{:06d}_leftImg8bit.png",
                  "gtFine/train/a/a_{:06d}_gtFine_labelIds.png", first=7),
           "data = load_image_folder(folder, layout='cityscapes', split='train')",
           "torchvision", read_cityscapes),
    Layout("SceneParse150",
           writer("images/training/{:06d}.jpg", "annotations/training/{:06d}.png", first=1),
           "data = load_image_folder(folder, layout='sceneparse150')",
           "loop with Pillow", loop("images/training/*.jpg", "annotations/training/*.png")),
    Layout("LIP",
           writer("TrainVal_images/train_images/{:06d}.jpg",
                  "TrainVal_parsing_annotations/train_segmentations/{:06d}.png"),
           "data = load_image_folder(folder, layout='lip')", "loop with Pillow",
           loop("TrainVal_images/*/*.jpg", "TrainVal_parsing_annotations/*/*.png")),
    Layout("data set in Python", PLAIN,
           "data = load_from_dataset(items(folder), image=0, mask=1, part_names=names)",
           "loop over its items", read_items),
)  # fmt: skip
