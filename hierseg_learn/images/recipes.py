"""How the entries of a collection on disk become images and label maps, one at a time."""

from __future__ import annotations

import io
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .pillow import (
    describe_ids,
    has_alpha,
    is_pillow,
    largest_image,
    read_layout,
    read_pixels,
    readable,
    refuse_photo_formats,
    solid,
    upright_size,
)

if TYPE_CHECKING:
    from PIL import Image

N_SHOWN = 10


class FileRecipe:
    """Image files; a source is a path.

    `mode` ``"RGB"`` gives gray photos three equal channels and drops an alpha channel that hides
    nothing; None leaves every file as it is. Label maps (``role="mask"``) may also be ``.npy``.
    """

    def __init__(self, role: str = "image", mode: str | None = None) -> None:
        self.role, self.mode = role, mode

    def name(self, source: Any) -> str:
        """What a source is called in messages."""
        return source

    def read(self, source: Any, where: str) -> np.ndarray:
        """Decode a source: (h, w) or (h, w, 3)."""
        if self._is_array(source):
            return np.array(_open_array(source, where))
        with _opened(source, where) as image:
            return as_pixels_of_mode(image, self.role, self.mode, where)

    def header(self, source: Any, where: str) -> tuple[tuple[int, ...], np.dtype]:
        """Shape and dtype of a source, without decoding its pixels."""
        if self._is_array(source):
            array = _open_array(source, where)
            return array.shape, array.dtype
        with _opened(source, where) as image:
            return layout_of_mode(image, self.role, self.mode, where)

    def check(self, source: Any, where: str) -> None:
        """Raise what `read` would raise; a JPEG file is decoded in an eighth of its size."""
        if not self._is_array(source):
            with _opened(source, where) as image:
                if image.format == "JPEG" and self.role == "image":
                    layout_of_mode(image, self.role, self.mode, where)
                    image.draft("L", (1, 1))
                    image.load()
                    return
        self.read(source, where)

    def facts(self, source: Any, where: str) -> tuple[int, int, str, str]:
        """Height and width (upright), format and mode, also of no valid image."""
        with _opened(source, where) as image:
            return *upright_size(image), image.format or "", image.mode

    def files(self, source: Any) -> list[str]:
        """Files that a source is read from."""
        return [source]

    def _is_array(self, source: str) -> bool:
        return self.role == "mask" and source.endswith(".npy")


def as_pixels_of_mode(image: Any, role: str, mode: str | None, where: str) -> np.ndarray:
    """Decode an image of Pillow as `mode` asks for: (h, w), or (h, w, 3)."""
    if mode is None:
        return read_pixels(image, role, where)
    pixels = read_pixels(solid(image, where), role, where)
    return np.repeat(pixels[..., np.newaxis], 3, axis=2) if pixels.ndim == 2 else pixels


def layout_of_mode(
    image: Any, role: str, mode: str | None, where: str
) -> tuple[tuple[int, ...], np.dtype]:
    """Shape and dtype that `as_pixels_of_mode` gives, without decoding."""
    if mode is not None and has_alpha(image):
        return (*upright_size(image), 3), np.dtype(np.uint8)
    shape, dtype = read_layout(image, role, where)
    return (shape if mode is None else (*shape[:2], 3)), dtype


@contextmanager
def _opened(path: str, where: str) -> Iterator[Image.Image]:
    """Open a file; what Pillow raises names it."""
    from PIL import Image

    with readable(where), Image.open(path) as image:
        yield image


def _open_array(path: str, where: str) -> np.ndarray:
    """Map a label map in NumPy's format into memory."""
    with readable(where):
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    if array.ndim != 2:
        raise ValueError(f"{where} has shape {array.shape}; expected part ids (h, w).")
    return array


