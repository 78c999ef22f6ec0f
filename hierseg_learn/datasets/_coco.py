"""Annotations in COCO's format: instances and panoptic."""

from __future__ import annotations

import os
import re
from collections import Counter
from pathlib import Path
from typing import Any

from sklearn.utils import Bunch
from sklearn.utils._param_validation import StrOptions, validate_params

from ..images import recipes
from ..images.recipes import Codes, ColorRecipe, Drawing, Shape, check_canvas
from ._annotations import (
    IGNORED_NAMES,
    Annotated,
    PhotoIndex,
    as_points,
    collect,
    entry_of,
    read_json,
)
from ._reading import (
    COMMON_CONSTRAINTS,
    Collected,
    LeftOut,
    Reading,
    check_folder,
    check_inside,
    named,
    scan,
    shared_doc,
)


@validate_params(
    {
        "path": [str, os.PathLike],
        "images": [str, os.PathLike, None],
        "masks": [str, os.PathLike, None],
        "crowd": [StrOptions({"part", "unlabeled", "drop"})],
        "order": [StrOptions({"area", "file"})],
        "background": [str, None],
        **COMMON_CONSTRAINTS,
    },
    prefer_skip_nested_validation=True,
)
@shared_doc(
    default_labels="no classes, as the format has none for a photo",
    default_tree="one with COCO's supercategories",
    splits="the file ``instances_SPLIT*.json``, or that in the folder SPLIT",
)
def load_coco(
    path: str | os.PathLike,
    *,
    images: str | os.PathLike | None = None,
    masks: str | os.PathLike | None = None,
    crowd: str = "part",
    order: str = "area",
    background: str | None = "background",
    labels: Any = None,
    tree: Any = None,
    unlabeled: Any = None,
    split: str | None = None,
    resize: Any = None,
    max_side: int | None = None,
    mode: str | None = "RGB",
    unmatched: str = "raise",
    verify: bool = False,
    verbose: int = 0,
    return_X_y: bool = False,
    as_frame: bool = False,
) -> Bunch | tuple:
    """Load photos with annotations in COCO's format: instances or panoptic.

    Polygons and run lengths of both kinds are painted by pycocotools (``pip install
    hierseg-learn[coco]``), so that masks are COCO's to the pixel. All objects of a category are one
    part, with the id of the category; ids that are text become numbers. Annotations without a
    segmentation, and photos without any, are left out.

    Parameters
    ----------
    path : str or path-like
        The ``.json`` file, or a folder with one: ``annotations/instances_SPLIT*.json``, or
        ``SPLIT/_annotations.coco.json``.
    images : str, path-like or None, default=None
        The folder of the photos. None stands for the folder named as the file is
        (``instances_val2017.json``: ``val2017``) or ``images``, near it, or that of the file.
    masks : str, path-like or None, default=None
        The folder of the PNG files of a panoptic data set; None stands for the folder beside the
        file, of the same name.
    crowd : {"part", "unlabeled", "drop"}, default="part"
        What regions are that are marked as a crowd of objects: of the part (some tools mark all
        masks so), unlabeled, or left out. They lie below all others.
    order : {"area", "file"}, default="area"
        Order of painting where objects overlap: the largest first, so that small ones stay to be
        seen, or as in the file.
    background : str or None, default="background"
        Name of what no annotation covers, id 0 (or the first free id, if a category has that); None
        leaves it unlabeled. In panoptic data, it is always unlabeled.
    $common

    Returns
    -------
    $returns

    Raises
    ------
    FileNotFoundError
        If a file, folder or photo is missing.
    ImportError
        If pycocotools is needed and not installed.
    ValueError
        If the file is damaged, has two entries for one photo, an unknown category, a photo out of
        its folder, or run lengths of another size than the photo.

    References
    ----------
    .. [1] T.-Y. Lin et al. (2014). "Microsoft COCO: Common Objects in Context". ECCV.
    .. [2] A. Kirillov et al. (2019). "Panoptic Segmentation". CVPR.

    Examples
    --------
    >>> import json, tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> from PIL import Image
    >>> from hierseg_learn.datasets import load_coco
    >>> segments = [{"id": 5, "category_id": 7}]
    >>> content = {
    ...     "images": [{"id": 1, "file_name": "a.png", "height": 2, "width": 3}],
    ...     "annotations": [{"image_id": 1, "file_name": "a.png", "segments_info": segments}],
    ...     "categories": [{"id": 7, "name": "cat"}],
    ... }
    >>> with tempfile.TemporaryDirectory() as name:
    ...     for folder in ("images", "panoptic_val"):
    ...         (Path(name) / folder).mkdir()
    ...         color = np.full((2, 3, 3), (5, 0, 0), dtype=np.uint8)
    ...         Image.fromarray(color).save(Path(name) / folder / "a.png")
    ...     _ = (Path(name) / "panoptic_val.json").write_text(json.dumps(content))
    ...     data = load_coco(Path(name) / "panoptic_val.json")
    ...     mask = data.images[0].mask
    >>> mask
    array([[7, 7, 7],
           [7, 7, 7]], dtype=int32)
    """
    reading = Reading(
        labels, tree, unlabeled, split, resize, max_side, mode, unmatched, verify, verbose,
        return_X_y, as_frame,
    )  # fmt: skip
    left_out = LeftOut()
    file = _coco_file(Path(path), split)
    content = read_json(file)
    entries = {
        key: entry_of(content, key, list, str(file))
        for key in ("images", "annotations", "categories")
    }
    photos = PhotoIndex(folder := _coco_photos(file, images), folder)
    for number, entry in enumerate(entries["annotations"]):
        if not isinstance(entry, dict):
            raise ValueError(
                f"annotations[{number}] in {file.name} is no object, got {entry!r:.60}."
            )
    _number_categories(entries, str(file))
    parts = _categories(entries["categories"], str(file))
    free = 0 if 0 not in parts else max(parts) + 1
    is_panoptic = any("segments_info" in entry for entry in entries["annotations"][:1])
    if is_panoptic:
        background = None
    groups = _supercategories(entries["categories"], parts, background, free)
    found = [
        Annotated(entry["file_name"], *_coco_size(entry, file.name)) for entry in entries["images"]
    ]
    by_id = _by_id(entries["images"], found, file.name)
    if is_panoptic:
        folder = check_folder(masks if masks is not None else file.with_suffix(""), "masks")
        collected = _panoptic(entries, found, by_id, parts, photos, folder, reading, left_out)
    else:
        _add_instances(entries, found, by_id, parts, crowd, order, left_out)
        collected = collect(found, photos, parts, background, reading, left_out, free)
    collected.tree = groups
    collected.splits = None
    collected.description = f"COCO's annotations in {str(file)!r}"
    return reading.finish(collected)


