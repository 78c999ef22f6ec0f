"""Annotation files of tools, COCO among them: outlines and run lengths, painted when needed."""

from __future__ import annotations

import base64
import json
import math
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlparse
from xml.etree import ElementTree

import numpy as np
from sklearn.utils import Bunch
from sklearn.utils._param_validation import StrOptions, validate_params

from ..images import recipes
from ..images.recipes import Drawing, DrawingRecipe, FileRecipe, Shape, check_canvas
from ..utils.progress import ProgressBar
from ._reading import (
    COMMON_CONSTRAINTS,
    SUFFIXES,
    Collected,
    LeftOut,
    Reading,
    check_folder,
    check_inside,
    check_parts,
    name_of,
    named,
    read_text,
    scan,
    shared_doc,
)

FORMATS = ("labelme", "label_studio", "cvat")
# names of labelme for what is background, and for what is no part
BACKGROUND_NAMES, IGNORED_NAMES = ("_background_",), ("__ignore__",)
NO_AREA = "lines, points and others that cover no pixel"
CLIPPED = "outlines that reach out of their photo, clipped"
OUTSIDE = "outlines outside of their photo"
EMPTY = "outlines of fewer than three points, or without area"


class PhotoIndex:
    """The photos below a folder, found by the names that an index uses for them."""

    def __init__(self, folder: Path, inside: Path) -> None:
        self.folder = folder
        self.files = scan(folder, inside)
        if not self.files:
            raise ValueError(
                f"{str(folder)!r} holds no photo; expected files with the suffixes "
                f"{', '.join(SUFFIXES)}."
            )
        self._known = set(self.files)
        self._by_name: dict[str, list[str]] = {}
        for file in self.files:
            self._by_name.setdefault(name_of(file), []).append(file)

    def find(self, name: str, said_by: str) -> str | None:
        """Photo of a path, which may begin further up or further down; None if there is none.

        Where both have folders, these count: photos in two folders may have one name, and one of
        them may be missing.
        """
        path = check_inside(name, said_by)
        if path in self._known:
            return path
        found = [
            file
            for file in self._by_name.get(name_of(path), [])
            if f"/{file}".endswith(f"/{path}") or path.endswith(f"/{file}")
        ]
        if len(found) > 1:
            raise ValueError(
                f"{said_by} names {name!r}, which fits several photos: {named(found)}."
            )
        return found[0] if found else None

    def path(self, file: str) -> str:
        """Whole path of a photo."""
        return f"{self.folder}/{file}"


@dataclass
class Annotated:
    """One photo of an annotation file: its name, size, shapes from bottom to top, and classes."""

    name: str
    height: int
    width: int
    marks: list[tuple[str, Shape]] = field(default_factory=list)
    classes: list[str] = field(default_factory=list)
    split: str | None = None

    def outline(self, label: str, rings: Sequence[Any], left_out: LeftOut) -> None:
        """Add a polygon of rings of points ``(x, y)`` in pixels; clipped ones are told."""
        rings = [np.asarray(ring, dtype=np.float64).reshape(-1, 2) for ring in rings]
        rings = self.inside(label, rings, left_out)
        if rings:
            self.marks.append((label, recipes.polygon(0, rings)))

    def inside(
        self, label: str, rings: Sequence[np.ndarray], left_out: LeftOut
    ) -> list[np.ndarray]:
        """Rings that have an area within the photo; what is clipped or left out is told."""
        kept, where = [], f"{self.name}: {label}"
        for ring in rings:
            bounds = [*ring.min(axis=0), *ring.max(axis=0)] if len(ring) > 2 else [math.nan]
            if not all(map(math.isfinite, bounds)):
                left_out.add(EMPTY, [where])
                continue
            left, top, right, bottom = bounds
            if right <= 0 or bottom <= 0 or left >= self.width or top >= self.height:
                left_out.add(OUTSIDE, [where])
                continue
            # tools round to a fraction of a pixel
            if min(left, top) < -0.5 or right > self.width + 0.5 or bottom > self.height + 0.5:
                left_out.add(CLIPPED, [where])
            kept.append(ring)
        return kept

    def box(self, label: str, corners: Sequence[float], degrees: float, left_out: LeftOut, *,
            around_center: bool = True) -> None:  # fmt: skip
        """Add a box ``(left, top, right, bottom)``, turned clockwise by some degrees."""
        left, top, right, bottom = corners
        points = np.array([[left, top], [right, top], [right, bottom], [left, bottom]])
        pivot = points.mean(axis=0) if around_center else points[0]
        cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
        turned = (points - pivot) @ np.array([[cos, sin], [-sin, cos]]) + pivot
        self.outline(label, [turned], left_out)

    def ellipse(self, label: str, center: Sequence[float], radii: Sequence[float], degrees: float,
                left_out: LeftOut) -> None:  # fmt: skip
        """Add an ellipse."""
        corners = np.array([center]) + np.array([[-1, -1], [1, -1], [1, 1]]) * max(radii)
        if min(radii) <= 0:
            left_out.add(EMPTY, [f"{self.name}: {label}"])
        elif self.inside(label, [corners], left_out):
            self.marks.append((label, recipes.ellipse(0, center, radii, degrees)))