class ColorRecipe:
    """Label maps in colors; a source is a path and the :class:`Codes` of its colors.

    A color is the number ``R + 256 G + 65536 B``, a gray pixel or an index of a palette its value.
    """

    role = "mask"

    def name(self, source: Any) -> str:
        """Path of a source."""
        return source[0]

    def read(self, source: Any, where: str) -> np.ndarray:
        """Decode a source: (h, w) int32, -1 where a color stands for no part."""
        path, codes = source
        with _opened(path, where) as image:
            refuse_photo_formats(image, where)
            role = "image" if codes.are_colors else "mask"
            pixels = read_pixels(solid(image, where) if codes.are_colors else image, role, where)
        if codes.are_colors and pixels.ndim == 2:
            pixels = np.repeat(pixels[..., np.newaxis], 3, axis=2)
        return codes.look_up(pixels, where)

    def header(self, source: Any, where: str) -> tuple[tuple[int, ...], np.dtype]:
        """Shape and dtype of a source."""
        with _opened(source[0], where) as image:
            return upright_size(image), np.dtype(np.int32)

    def files(self, source: Any) -> list[str]:
        """Files that a source is read from."""
        return [source[0]]


class Codes:
    """Part ids of the colors, or of the stored values, of label maps.

    `ids` maps ``(r, g, b)``, or integers, to part ids, -1 for none; `said_by` is what names them.
    """

    def __init__(self, ids: Mapping[Any, int], said_by: str, *, are_colors: bool) -> None:
        order = sorted((_code(key), part) for key, part in ids.items())
        self.codes = np.array([code for code, _ in order], dtype=np.int64)
        self.ids = np.array([part for _, part in order], dtype=np.int32)
        self.said_by, self.are_colors = said_by, are_colors

    def look_up(self, pixels: np.ndarray, where: str) -> np.ndarray:
        """Part id of every pixel, (h, w) int32; `pixels` are (h, w), or (h, w, 3)."""
        if self.are_colors:
            red, green, blue = np.moveaxis(pixels.astype(np.int32), 2, 0)
            values = red | green << 8 | blue << 16
        else:
            values = pixels.astype(np.int64)
        places = np.searchsorted(self.codes, values).clip(max=len(self.codes) - 1)
        unknown = self.codes[places] != values
        if unknown.any():
            found, counts = np.unique(values[unknown], return_counts=True)
            shown = ", ".join(
                f"{_show(code) if self.are_colors else code} ({count / values.size:.2g})"
                for code, count in zip(found[:N_SHOWN].tolist(), counts[:N_SHOWN].tolist())
            )
            noun = "color" if self.are_colors else "value"
            raise ValueError(
                f"{where} holds {len(found)} {noun}(s) that {self.said_by} does not name, with "
                f"their share of the pixels: {shown}."
            )
        return self.ids[places]


class AdeCodes:
    """Ids of objects in the files of ADE20K: ``256 (R // 10) + G``."""

    are_colors = True

    def look_up(self, pixels: np.ndarray, where: str) -> np.ndarray:
        """Id of the object of every pixel, (h, w) int32; `pixels` are (h, w, 3)."""
        red, green = pixels[..., 0].astype(np.int32), pixels[..., 1].astype(np.int32)
        return red // 10 * 256 + green


def _code(key: Any) -> int:
    if isinstance(key, tuple):
        return int(key[0]) + (int(key[1]) << 8) + (int(key[2]) << 16)
    return int(key)


def _show(code: int) -> tuple[int, int, int]:
    return code & 255, code >> 8 & 255, code >> 16