def _coco_file(path: Path, split: str | None) -> Path:
    """The one annotation file that a path leads to."""
    if path.is_file() and split is None:
        return path
    if not path.is_dir():
        raise FileNotFoundError(
            f"path={str(path)!r} must be a .json file of COCO"
            + (", or with split= a folder that holds some." if path.is_file() else ".")
        )
    patterns = ["annotations/instances_*.json", "_annotations.coco.json", "*.json"]
    if split is not None:
        patterns = [
            f"{split}/_annotations.coco.json",
            f"annotations/instances_{split}*.json",
            f"annotations/*_{split}*.json",
            f"{split}/*.json",
        ]
    for pattern in patterns:
        found = sorted(path.glob(pattern))
        if len(found) == 1:
            return found[0]
        if found:
            raise ValueError(
                f"{str(path)!r} holds several files of annotations: "
                f"{named([file.name for file in found])}; pass one of them as path."
            )
    raise FileNotFoundError(f"{str(path)!r} holds no annotations; looked for {named(patterns)}.")


def _coco_photos(file: Path, images: Any) -> Path:
    """Folder of the photos."""
    if images is not None:
        return check_folder(images, "images")
    name = re.sub(r"^(instances|panoptic|person_keypoints|stuff)_", "", file.stem)
    for base in (file.parent, file.parent.parent):
        for folder in (base / name, base / "images" / name, base / "images"):
            if folder.is_dir():
                return folder
    return file.parent


def _coco_size(entry: Any, file: str) -> tuple[int, int]:
    where = f"Photo {entry.get('id')!r} in {file}" if isinstance(entry, dict) else file
    entry_of(entry, "file_name", str, where)
    return check_canvas(entry.get("height"), entry.get("width"), where)