@validate_params(
    {
        "path": [str, os.PathLike],
        "images": [str, os.PathLike, None],
        "format": [StrOptions({"auto", *FORMATS})],
        "part_names": ["array-like", None],
        "background": [str, None],
        **COMMON_CONSTRAINTS,
    },
    prefer_skip_nested_validation=True,
)
@shared_doc(
    default_labels=(
        "what the file says: flags of labelme, choices of Label\n    Studio, tags of CVAT"
    ),
    default_tree="all parts below one root",
    splits=(
        "a folder of labelme's files, the entry ``split`` of the data of a task, or the\n"
        "    ``subset`` of CVAT"
    ),
)
def load_annotations(
    path: str | os.PathLike,
    *,
    images: str | os.PathLike | None = None,
    format: str = "auto",
    part_names: Sequence[str] | None = None,
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
    """Load photos that were annotated with labelme, Label Studio or CVAT.

    A pixel belongs to an outline if its center lies within it, so that outlines that share an edge
    share no pixel. Shapes are painted in the order of the file (of CVAT, in that of ``z_order``),
    later ones over earlier ones. Lines and points cover no pixel, and are left out, as are photos
    without any shape. Of several annotations of one photo in Label Studio, the first counts that
    was not canceled.

    Parameters
    ----------
    path : str or path-like
        The folder of labelme's ``.json`` files; the ``.json`` file that Label Studio exports as
        JSON; or the ``.xml`` file that CVAT exports as "CVAT for images 1.1".
    images : str, path-like or None, default=None
        The folder of the photos; None stands for that of the annotations. Photos are found by their
        path below it, which may begin further up or down, or by their name alone.
    format : {"auto", "labelme", "label_studio", "cvat"}, default="auto"
        The tool; by default what the file looks like.
    part_names : list of str or None, default=None
        Names of the parts, which get the ids from 1; a shape with another name is an error. None
        takes all names, in alphabetical order (of CVAT, in the order of its labels).
    background : str or None, default="background"
        Name of what no shape covers, id 0; None leaves it unlabeled.
    $common

    Returns
    -------
    $returns

    Raises
    ------
    FileNotFoundError
        If a file, folder or photo is missing.
    ValueError
        If the file is damaged or of another tool, has several entries for one photo, names a photo
        out of its folder, a part that is not in `part_names`, or an impossible size.

    Examples
    --------
    >>> import json, tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> from PIL import Image
    >>> from hierseg_learn.datasets import load_annotations
    >>> square = [[1, 1], [3, 1], [3, 3], [1, 3]]
    >>> file = {"imagePath": "a.png", "imageHeight": 4, "imageWidth": 4,
    ...         "shapes": [{"label": "cat", "points": square, "shape_type": "polygon"}]}
    >>> with tempfile.TemporaryDirectory() as name:
    ...     Image.fromarray(np.zeros((4, 4), np.uint8)).save(Path(name) / "a.png")
    ...     _ = (Path(name) / "a.json").write_text(json.dumps(file))
    ...     data = load_annotations(name)
    ...     mask = data.images[0].mask
    >>> mask
    array([[0, 0, 0, 0],
           [0, 1, 1, 0],
           [0, 1, 1, 0],
           [0, 0, 0, 0]], dtype=int32)
    """
    reading = Reading(
        labels, tree, unlabeled, split, resize, max_side, mode, unmatched, verify, verbose,
        return_X_y, as_frame,
    )  # fmt: skip
    file, left_out = Path(path), LeftOut()
    if not file.exists():
        raise FileNotFoundError(f"path={str(file)!r} is not there.")
    tool, content = _tool_of(file) if format == "auto" else (format, None)
    if tool == "labelme":
        file = check_folder(file if split is None else file / split)
    names: list[str] = []
    folder = check_folder(images if images is not None else file if file.is_dir() else file.parent)
    photos = PhotoIndex(folder, folder)
    if tool == "labelme":
        found = _read_labelme(file, photos, images is None, reading, left_out)
    elif tool == "label_studio":
        found = list(_read_label_studio(file, content, left_out))
    else:
        found, names = _read_cvat(file, left_out)
    special = {*BACKGROUND_NAMES, *IGNORED_NAMES}
    used = {label for photo in found for label, _ in photo.marks} - special
    listed = list(part_names) if part_names is not None else [*names, *sorted(used - set(names))]
    parts = {number: name for number, name in enumerate(listed, start=1) if name != background}
    collected = collect(found, photos, check_parts(parts), background, reading, left_out)
    collected.description = f"annotations of {tool} in {str(file)!r}"
    return reading.finish(collected)


def _tool_of(file: Path) -> tuple[str, Any]:
    """Tool that wrote a file, or the files of a folder, and the content if it was read."""
    if file.is_dir():
        return "labelme", None
    if file.suffix.lower() == ".xml":
        return "cvat", None
    content = read_json(file)
    if isinstance(content, list):
        return "label_studio", content
    hint = " It looks like COCO's: use load_coco." if "annotations" in content else ""
    raise ValueError(
        f"{str(file)!r} is no folder of labelme, no list of tasks of Label Studio and no XML of "
        f"CVAT.{hint}"
    )


def collect(
    found: Iterable[Annotated],
    photos: PhotoIndex,
    parts: dict[int, str],
    background: str | None,
    reading: Reading,
    left_out: LeftOut,
    background_id: int = 0,
) -> Collected:
    """Match annotated photos with files, and names with part ids."""
    ids = {name: part for part, name in parts.items()}
    rest = -1 if background is None else background_id
    if background is not None:
        parts = {rest: background, **parts}
        ids.setdefault(background, rest)
    ids |= dict.fromkeys(BACKGROUND_NAMES, rest) | dict.fromkeys(IGNORED_NAMES, -1)
    rows: list[tuple[str, Annotated]] = []
    owners: dict[str, str] = {}
    missing, bare = [], []
    unknown: Counter[str] = Counter()
    for photo in found:
        file = photos.find(photo.name, "The annotations")
        if file is None:
            missing.append(photo.name)
            continue
        if file in owners:
            raise ValueError(
                f"The annotations have two entries for one photo, {file!r}: {owners[file]!r} and "
                f"{photo.name!r}; expected one mask for each photo."
            )
        owners[file] = photo.name
        unknown.update(label for label, _ in photo.marks if label not in ids)
        if photo.marks:
            rows.append((file, photo))
        else:
            bare.append(photo.name)
    if unknown:
        shown = ", ".join(f"{name!r} ({count})" for name, count in unknown.most_common(10))
        raise ValueError(
            f"The annotations name {len(unknown)} part(s) that are not known: {shown}; expected "
            f"{named(list(ids))}."
        )
    orphans = [file for file in photos.files if file not in owners]
    if missing and reading.unmatched == "raise":
        raise FileNotFoundError(
            f"{len(missing)} of {len(missing) + len(owners)} annotated photos are not in "
            f"{str(photos.folder)!r} ({named(missing)}), and {len(orphans)} of "
            f"{len(photos.files)} photos there are not annotated"
            f"{f' ({named(orphans)})' if orphans else ''}; pass images=, or unmatched='drop' to "
            "leave them out."
        )
    left_out.add("annotated photos that are not there", missing)
    left_out.add("photos that the annotations do not name", orphans)
    left_out.add("photos without annotation", bare)
    several = [file for file, photo in rows if len(set(photo.classes)) > 1]
    left_out.add("photos with several classes", several)
    has_classes = any(photo.classes for _, photo in rows)
    return Collected(
        folder=photos.folder,
        files=[file for file, _ in rows],
        photos=[photos.path(file) for file, _ in rows],
        masks=[
            Drawing(
                photo.name,
                photo.height,
                photo.width,
                tuple(shape._replace(part=ids[label]) for label, shape in photo.marks),
            )
            for _, photo in rows
        ],
        photo_recipe=FileRecipe("image", reading.mode),
        mask_recipe=DrawingRecipe(rest),
        parts=dict(sorted(parts.items())),
        left_out=left_out,
        classes=[photo.classes[0] if len(set(photo.classes)) == 1 else None for _, photo in rows]
        if has_classes
        else None,
        splits=[photo.split or "" for _, photo in rows]
        if any(photo.split for _, photo in rows) or reading.split is not None
        else None,
    )


def read_json(file: Path) -> Any:
    if not file.is_file():
        raise FileNotFoundError(f"The annotations {str(file)!r} are missing.")
    try:
        return json.loads(read_text(file))
    except json.JSONDecodeError as error:
        raise ValueError(f"{str(file)!r} is not valid JSON, or was cut off ({error}).") from error


def entry_of(content: Any, key: str, kind: type | tuple, where: str) -> Any:
    """Entry of a JSON object, of the type that it must have."""
    value = content.get(key) if isinstance(content, dict) else None
    if not isinstance(value, kind):
        raise ValueError(f"{where} has no valid {key!r}, got {value!r:.60}.")
    return value


def as_points(values: Any, where: str) -> np.ndarray:
    try:
        return np.asarray(values, dtype=np.float64).reshape(-1, 2)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{where} has points that are no pairs of numbers: {error}.") from error


def _read_labelme(
    folder: Path, photos: PhotoIndex, beside: bool, reading: Reading, left_out: LeftOut
) -> list[Annotated]:
    """Read labelme's files, one per photo."""
    files = scan(folder, folder, (".json",))
    if not files:
        raise ValueError(f"{str(folder)!r} holds no .json file of labelme.")
    found = []
    with ProgressBar(len(files), "annotations", reading.verbose) as bar:
        for file in files:
            content = read_json(folder / file)
            if isinstance(content, dict) and "shapes" in content:
                found.append(_labelme_photo(content, file, photos, beside, left_out))
                found[-1].split = reading.split
            else:
                left_out.add("files that are not of labelme", [file])
            bar.advance()
    return found


def _labelme_photo(
    content: dict, file: str, photos: PhotoIndex, beside: bool, left_out: LeftOut
) -> Annotated:
    path = entry_of(content, "imagePath", str, file)
    if beside:
        path = check_inside(path, file)
        head = file.rpartition("/")[0]
        path = f"{head}/{path}" if head else path
    else:
        path = name_of(path.replace("\\", "/"))
    size = content.get("imageHeight"), content.get("imageWidth")
    if None in size:
        # not written by old versions
        known = photos.find(path, file)
        size = FileRecipe().header(photos.path(known), path)[0][:2] if known else (1, 1)
    photo = Annotated(path, *check_canvas(*size, file))
    photo.classes = [name for name, is_set in (content.get("flags") or {}).items() if is_set]
    for shape in entry_of(content, "shapes", list, file):
        label = entry_of(shape, "label", str, file)
        kind = shape.get("shape_type") or "polygon"
        points = as_points(shape.get("points"), file)
        if kind in ("polygon", "oriented_rectangle"):
            photo.outline(label, [points], left_out)
        elif kind == "rectangle" and len(points) == 2:
            photo.box(label, [*points.min(axis=0), *points.max(axis=0)], 0, left_out)
        elif kind == "circle" and len(points) == 2:
            radius = math.dist(*points)
            photo.ellipse(label, points[0], (radius, radius), 0, left_out)
        elif kind == "mask" and len(points) and isinstance(shape.get("mask"), str):
            left, top = np.floor(points.min(axis=0)).astype(int)
            photo.marks.append((label, recipes.stamp(0, left, top, _png(shape["mask"], file))))
        elif kind in ("line", "linestrip", "point", "points"):
            left_out.add(NO_AREA, [f"{path}: {label}"])
        else:
            raise ValueError(
                f"{file} has a shape of the type {kind!r} with {len(points)} points, which is not "
                "known."
            )
    return photo


def _png(text: str, file: str) -> bytes:
    """Image file in a text, checked by its header."""
    try:
        png = base64.b64decode(text, validate=True)
        recipes.check_stamp(png)
    except Exception as error:
        raise ValueError(f"{file} has a mask that is no image ({error}).") from error
    return png


def _read_label_studio(file: Path, tasks: Any, left_out: LeftOut) -> Iterator[Annotated]:
    """Read the tasks of Label Studio, from the file if they are None."""
    tasks = read_json(file) if tasks is None else tasks
    if not isinstance(tasks, list):
        raise ValueError(f"{str(file)!r} is no list of tasks; export it from Label Studio as JSON.")
    for number, task in enumerate(tasks):
        where = f"Task {number} of {file.name}"
        data = entry_of(task, "data", dict, where)
        texts = [value for value in data.values() if isinstance(value, str)]
        path = next((text for text in texts if _photo_name(text).lower().endswith(SUFFIXES)), None)
        if path is None:
            raise ValueError(f"{where} names no photo in its data, {data!r:.100}.")
        done = [
            entry
            for entry in entry_of(task, "annotations", list, where)
            if not entry.get("was_cancelled")
        ]
        left_out.add("further annotations of one photo", [path] * (len(done) - 1))
        results = entry_of(done[0], "result", list, where) if done else []
        yield _label_studio_photo(_photo_name(path), results, data.get("split"), where, left_out)


def _photo_name(address: str) -> str:
    """Name of the photo that an address of Label Studio leads to."""
    url = urlparse(address)
    local = parse_qs(url.query).get("d")
    return name_of(unquote(local[0] if local else url.path).replace("\\", "/"))


def _label_studio_photo(
    name: str, results: list, split: Any, where: str, left_out: LeftOut
) -> Annotated:
    # a region and its label may be two results with one id
    named_regions: dict[Any, list[str]] = {}
    for result in results:
        for key, value in (result.get("value") or {}).items():
            if key.endswith("labels") and value:
                named_regions.setdefault(result.get("id"), value)
    photo = Annotated(name, 1, 1, split=split)
    for result in results:
        value, kind = result.get("value") or {}, str(result.get("type", ""))
        if kind == "choices":
            photo.classes += value.get("choices", [])
            continue
        if kind == "labels" or "original_width" not in result:
            continue
        photo.height, photo.width = check_canvas(
            result.get("original_height"), result["original_width"], where
        )
        if result.get("image_rotation"):
            raise ValueError(f"{where} was annotated on a turned photo; expected upright ones.")
        label = (named_regions.get(result.get("id")) or [None])[0]
        if label is None:
            left_out.add("regions without a label", [f"{name}: {result.get('id')}"])
            continue
        _label_studio_region(photo, label, kind.removesuffix("labels"), value, where, left_out)
    return photo


def _label_studio_region(
    photo: Annotated, label: str, kind: str, value: dict, where: str, left_out: LeftOut
) -> None:
    scale = np.array([photo.width, photo.height]) / 100
    if kind == "brush" and value.get("format") == "rle":
        photo.marks.append((label, recipes.brush(0, entry_of(value, "rle", list, where))))
    elif kind == "polygon":
        photo.outline(label, [as_points(value.get("points"), where) * scale], left_out)
    elif kind in ("rectangle", "ellipse"):
        corner = np.array([value["x"], value["y"]]) * scale
        degrees = float(value.get("rotation", 0))
        if kind == "ellipse":
            radii = np.array([value["radiusX"], value["radiusY"]]) * scale
            photo.ellipse(label, corner, radii, degrees, left_out)
        else:
            other = corner + np.array([value["width"], value["height"]]) * scale
            photo.box(label, [*corner, *other], degrees, left_out, around_center=False)
    else:
        left_out.add(NO_AREA, [f"{photo.name}: {label}"])


def _read_cvat(file: Path, left_out: LeftOut) -> tuple[list[Annotated], list[str]]:
    """Read the photos of CVAT's XML, and the names of its labels."""
    found, names = [], []
    try:
        for _, element in ElementTree.iterparse(file):
            if element.tag == "label" and element.find("name") is not None:
                names.append(element.findtext("name", ""))
            elif element.tag == "track":
                raise ValueError(f"{file.name} is of a video; export it as 'CVAT for images 1.1'.")
            elif element.tag == "image":
                found.append(_cvat_photo(element, file.name, left_out))
                element.clear()
    except ElementTree.ParseError as error:
        raise ValueError(f"{str(file)!r} is not valid XML, or was cut off ({error}).") from error
    if not found:
        raise ValueError(f"{file.name} has no <image>; expected an export 'CVAT for images 1.1'.")
    return found, list(dict.fromkeys(names))


def _cvat_photo(element: Any, file: str, left_out: LeftOut) -> Annotated:
    get = element.attrib.get
    where = f"Photo {get('name')!r} in {file}"
    try:
        size = check_canvas(int(get("height")), int(get("width")), where)
        photo = Annotated(get("name"), *size, split=get("subset"))
        # stable, so that shapes on one level keep the order of the file
        for child in sorted(element, key=lambda child: int(child.get("z_order", 0))):
            _cvat_shape(photo, child, left_out)
    except (KeyError, TypeError) as error:
        raise ValueError(f"{where} lacks a number or a name ({error}).") from error
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from error
    return photo


def _cvat_shape(photo: Annotated, child: Any, left_out: LeftOut) -> None:
    values, label = child.attrib, child.attrib["label"]

    def number(name: str, default: str | None = None) -> float:
        return float(values[name] if default is None else values.get(name, default))

    if child.tag == "tag":
        photo.classes.append(label)
    elif child.tag == "polygon":
        points = [pair.split(",") for pair in values["points"].split(";")]
        photo.outline(label, [as_points(points, "a polygon")], left_out)
    elif child.tag == "box":
        corners = [number(name) for name in ("xtl", "ytl", "xbr", "ybr")]
        photo.box(label, corners, number("rotation", "0"), left_out)
    elif child.tag == "ellipse":
        center, radii = ((number(a), number(b)) for a, b in (("cx", "cy"), ("rx", "ry")))
        photo.ellipse(label, center, radii, number("rotation", "0"), left_out)
    elif child.tag == "mask":
        box = [int(number(name)) for name in ("left", "top", "width", "height")]
        counts = [int(count) for count in values["rle"].split(",")]
        if sum(counts) != box[2] * box[3] or min(counts) < 0:
            raise ValueError(
                f"the run lengths of {label!r} cover {sum(counts)} pixels of {box[2]} x {box[3]}"
            )
        photo.marks.append((label, recipes.runs(0, box, counts)))
    else:
        left_out.add(NO_AREA, [f"{photo.name}: {label}"])