class PartFilesRecipe:
    """Label maps of one binary file per part; a source is a prefix and the endings it has.

    `endings` are what follows the prefix, with the part id of each; a source gives their positions
    as bytes (of int32), in the order in which they are painted.
    """

    role = "mask"

    def __init__(self, endings: Sequence[tuple[str, int]], background: int) -> None:
        self.endings, self.background = tuple(endings), background

    def name(self, source: Any) -> str:
        """Prefix of the files of a source."""
        return f"{source[0]}*"

    def read(self, source: Any, where: str) -> np.ndarray:
        """Paint the files of a source over each other: (h, w) int32."""
        labels = None
        for path, part in self._files(source):
            with _opened(path, f"{where}, file {path!r},") as image:
                refuse_photo_formats(image, path)
                inside = _as_binary(image, path)
            if labels is None:
                labels = np.full(inside.shape, self.background, dtype=np.int32)
            if inside.shape != labels.shape:
                raise ValueError(
                    f"{where} has files of {labels.shape[0]} x {labels.shape[1]} and of "
                    f"{inside.shape[0]} x {inside.shape[1]} pixels ({path!r}); expected one size."
                )
            labels[inside] = part
        return labels

    def header(self, source: Any, where: str) -> tuple[tuple[int, ...], np.dtype]:
        """Shape and dtype of a source."""
        path, _ = next(self._files(source))
        with _opened(path, where) as image:
            return upright_size(image), np.dtype(np.int32)

    def files(self, source: Any) -> list[str]:
        """Files that a source is read from."""
        return [path for path, _ in self._files(source)]

    def _files(self, source: Any) -> Iterator[tuple[str, int]]:
        prefix, positions = source
        for position in np.frombuffer(positions, dtype=np.int32).tolist():
            ending, part = self.endings[position]
            yield prefix + ending, part


def _as_binary(image: Image.Image, path: str) -> np.ndarray:
    """Where the file of one part is not 0: (h, w) bool."""
    values = np.asarray(image if image.mode in ("1", "P", "L") else image.convert("L"))
    inside = values.astype(bool)
    if values.dtype != bool and inside.any() and values[inside].min() != values.max():
        ids, counts = np.unique(values, return_counts=True)
        raise ValueError(
            f"{path!r} holds {describe_ids(ids, counts)}; expected 0 and one other value, as in "
            "the file of one part."
        )
    return inside


class DrawingRecipe:
    """Label maps that are painted from annotations; a source is a :class:`Drawing`."""

    role = "mask"

    def __init__(self, background: int) -> None:
        self.background = background

    def name(self, source: Any) -> str:
        """Name of the drawing."""
        return source.name

    def read(self, source: Any, where: str) -> np.ndarray:
        """Paint a source: (h, w) int32."""
        try:
            return paint(source, self.background)
        except ImportError:
            raise
        except Exception as error:
            raise ValueError(f"{where} cannot be painted ({error}).") from error

    def header(self, source: Any, where: str) -> tuple[tuple[int, ...], np.dtype]:
        """Shape and dtype of a source."""
        return (source.height, source.width), np.dtype(np.int32)


class ItemRecipe:
    """One entry of the items of a data set in Python; a source is the position of the item.

    `items` is a :class:`CachedItems`, which photos and label maps share; `key` leads to the entry.
    """

    def __init__(self, items: CachedItems, key: Any, role: str, mode: str | None = None) -> None:
        self.items, self.key, self.role, self.mode = items, key, role, mode

    def name(self, source: Any) -> str:
        """Position in the data set."""
        return f"item {source}"

    def read(self, source: Any, where: str) -> np.ndarray:
        """Decode the entry of an item: (h, w), or (h, w, 3)."""
        entry = self.items.entry(source, self.key, where)
        if is_pillow(entry):
            with readable(where):
                return as_pixels_of_mode(entry, self.role, self.mode, where)
        pixels = np.asarray(entry)
        if pixels.ndim < 2:
            raise TypeError(f"{where} is a {type(entry).__name__}; expected an image or an array.")
        if self.mode is not None and pixels.ndim == 2:
            return np.repeat(pixels[..., np.newaxis], 3, axis=2)
        return pixels

    def header(self, source: Any, where: str) -> tuple[tuple[int, ...], np.dtype]:
        """Shape and dtype of the entry of an item."""
        entry = self.items.entry(source, self.key, where)
        if is_pillow(entry):
            with readable(where):
                return layout_of_mode(entry, self.role, self.mode, where)
        pixels = self.read(source, where)
        return pixels.shape, pixels.dtype

    def facts(self, source: Any, where: str) -> tuple[int, int, str, str]:
        """Height and width, format and mode."""
        entry = self.items.entry(source, self.key, where)
        height, width = self.read(source, where).shape[:2]
        return height, width, getattr(entry, "format", None) or "", getattr(entry, "mode", "")