def _by_id(entries: list, found: list[Annotated], file: str) -> dict[Any, Annotated]:
    """Photos by the id that annotations name them by."""
    by_id: dict[Any, Annotated] = {}
    for entry, photo in zip(entries, found):
        number = entry_of(entry, "id", (int, str), f"Photo {photo.name!r} in {file}")
        if number in by_id:
            raise ValueError(
                f"{file} gives the id {number!r} to two photos, {by_id[number].name!r} and "
                f"{photo.name!r}; expected an id of its own for every photo."
            )
        by_id[number] = photo
    return by_id


def _photo_of(entry: dict, by_id: dict[Any, Annotated]) -> Annotated | None:
    """Photo that an annotation names."""
    number = entry.get("image_id")
    return by_id.get(number) or by_id.get(_same_id(number))


def _same_id(number: Any) -> Any:
    """The other way to write an id: 7 and "7" are one."""
    if isinstance(number, int):
        return str(number)
    return int(number) if isinstance(number, str) and number.isdecimal() else None


def _number_categories(entries: dict[str, list], where: str) -> None:
    """Give categories whose ids are text a number: what the text says, or else their place."""
    ids = [entry_of(entry, "id", (int, str), where) for entry in entries["categories"]]
    numbers = {number: number for number in ids if isinstance(number, int)}
    texts = [number for number in ids if isinstance(number, str)]
    said = [_same_id(text) for text in texts]
    if None in said or len({*said, *numbers}) < len(ids):
        said = list(range(1 + max(numbers, default=0), 1 + max(numbers, default=0) + len(texts)))
    numbers |= dict(zip(texts, said))
    for entry, number in zip(entries["categories"], ids):
        entry["id"] = numbers[number]
    users = [*entries["annotations"]]
    for entry in entries["annotations"]:
        users += entry.get("segments_info", ())
    for user in users:
        used = user.get("category_id")
        user["category_id"] = numbers.get(used, numbers.get(_same_id(used), used))


def _categories(entries: list, where: str) -> dict[int, str]:
    names = {}
    for entry in entries:
        number = entry_of(entry, "id", int, where)
        if number in names:
            raise ValueError(
                f"{where} gives the id {number} to two categories, {names[number]!r} and "
                f"{entry.get('name')!r}; expected an id of its own for every category."
            )
        names[number] = entry_of(entry, "name", str, where)
    seen = Counter(names.values())
    return {
        part: name if seen[name] == 1 else f"{name} ({part})"
        for part, name in sorted(names.items())
    }


def _supercategories(
    entries: list, parts: dict[int, str], background: str | None, background_id: int
) -> dict | None:
    """Nested dict of the categories below their supercategories; None if they have no use."""
    groups: dict[str, Any] = {} if background is None else {background: background_id}
    for entry in entries:
        name, above = parts[entry["id"]], entry.get("supercategory") or "none"
        if above in ("none", name) and name not in groups:
            groups[name] = entry["id"]
        elif isinstance(groups.setdefault(above, {}), dict):
            groups[above][name] = entry["id"]
        else:
            return None
    # a category with the name of its group, which others are of, too
    for name, value in list(groups.items()):
        if isinstance(value, dict) and len(value) == 1 and name in value:
            groups[name] = value[name]
    return {"image": groups}


def _add_instances(
    entries: dict[str, list],
    found: list[Annotated],
    by_id: dict[Any, Annotated],
    parts: dict[int, str],
    crowd: str,
    order: str,
    left_out: LeftOut,
) -> None:
    """Add the shapes of all annotations to their photos, from bottom to top."""
    _check_categories([entry.get("category_id") for entry in entries["annotations"]], parts)
    ranked: dict[int, list[tuple[tuple, str, Shape]]] = {}
    for number, entry in enumerate(entries["annotations"]):
        name = f"annotation {entry.get('id', number)}"
        photo = _photo_of(entry, by_id)
        if photo is None:
            left_out.add("annotations of photos that are not in the file", [name])
            continue
        label, is_crowd = parts[entry["category_id"]], bool(entry.get("iscrowd"))
        if is_crowd and crowd == "drop":
            left_out.add("regions of a crowd", [f"{photo.name}: {label}"])
            continue
        segmentation = _coco_segmentation(entry, photo, label, name, left_out)
        if not segmentation:
            left_out.add("annotations without a segmentation", [f"{photo.name}: {label}"])
            continue
        shape = recipes.coco(0, segmentation, photo.height, photo.width)
        size = entry.get("area")
        if size is None and order == "area":
            size = recipes.paint(
                Drawing(name, photo.height, photo.width, (shape._replace(part=1),)), 0
            ).sum()
        rank = (not is_crowd, -float(size) if order == "area" else 0.0)
        mark = IGNORED_NAMES[0] if is_crowd and crowd == "unlabeled" else label
        ranked.setdefault(id(photo), []).append((rank, mark, shape))
    for photo in found:
        marks = sorted(ranked.get(id(photo), []), key=lambda mark: mark[0])
        photo.marks = [(label, shape) for _, label, shape in marks]