class CachedItems:
    """Items of a data set, the last one kept, so that a photo and its label map are read once."""

    def __init__(self, dataset: Any) -> None:
        self.dataset = dataset
        self._last: tuple[int, Any] | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {"dataset": self.dataset, "_last": None}

    def entry(self, position: int, key: Any, where: str) -> Any:
        """One entry of an item; `key` is a name, a position, or a tuple that is followed."""
        # one assignment, so that another thread never sees half of it
        last = self._last
        if last is None or last[0] != position:
            last = self._last = (position, self.dataset[position])
        found = last[1]
        try:
            for step in key if isinstance(key, tuple) else (key,):
                found = found[step]
        except (KeyError, IndexError, TypeError) as error:
            known = f"the keys {list(last[1])}" if isinstance(last[1], Mapping) else "no such entry"
            raise ValueError(f"{where} has {known}; expected {key!r}.") from error
        return found


def check_source(recipe: Any, source: Any, where: str) -> None:
    """Raise what a recipe raises when it reads a source, at the least cost that it knows."""
    getattr(recipe, "check", recipe.read)(source, where)


def source_files(recipe: Any, source: Any) -> list[str]:
    """Files that a recipe reads a source from; none where it is painted, or an item in Python."""
    return recipe.files(source) if hasattr(recipe, "files") else []


class ResizedRecipe:
    """Entries of another recipe, brought to another size; photos by area, label maps by nearest.

    A source is a pair: that of the entry, and that of its partner (a photo's label map, and the
    other way round), which `partner` reads. `size` is (h, w), the longest side, or ``"partner"``.
    """

    def __init__(self, recipe: Any, partner: Any, size: Any) -> None:
        self.recipe, self.partner, self.size, self.role = recipe, partner, size, recipe.role

    def name(self, source: Any) -> str:
        """Name of the entry."""
        return self.recipe.name(source[0])

    def facts(self, source: Any, where: str) -> tuple[int, int, str, str]:
        """Facts of the entry as it is stored."""
        return self.recipe.facts(source[0], where)

    def check(self, source: Any, where: str) -> None:
        """Raise what `read` would raise."""
        self.header(source, where)
        check_source(self.recipe, source[0], where)

    def read(self, source: Any, where: str) -> np.ndarray:
        """Decode an entry, and bring it to the size asked for."""
        pixels = self.recipe.read(source[0], where)
        size = self._target(source, pixels.shape[:2], where)
        if pixels.shape[:2] == size:
            return pixels
        return shrink_photo(pixels, size) if self.role == "image" else nearest(pixels, size)

    def header(self, source: Any, where: str) -> tuple[tuple[int, ...], np.dtype]:
        """Shape and dtype after resizing."""
        shape, dtype = self.recipe.header(source[0], where)
        return (*self._target(source, shape[:2], where), *shape[2:]), dtype

    def files(self, source: Any) -> list[str]:
        """Files that the entry is read from."""
        return source_files(self.recipe, source[0])

    def _target(self, source: Any, own: tuple[int, int], where: str) -> tuple[int, int]:
        """Height and width that an entry is brought to; its partner must have the same shape."""
        if source[1] is None:
            other = own
        else:
            shape, _ = self.partner.header(source[1], f"the partner of {where}")
            other = shape[:2]
        if abs(own[0] * other[1] - own[1] * other[0]) > max(*own, *other):
            raise ValueError(
                f"{where} is {own[0]} x {own[1]} pixels, its partner "
                f"{self.partner.name(source[1])!r} is {other[0]} x {other[1]}; expected the same "
                "ratio of height to width before they are resized."
            )
        if self.size == "partner":
            return int(other[0]), int(other[1])
        if isinstance(self.size, tuple):
            return self.size
        height, width = own if self.role == "image" else other
        scale = min(1.0, self.size / max(height, width))
        return max(1, round(height * scale)), max(1, round(width * scale))


def nearest(labels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resize a label map, (h, w), by the nearest pixel."""
    rows, columns = (
        ((2 * np.arange(new) + 1) * old) // (2 * new) for new, old in zip(size, labels.shape)
    )
    return labels[rows[:, np.newaxis], columns]


def shrink_photo(pixels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resize a photo, (h, w) or (h, w, 3), by the mean over the area that a pixel covers."""
    from PIL import Image

    box = {"size": (size[1], size[0]), "resample": Image.Resampling.BOX}
    if pixels.dtype == np.uint8:
        return np.asarray(Image.fromarray(pixels).resize(**box))
    channels = pixels[..., np.newaxis] if pixels.ndim == 2 else pixels
    means = [
        np.asarray(Image.fromarray(channels[..., k].astype(np.float32)).resize(**box))
        for k in range(channels.shape[2])
    ]
    means = np.stack(means, axis=2).reshape(*size, *pixels.shape[2:])
    if pixels.dtype == bool:
        return means >= 0.5
    return (np.rint(means) if pixels.dtype.kind in "ui" else means).astype(pixels.dtype)


class Shape(NamedTuple):
    """What one annotation covers: the id that is painted, the kind, and its numbers as bytes.

    Plain integers and bytes, so that thousands of photos are pickled at the cost of a copy. `kind`
    is a key of `KINDS`.
    """

    part: int
    kind: str
    data: tuple[Any, ...]


class Drawing(NamedTuple):
    """All that is painted on one photo, from bottom to top."""

    name: str
    height: int
    width: int
    shapes: tuple[Shape, ...]


class Region(NamedTuple):
    """Pixels of one shape: its upper left corner in the photo, and (h, w) bool."""

    top: int
    left: int
    inside: np.ndarray


def polygon(part: int, rings: Iterable[Any]) -> Shape:
    """Outline of one or several rings of points ``(x, y)``; what an odd number of them encloses."""
    return Shape(part, "polygon", tuple(map(_as_bytes, rings)))


def ellipse(part: int, center: Sequence[float], radii: Sequence[float], degrees: float) -> Shape:
    """Ellipse; `degrees` turn its first radius clockwise, from x towards y."""
    return Shape(part, "ellipse", (*map(float, center), *map(float, radii), float(degrees)))


def runs(part: int, box: Sequence[int], counts: Any) -> Shape:
    """Run lengths, row by row, in a box ``(left, top, width, height)``; the first is outside."""
    return Shape(part, "runs", (*map(int, box), np.asarray(counts, dtype=np.int64).tobytes()))


def brush(part: int, rle: Iterable[int]) -> Shape:
    """Packed run lengths of four channels, as Label Studio's brush writes them."""
    return Shape(part, "brush", (bytes(rle),))


def stamp(part: int, left: int, top: int, png: bytes) -> Shape:
    """Pixels of an image file that are not 0, at a place of the photo."""
    return Shape(part, "stamp", (int(left), int(top), png))


def coco(part: int, segmentation: Any, height: int, width: int) -> Shape:
    """Segmentation of COCO: polygons, whose union counts, or run lengths of either kind."""
    if isinstance(segmentation, dict):
        counts = segmentation["counts"]
        if isinstance(counts, list):
            plain = {"counts": counts, "size": [height, width]}
            counts = _coco_mask().frPyObjects(plain, height, width)["counts"]
        return Shape(part, "coco", (counts.encode() if isinstance(counts, str) else counts,))
    return Shape(part, "coco", (None, *map(_as_bytes, segmentation)))


def _as_bytes(ring: Any) -> bytes:
    return np.asarray(ring, dtype=np.float64).tobytes()


def paint(drawing: Drawing, background: int) -> np.ndarray:
    """Paint shapes over each other: (h, w) int32, `background` where there is none."""
    labels = np.full((drawing.height, drawing.width), background, dtype=np.int32)
    for shape in drawing.shapes:
        region = KINDS[shape.kind](shape.data, drawing.height, drawing.width)
        top, left = max(region.top, 0), max(region.left, 0)
        inside = region.inside[top - region.top :, left - region.left :]
        inside = inside[: max(drawing.height - top, 0), : max(drawing.width - left, 0)]
        labels[top : top + inside.shape[0], left : left + inside.shape[1]][inside] = shape.part
    return labels


def check_canvas(height: Any, width: Any, where: str) -> tuple[int, int]:
    """Check the size of a photo that an annotation file claims, before memory is taken for it."""
    sides = []
    for side in (height, width):
        if isinstance(side, bool) or not isinstance(side, (int, float)) or side != int(side):
            raise ValueError(f"{where} is said to be {height} x {width} pixels; expected integers.")
        sides.append(int(side))
    limit = largest_image()
    if min(sides) < 1 or (limit is not None and sides[0] * sides[1] > limit):
        raise ValueError(
            f"{where} is said to be {height} x {width} pixels; expected at least 1 x 1, and at "
            f"most {limit} pixels, the limit of Pillow (twice PIL.Image.MAX_IMAGE_PIXELS)."
        )
    return sides[0], sides[1]


def fill_rings(rings: Iterable[np.ndarray], height: int, width: int) -> Region:
    """Pixels whose center lies inside of rings (n, 2) of points ``(x, y)``, by the even-odd rule.

    The upper left corner of the upper left pixel is (0, 0). Polygons that share an edge share no
    pixel and leave none out.
    """
    rings = list(rings)
    starts = np.concatenate(rings).T
    ends = np.concatenate([piece for ring in rings for piece in (ring[1:], ring[:1])]).T
    # every edge runs downwards, so that neighbors compute the same crossings
    x0, y0, x1, y1 = np.where(starts[1] > ends[1], [*ends, *starts], [*starts, *ends])
    first, last = (
        np.minimum(np.maximum(np.ceil(y - 0.5), 0), height).astype(np.int64) for y in (y0, y1)
    )
    n_rows = last - first
    kept = np.flatnonzero(n_rows > 0)
    if not len(kept):
        return Region(0, 0, np.zeros((0, 0), dtype=bool))
    slopes = (x1[kept] - x0[kept]) / (y1[kept] - y0[kept])
    n_rows = n_rows[kept]
    edges = np.repeat(np.arange(len(kept)), n_rows)
    # the row of an edge that each of its crossings lies in
    rows = np.arange(len(edges)) + (first[kept] - np.cumsum(n_rows) + n_rows)[edges]
    crossings = x0[kept][edges] + (rows + 0.5 - y0[kept][edges]) * slopes[edges]
    columns = np.minimum(np.maximum(np.ceil(crossings - 0.5), 0), width).astype(np.int64)
    top, left = int(rows.min()), int(columns.min())
    shape = (int(rows.max()) - top + 1, int(columns.max()) - left + 1)
    flips = np.zeros(shape[0] * shape[1], dtype=np.uint8)
    np.bitwise_xor.at(flips, (rows - top) * shape[1] + columns - left, 1)
    # every row is entered as often as it is left
    inside = np.bitwise_xor.accumulate(flips).view(bool)
    return Region(top, left, inside.reshape(shape))


def _polygon(data: tuple, height: int, width: int) -> Region:
    return fill_rings((np.frombuffer(ring).reshape(-1, 2) for ring in data), height, width)


def _ellipse(data: tuple, height: int, width: int) -> Region:
    x, y, radius_x, radius_y, degrees = data
    reach = math.hypot(radius_x, radius_y)
    rows = np.arange(max(0, math.floor(y - reach)), min(height, math.ceil(y + reach)))
    columns = np.arange(max(0, math.floor(x - reach)), min(width, math.ceil(x + reach)))
    if not (rows.size and columns.size):
        return Region(0, 0, np.zeros((0, 0), dtype=bool))
    down, right = rows[:, np.newaxis] + 0.5 - y, columns + 0.5 - x
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    inside = ((right * cos + down * sin) / radius_x) ** 2 + (
        (down * cos - right * sin) / radius_y
    ) ** 2 <= 1
    return Region(int(rows[0]), int(columns[0]), inside)


def _runs(data: tuple, height: int, width: int) -> Region:
    left, top, box_width, box_height, counts = data
    counts = np.frombuffer(counts, dtype=np.int64)
    inside = np.repeat(np.arange(len(counts)) % 2 == 1, counts)
    return Region(top, left, inside.reshape(box_height, box_width))


def _brush(data: tuple, height: int, width: int) -> Region:
    channels = unpack_brush(data[0], 4 * height * width).reshape(height, width, 4)
    return Region(0, 0, channels[..., 3] > 0)


def unpack_brush(packed: bytes, n_values: int) -> np.ndarray:
    """Decode the bits that Label Studio's brush packs: a header, then runs and plain stretches.

    Raises ValueError if there are other than `n_values` values, or fewer bits than they say.
    """
    position = 0

    def read(n_bits: int) -> int:
        nonlocal position
        start, position = position, position + n_bits
        if position > 8 * len(packed):
            raise ValueError("the run lengths of a brush end early")
        chunk = int.from_bytes(packed[start // 8 : (position + 7) // 8], "big")
        return (chunk >> (-position % 8)) & ((1 << n_bits) - 1)

    found, word = read(32), read(5) + 1
    if found != n_values or word != 8:
        raise ValueError(
            f"the run lengths of a brush hold {found} values of {word} bits; expected {n_values} "
            "of 8, four for every pixel"
        )
    sizes = [read(4) + 1 for _ in range(4)]
    bits = np.unpackbits(np.frombuffer(packed, dtype=np.uint8))
    values = np.empty(n_values, dtype=np.uint8)
    done = 0
    while done < n_values:
        is_run = read(1)
        count = min(read(sizes[read(2)]) + 1, n_values - done)
        if is_run:
            values[done : done + count] = read(8)
        else:
            stretch = bits[position : position + 8 * count]
            position += 8 * count
            if len(stretch) < 8 * count:
                raise ValueError("the run lengths of a brush end early")
            values[done : done + count] = np.packbits(stretch)
        done += count
    return values


def _stamp(data: tuple, height: int, width: int) -> Region:
    from PIL import Image

    left, top, png = data
    with Image.open(io.BytesIO(png)) as image:
        return Region(top, left, np.asarray(image.convert("L")) > 0)


def check_stamp(png: bytes) -> None:
    """Read the header of an image file in memory; what Pillow raises says what is wrong."""
    from PIL import Image

    with Image.open(io.BytesIO(png)):
        pass


def _coco(data: tuple, height: int, width: int) -> Region:
    tools = _coco_mask()
    if data[0] is None:
        rings = [np.frombuffer(ring).tolist() for ring in data[1:]]
        mask = tools.merge(tools.frPyObjects(rings, height, width))
    else:
        mask = {"size": [height, width], "counts": data[0]}
    left, top, box_width, box_height = map(int, tools.toBbox(mask))
    inside = tools.decode(mask)[top : top + box_height, left : left + box_width]
    return Region(top, left, inside.astype(bool))


def _coco_mask() -> Any:
    try:
        from pycocotools import mask
    except ImportError as error:
        raise ImportError(
            "Polygons and run lengths of COCO are painted by pycocotools, which is not installed: "
            "pip install pycocotools."
        ) from error
    return mask


# how each kind becomes pixels
KINDS = {
    "polygon": _polygon,
    "ellipse": _ellipse,
    "runs": _runs,
    "brush": _brush,
    "stamp": _stamp,
    "coco": _coco,
}