def _check_categories(used: list, parts: dict[int, str]) -> None:
    unknown = Counter(category for category in used if category not in parts)
    if unknown:
        shown = ", ".join(f"{name!r} ({count})" for name, count in unknown.most_common(10))
        raise ValueError(
            f"The annotations have {len(unknown)} unknown categories: {shown}; expected "
            f"{named(list(parts))}."
        )


def _coco_segmentation(
    entry: dict, photo: Annotated, label: str, name: str, left_out: LeftOut
) -> Any:
    """Segmentation as pycocotools takes it; None if there is none."""
    segmentation = entry.get("segmentation")
    if isinstance(segmentation, dict):
        size = list(segmentation.get("size", ()))
        if size != [photo.height, photo.width] or "counts" not in segmentation:
            raise ValueError(
                f"The run lengths of {name} are of {size} pixels, the photo {photo.name!r} is "
                f"{photo.height} x {photo.width}; expected the same size."
            )
        counts = segmentation["counts"]
        if isinstance(counts, list) and sum(counts) != photo.height * photo.width:
            raise ValueError(
                f"The run lengths of {name} cover {sum(counts)} pixels of {photo.height} x "
                f"{photo.width}."
            )
        return segmentation
    rings = []
    for ring in segmentation or ():
        if not isinstance(ring, list):
            raise ValueError(
                f"{name} has the segmentation {segmentation!r:.60}; expected a list of polygons, "
                "each a list of numbers x, y, x, y, ..., or run lengths."
            )
        # pycocotools would drop the last one in silence
        if len(ring) % 2:
            left_out.add("polygons with an odd number of coordinates", [f"{photo.name}: {label}"])
            continue
        rings.append(as_points(ring, name))
    return [ring.ravel() for ring in photo.inside(label, rings, left_out)]


def _panoptic(
    entries: dict[str, list],
    found: list[Annotated],
    by_id: dict[Any, Annotated],
    parts: dict[int, str],
    photos: PhotoIndex,
    folder: Path,
    reading: Reading,
    left_out: LeftOut,
) -> Collected:
    """Photos with the PNG of their segments, whose colors are the numbers of the segments."""
    segments = [entry.get("segments_info", []) for entry in entries["annotations"]]
    _check_categories([segment["category_id"] for row in segments for segment in row], parts)
    files = set(scan(folder, folder))
    masks: dict[str, Any] = {}
    lost = []
    for entry, row in zip(entries["annotations"], segments):
        photo = _photo_of(entry, by_id)
        file = check_inside(entry.get("file_name"), "The annotations")
        if photo is None or file not in files:
            lost.append(file)
            continue
        ids = {0: -1, **{segment["id"]: segment["category_id"] for segment in row}}
        colors = {(code & 255, code >> 8 & 255, code >> 16): part for code, part in ids.items()}
        codes = Codes(colors, "segments_info", are_colors=True)
        masks[photo.name] = (f"{folder}/{file}", codes)
        # a stand-in, so that the photo counts as annotated
        photo.marks.append((IGNORED_NAMES[0], Shape(-1, "", ())))
    if lost and reading.unmatched == "raise":
        raise FileNotFoundError(
            f"{len(lost)} of {len(segments)} panoptic masks are not in {str(folder)!r}, or of no "
            f"photo in the file ({named(lost)}); pass masks=, or unmatched='drop'."
        )
    left_out.add("panoptic masks that are not there", lost)
    collected = collect(found, photos, parts, None, reading, left_out)
    collected.masks = [masks[drawing.name] for drawing in collected.masks]
    collected.mask_recipe = ColorRecipe()
    return collected
