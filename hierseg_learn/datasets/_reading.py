"""What all readers share: files, classes of photos, sizes, checks, and the Bunch they return."""

from __future__ import annotations

import codecs
import csv
import inspect
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import StringIO
from numbers import Integral
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.utils import Bunch
from sklearn.utils._param_validation import Interval, StrOptions

from ..images import ImageFiles, SegmentedImages
from ..images.recipes import ResizedRecipe
from ..tree import SegmentTree
from ._ids import check_ids, verify

# of photos and label maps, in lower case
SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".gif", ".tif", ".tiff", ".webp")
N_NAMED = 10
# pairs whose headers are compared before a reader returns
N_COMPARED = 50
ID_COLUMNS = ("id", "filename", "file_name", "file", "image", "image_id", "photo", "name", "path")
LABEL_COLUMNS = ("label", "class", "category", "target", "class_name")
TABLE_SUFFIXES = (".csv", ".tsv", ".txt")

COMMON_CONSTRAINTS: dict[str, list] = {
    "labels": [str, os.PathLike, re.Pattern, tuple, Mapping, callable, None],
    "tree": [Mapping, SegmentTree, None],
    "unlabeled": ["array-like", Integral, str, None],
    "split": [str, None],
    "resize": [tuple, list, StrOptions({"photo", "mask"}), None],
    "max_side": [Interval(Integral, 1, None, closed="left"), None],
    "mode": [StrOptions({"RGB"}), None],
    "unmatched": [StrOptions({"raise", "drop"})],
    "verify": ["boolean"],
    "verbose": ["verbose"],
    "return_X_y": ["boolean"],
    "as_frame": ["boolean"],
}


def shared_doc(**words: str) -> Callable:
    """Decorate a reader: put what all readers share into its docstring."""

    def fill(function: Callable) -> Callable:
        if function.__doc__:  # none under python -OO
            text = inspect.cleandoc(function.__doc__)
            text = text.replace("$common", _section(Reading)).replace(
                "$returns", _section(Reading.finish)
            )
            for key, value in words.items():
                text = text.replace(f"${key}", value)
            function.__doc__ = text
        return function

    return fill


def _section(documented: Any) -> str:
    """The first section of a docstring, without its title."""
    return re.split(r"^-+\n", inspect.getdoc(documented) or "", flags=re.MULTILINE)[1]


class LeftOut(dict[str, list[str]]):
    """Reasons, and the names of what was left out for each."""

    def add(self, reason: str, names: Iterable[str]) -> None:
        """Add names, if there are any."""
        names = list(names)
        if names:
            self.setdefault(reason, []).extend(names)


def named(names: Sequence[Any]) -> str:
    """Name at most ten things, with how many more there are."""
    shown = ", ".join(repr(name) for name in names[:N_NAMED])
    return shown + (f" and {len(names) - N_NAMED} more" if len(names) > N_NAMED else "")


def as_frame_bunch(
    data: Bunch, columns: dict[str, Any], *, return_X_y: bool, as_frame: bool
) -> Bunch | tuple:
    """Return a Bunch with `frame`, or ``(images, target)``."""
    data["frame"] = None
    if as_frame:
        import pandas as pd

        index = pd.Index(data.ids, name="id")
        data["frame"] = pd.DataFrame(columns, index=index)
        if data.target is not None:
            data["frame"]["target"] = data.target
            data["target"] = data.frame["target"]
    return (data.images, data.target) if return_X_y else data


def check_folder(path: Any, name: str = "path") -> Path:
    """Check that a folder is there."""
    folder = Path(path)
    if not folder.is_dir():
        raise FileNotFoundError(f"{name} must be a folder with images, got {str(folder)!r}.")
    return folder


def scan(folder: Path, inside: Path, suffixes: Sequence[str] = SUFFIXES) -> list[str]:
    """Paths of all files with these suffixes below a folder, relative to it, in order.

    Hidden files are skipped. Raises ValueError for a link that leads out of `inside`.
    """
    root, allowed, found, waiting = str(folder), os.path.realpath(inside), [], [""]
    real = _target_inside(root, allowed)
    while waiting:
        below = waiting.pop()
        with os.scandir(os.path.join(root, below)) as entries:
            for entry in entries:
                name = entry.name
                if name[0] == "." or name == "__MACOSX":
                    continue
                if entry.is_symlink():
                    target = _target_inside(entry.path, allowed)
                    # a folder within is met on its own, and one above is a loop
                    if os.path.isdir(target) and os.path.commonpath([real, target]) in (
                        real,
                        target,
                    ):
                        continue
                if entry.is_dir():
                    waiting.append(f"{below}{name}/")
                elif name[name.rfind(".") :].lower() in suffixes:
                    found.append(below + name)
    found.sort()
    return found


def _target_inside(path: str, allowed: str) -> str:
    """What a path leads to once links are followed; ValueError if that is not in a folder."""
    target = os.path.realpath(path)
    if os.path.commonpath([allowed, target]) != allowed:
        raise ValueError(
            f"{path!r} is a link to {target!r}, out of the folder {allowed!r}; expected links "
            "within it."
        )
    return target


def stem_of(path: str) -> str:
    """Path without its suffix."""
    head, dot, tail = path.rpartition(".")
    return head if dot and "/" not in tail else path


def name_of(path: str) -> str:
    """Last name of a path."""
    return path.rpartition("/")[2]


def check_inside(name: Any, said_by: str) -> str:
    """Check that a path in an index leads nowhere else; returns it with plain slashes."""
    if not isinstance(name, str) or not name:
        raise ValueError(f"{said_by} names {name!r}; expected the path of a photo.")
    path = name.replace("\\", "/")
    if path.startswith("/") or re.match(r"[A-Za-z]:", path) or ".." in path.split("/"):
        raise ValueError(
            f"{said_by} names {name!r}, which leads out of its folder; expected a path within it, "
            "without '..'."
        )
    return path.removeprefix("./")


def read_text(file: Path) -> str:
    """Read a text file in UTF-8, with or without a byte order mark."""
    content = file.read_bytes()
    cure = "save it as UTF-8 (in Excel: 'CSV UTF-8'; on a command line: iconv -t UTF-8)."
    is_utf_32 = content[:4] in (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)
    if is_utf_32 or content[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        name = "UTF-32" if is_utf_32 else "UTF-16"
        raise ValueError(f"{str(file)!r} is in {name}, as its first bytes say; {cure}")
    if b"\0" in content:
        raise ValueError(
            f"{str(file)!r} is not in UTF-8: it holds a zero byte at position "
            f"{content.index(0)}, as texts in UTF-16 do; {cure}"
        )
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ValueError(
            f"{str(file)!r} is not in UTF-8: byte {content[error.start]:#04x} at position "
            f"{error.start}, in line {line}, is none of a text in UTF-8; {cure}"
        ) from error


def read_table(file: Path) -> tuple[list[str], list[list[str]]]:
    """Read the columns and rows of a table: separated by commas, semicolons, tabs or blanks."""
    if not file.is_file():
        raise FileNotFoundError(f"The table {str(file)!r} is missing.")
    lines = [line for line in read_text(file).splitlines() if line.strip()]
    # CelebA's lists of attributes begin with the number of rows
    if len(lines) > 1 and lines[0].strip().isdigit():
        header = lines[1].split()
        rows = [line.split() for line in lines[2:]]
        return (["id", *header] if rows and len(rows[0]) == len(header) + 1 else header), rows
    first = lines[0] if lines else ""
    delimiter = max(",;\t", key=first.count)
    if first.count(delimiter):
        rows = [
            [cell.strip() for cell in row]
            for row in csv.reader(StringIO("\n".join(lines)), delimiter=delimiter)
        ]
    else:
        rows = [line.split() for line in lines]
        if rows and len(rows[0]) == 2 and not {*ID_COLUMNS, *LABEL_COLUMNS}.intersection(rows[0]):
            return ["id", "label"], rows
    if not rows:
        raise ValueError(f"{file.name} is empty; expected a row per photo.")
    for line, row in enumerate(rows[1:], start=2):
        if len(row) != len(rows[0]):
            raise ValueError(
                f"line {line} of {file.name} must have one value per column {rows[0]}, got {row}."
            )
    return rows[0], rows[1:]


class Table:
    """Classes, and perhaps splits, of photos by their names in a file."""

    def __init__(self, path: str | os.PathLike, folder: Path, column: str | None = None) -> None:
        self.file = folder / path
        if not self.file.is_file() and Path(path).is_file():
            self.file = Path(path)
        columns, rows = read_table(self.file)
        lower = [name.lower() for name in columns]
        key = next((lower.index(name) for name in ID_COLUMNS if name in lower), 0)
        self.splits: dict[str, str] = {}
        if "split" in lower:
            place = lower.index("split")
            self.splits = {row[key]: row[place] for row in rows}
        self.labels: dict[str, str] = {}
        pick = self._picker(columns, key, column)
        for row in rows:
            check_inside(row[key], self.file.name)
            if row[key] in self.labels:
                raise ValueError(f"{self.file.name} repeats the photo {row[key]!r}.")
            label = pick(row)
            if label:
                self.labels[row[key]] = label

    def _picker(
        self, columns: list[str], key: int, column: str | None
    ) -> Callable[[list[str]], str | None]:
        """How the class is taken from a row."""
        if column is not None:
            if column not in columns:
                raise ValueError(f"{self.file.name} has no column {column!r}; it has {columns}.")
            place = columns.index(column)
            words = {"1": column, "0": f"not {column}", "-1": f"not {column}"}
            return lambda row: words.get(row[place], row[place])
        lower = [name.lower() for name in columns]
        others = [k for k in range(len(columns)) if k != key and lower[k] != "split"]
        usual = [lower.index(name) for name in LABEL_COLUMNS if name in lower]
        if usual or len(others) == 1:
            only = (usual or others)[0]
            return lambda row: row[only]

        def the_only_one(row: list[str]) -> str | None:
            ones = [columns[k] for k in others if row[k] == "1"]
            if any(row[k] not in ("0", "1", "-1") for k in others):
                raise ValueError(
                    f"{self.file.name} has the columns {columns}; expected one of "
                    f"{', '.join(LABEL_COLUMNS)}, or columns of 0 and 1; or name one: "
                    f"labels=({self.file.name!r}, column)."
                )
            return ones[0] if len(ones) == 1 else None

        return the_only_one


def look_up(known: Mapping[str, Any], files: Sequence[str], said_by: str) -> list[Any]:
    """Values of photos under their paths or names, with or without suffix; None if there is none.

    A name that fits photos in several folders is an error: it may be meant for one of them.
    """
    users: dict[str, str] = {}
    found = []
    for file in files:
        keys = (file, stem_of(file), name_of(file), stem_of(name_of(file)))
        key = next((key for key in keys if key in known), None)
        if key is not None and (other := users.setdefault(key, file)) != file:
            raise ValueError(
                f"{said_by} names {key!r}, which fits several photos: {other!r} and {file!r}; "
                "expected the path of each."
            )
        found.append(None if key is None else known[key])
    return found


def is_table_path(labels: Any) -> bool:
    """Say whether `labels` is the path of a table, and no regular expression."""
    is_text = isinstance(labels, str) and labels.lower().endswith(TABLE_SUFFIXES)
    return is_text or isinstance(labels, os.PathLike)


def classes_of(
    files: Sequence[str], labels: Any, folder: Path
) -> tuple[list[str | None], list[str] | None]:
    """Class of every photo, by what `labels` says, and the names of all classes where known."""
    column = None
    if isinstance(labels, tuple):
        if len(labels) != 2:
            raise ValueError(f"labels={labels!r}; expected a pair of a table and a column.")
        labels, column = labels
    if is_table_path(labels):
        table = Table(labels, folder, column)
        found = look_up(table.labels, files, table.file.name)
        return found, sorted(set(table.labels.values()))
    if isinstance(labels, Mapping):
        found = look_up(labels, files, "labels")
    elif isinstance(labels, (str, re.Pattern)):
        try:
            matches = [re.search(labels, file) for file in files]
        except re.error as error:
            raise ValueError(f"labels={labels!r} is no regular expression: {error}.") from error
        found = [match and match[1 if match.re.groups else 0] for match in matches]
    else:
        found = [labels(file) for file in files]
    return [None if label is None else str(label) for label in found], None


def check_parts(parts: Any, name: str = "part_names") -> dict[int, str]:
    """Names by part id, from a list (ids from 0) or a mapping of ids to names."""
    if parts is None:
        return {}
    given = parts if isinstance(parts, Mapping) else dict(enumerate(parts))
    for key, value in given.items():
        if isinstance(key, bool) or not isinstance(key, Integral) or not isinstance(value, str):
            raise TypeError(f"{name} must map part ids to names, got {key!r}: {value!r}.")
    found = {int(key): value for key, value in given.items()}
    twice = sorted({value for value in found.values() if list(found.values()).count(value) > 1})
    if twice:
        raise ValueError(f"{name} gives the names {named(twice)} to several ids.")
    return found


def part_tree(tree: Any, parts: Mapping[int, str]) -> dict | None:
    """Nested dict with part ids, from one with ids or names; by default of one level."""
    if tree is None:
        return {"image": {name: part for part, name in sorted(parts.items())}} if parts else None
    if not isinstance(tree, SegmentTree):
        tree = SegmentTree.from_nested(tree)
    ids = {name: part for part, name in parts.items()}
    names = [tree.names[leaf] for leaf in tree.leaves]
    values = tree.leaf_values or names
    found, known = [], set()
    for name, value in zip(names, values):
        several = value if isinstance(value, tuple) else (name if value is None else value,)
        for item in several:
            if isinstance(item, str) and item not in ids:
                raise ValueError(
                    f"Leaf {name!r} of tree= names the part {item!r}; the parts are "
                    f"{named(list(ids))}."
                )
        several = [ids[item] if isinstance(item, str) else item for item in several]
        known.update(several)
        found.append(several if isinstance(value, tuple) else several[0])
    missing = [name for part, name in sorted(parts.items()) if part not in known]
    if missing:
        raise ValueError(
            f"tree= has no leaf for {len(missing)} part(s): {named(missing)}; add them, or name "
            "them in unlabeled=."
        )
    return SegmentTree(tree.names, tree.parents, found).to_nested()


@dataclass
class Collected:
    """What a reader has found, one entry per photo, before classes and sizes are settled."""

    folder: Path
    files: list[str]
    photos: list[Any]
    masks: list[Any]
    photo_recipe: Any
    mask_recipe: Any
    parts: dict[int, str]
    left_out: LeftOut
    tree: Any = None
    classes: list[str | None] | None = None
    class_names: list[str] | None = None
    splits: list[str] | None = None
    unlabeled: Any = None
    description: str = ""


@dataclass
class Reading:
    """Options that all readers share.

    Parameters
    ----------
    labels : str, path, re.Pattern, tuple, mapping or callable, default=None
        The class of every photo. The path of a table (``.csv``, ``.tsv``, ``.txt``), below the
        folder or the working directory, with one row per photo, or a pair of that path and a
        column; any other string, or a compiled pattern, is a regular expression that is searched in
        the path of the photo below its folder, its first group being the class; a mapping or a
        function takes that path (a mapping also the name without suffix). None stands for
        $default_labels.
    tree : dict or SegmentTree, default=None
        The tree of the parts, with part ids or names of parts as the values of its leaves (or
        without values, the names of the leaves then being those of the parts). None stands for
        $default_tree.
    unlabeled : int, str, or list of them, default=None
        Ids in the masks, or names of parts, that are no part; as in
        :class:`~hierseg_learn.SegmentedImages`.
    split : str or None, default=None
        Keep this part of the data: $splits. None keeps all.
    resize : (int, int), {"photo", "mask"} or None, default=None
        Bring photos and masks to this height and width, masks to the size of their photos, or
        photos to the size of their masks: photos by the mean over the area, masks by the nearest
        pixel. None resizes nothing; a mask of another size than its photo is then an error.
    max_side : int or None, default=None
        Shrink photos whose longer side is longer than this, and bring the masks to their size.
    mode : {"RGB"} or None, default="RGB"
        ``"RGB"`` gives gray photos three equal channels, and drops an alpha channel that is opaque
        everywhere. None keeps what is in the files.
    unmatched : {"raise", "drop"}, default="raise"
        Whether photos and masks without partner, and photos without a class, are an error or left
        out.
    verify : bool, default=False
        Decode every photo and mask once now, and raise one error about those that cannot be used.
        Otherwise the first pair is decoded, the sizes of up to 50 pairs are compared, and other
        files are checked when they are read.
    verbose : int, default=0
        Show progress on standard error, and say what was left out.
    return_X_y : bool, default=False
        Return ``(images, target)`` instead of a Bunch.
    as_frame : bool, default=False
        Return `target` as a pandas Series, and the DataFrame `frame` with one row per photo.
    """

    labels: Any
    tree: Any
    unlabeled: Any
    split: str | None
    resize: Any
    max_side: int | None
    mode: str | None
    unmatched: str
    verify: bool
    verbose: int
    return_X_y: bool
    as_frame: bool

    def __post_init__(self) -> None:
        if self.resize is not None and self.max_side is not None:
            raise ValueError(
                f"resize={self.resize!r} and max_side={self.max_side} were both given; expected "
                "one of them."
            )
        if isinstance(self.resize, (tuple, list)):
            sides = tuple(self.resize)
            whole = all(isinstance(side, Integral) and side > 0 for side in sides)
            if len(sides) != 2 or not whole:
                raise ValueError(f"resize={self.resize!r}; expected (height, width) in pixels.")
            self.resize = tuple(int(side) for side in sides)

    def table(self, folder: Path) -> Table | None:
        """The table that `labels` names, if it does."""
        file, column = self.labels if isinstance(self.labels, tuple) else (self.labels, None)
        return Table(file, folder, column) if is_table_path(file) else None

    def finish(self, found: Collected) -> Bunch | tuple:
        """Settle classes, split, tree and sizes, compare sizes, and make the Bunch.

        Returns
        -------
        data : :class:`~sklearn.utils.Bunch`
            With the attributes

            - `images` (SegmentedImages of shape (n_samples,)): On disk; photos and masks are
              decoded each time they are used.
            - `target` (ndarray of shape (n_samples,), int64, Series, or None without classes)
            - `target_names` (list of str): The classes in alphabetical order.
            - `part_names` (dict of int to str): Name of every part id; empty if there are no names.
            - `tree` (dict or None): The segment tree; its leaves are part ids.
            - `left_out` (dict of str to list of str): Reasons, and what was left out for each.
            - `ids` (list of str): Path of every photo below its folder, without suffix.
            - `filenames`, `mask_filenames` (list of str)
            - `frame` (DataFrame or None)
            - `DESCR` (str): What was read, in a few lines.
        images, target : tuple
            In place of the Bunch, if ``return_X_y=True``.
        """
        self._settle_classes(found)
        self._keep_split(found)
        if not found.files:
            raise ValueError(
                f"{str(found.folder)!r} has no photo that can be used; left out were "
                f"{ {reason: len(names) for reason, names in found.left_out.items()} }."
            )
        unlabeled = self._unlabeled_ids(found)
        skipped = set() if unlabeled is None else set(unlabeled)
        parts = {part: name for part, name in sorted(found.parts.items()) if part not in skipped}
        tree = _without(found.tree, skipped) if self.tree is None else self.tree
        images = SegmentedImages(*self._collections(found), unlabeled)
        ids = [stem_of(file) for file in found.files]
        if len(set(ids)) < len(ids):
            ids = list(found.files)
        target, target_names = self._target(found)
        data = Bunch(
            images=images,
            target=target,
            target_names=target_names,
            part_names=parts,
            tree=part_tree(tree, parts),
            left_out=dict(found.left_out),
            ids=ids,
            filenames=list(images.images.paths),
            mask_filenames=list(images.masks.paths),
        )
        self._check(data)
        said = [f"{len(names)} left out: {reason}" for reason, names in data.left_out.items()]
        data["DESCR"] = "\n".join([found.description, f"{len(ids)} photos with masks", *said])
        columns = {"filename": data.filenames, "mask_filename": data.mask_filenames}
        if found.splits is not None:
            columns["split"] = found.splits
        if target is not None:
            columns["label"] = [target_names[code] for code in target]
        if self.verbose and said:
            sys.stderr.write("\n".join([*said, ""]))
        return as_frame_bunch(data, columns, return_X_y=self.return_X_y, as_frame=self.as_frame)

    def _settle_classes(self, found: Collected) -> None:
        if self.labels is not None:
            found.classes, found.class_names = classes_of(found.files, self.labels, found.folder)
        if found.classes is None or all(label is None for label in found.classes):
            if self.labels is not None:
                raise ValueError(
                    f"labels= gives no class to any of {len(found.files)} photos, such as "
                    f"{named(found.files[:3])}."
                )
            found.classes = None
            return
        missing = [file for file, label in zip(found.files, found.classes) if label is None]
        if missing and self.unmatched == "raise":
            raise ValueError(
                f"{len(missing)} of {len(found.files)} photos have no class, or several: "
                f"{named(missing)}; pass unmatched='drop' to leave them out."
            )
        found.left_out.add("photos without a class", missing)
        keep(found, [label is not None for label in found.classes])

    def _keep_split(self, found: Collected) -> None:
        if self.split is None or found.splits is None:
            return
        known = sorted(set(found.splits))
        keep(found, [split == self.split for split in found.splits])
        if not found.files:
            raise ValueError(f"split={self.split!r} has no photo; there are the splits {known}.")

    def _unlabeled_ids(self, found: Collected) -> list[int] | None:
        given = found.unlabeled if self.unlabeled is None else self.unlabeled
        if given is None:
            return None
        ids = {name: part for part, name in found.parts.items()}
        given = [given] if isinstance(given, (str, Integral)) else list(given)
        for item in given:
            if isinstance(item, str) and item not in ids:
                raise ValueError(
                    f"unlabeled= names the part {item!r}; the parts are {named(list(ids))}."
                )
        return [ids[item] if isinstance(item, str) else item for item in given]

    def _collections(self, found: Collected) -> tuple[ImageFiles, ImageFiles]:
        """Photos and masks, resized where that was asked for."""
        photos, masks = found.photos, found.masks
        photo_recipe, mask_recipe = found.photo_recipe, found.mask_recipe
        wanted = self.resize or self.max_side
        if wanted not in (None, "photo"):
            size = "partner" if wanted == "mask" else wanted
            partners = found.masks if wanted == "mask" else [None] * len(masks)
            photo_recipe = ResizedRecipe(photo_recipe, found.mask_recipe, size)
            photos = list(zip(found.photos, partners))
        if wanted not in (None, "mask"):
            size = "partner" if wanted == "photo" else wanted
            mask_recipe = ResizedRecipe(mask_recipe, found.photo_recipe, size)
            masks = list(zip(found.masks, found.photos))
        return ImageFiles(photos, "image", photo_recipe), ImageFiles(masks, "mask", mask_recipe)

    def _target(self, found: Collected) -> tuple[np.ndarray | None, list[str]]:
        if found.classes is None:
            return None, []
        names = sorted({*(found.class_names or ()), *found.classes})
        codes = {name: code for code, name in enumerate(names)}
        return np.array([codes[label] for label in found.classes], dtype=np.int64), names

    def _check(self, data: Bunch) -> None:
        """Decode the first pair and compare the sizes of some, or decode all of them."""
        images, n_images = data.images, len(data.images)
        if self.verify:
            verify(data, self.verbose)
            return
        if self.unmatched == "keep":  # what cannot be used is left out where it is read
            return
        # what is wrong with the first is wrong with most: formats, colors, missing packages
        images.images.read(0)
        check_ids(images.masks.read(0), data, 0)
        looked = np.unique(np.linspace(0, n_images - 1, min(N_COMPARED, n_images)).astype(int))
        other = []
        for i in looked.tolist():
            shapes = [part.header(i)[0][:2] for part in (images.masks, images.images)]
            if shapes[0] != shapes[1]:
                other.append((i, *shapes))
        if not other:
            return
        i, mask, photo = other[0]
        raise ValueError(
            f"{len(other)} of {len(looked)} masks that were looked at have another size than their "
            f"photo: {images.masks.label(i, f'Mask {i}')} is {mask[0]} x {mask[1]} pixels, its "
            f"photo is {photo[0]} x {photo[1]}. To resize, pass max_side=, resize='photo' (the "
            "masks) or resize='mask' (the photos)."
        )


def keep(found: Collected, wanted: Sequence[bool]) -> None:
    """Keep some of the photos."""
    if all(wanted):
        return
    for name in ("files", "photos", "masks", "classes", "splits"):
        values = getattr(found, name)
        if values is not None:
            setattr(found, name, [value for value, use in zip(values, wanted) if use])


def _without(tree: Any, ids: set[int]) -> Any:
    """Nested dict without the leaves of some ids, and without what is empty then."""
    if not isinstance(tree, dict) or not ids:
        return tree
    kept = {}
    for name, value in tree.items():
        rest = _without(value, ids) if isinstance(value, dict) else value
        if (rest or rest == 0) and not (isinstance(rest, int) and rest in ids):
            kept[name] = rest
    return kept


def pair(
    photos: Mapping[str, str],
    masks: Mapping[str, Any],
    reading: Reading,
    left_out: LeftOut,
    *,
    hint: str = "",
) -> Iterator[str]:
    """Keys that photos and masks have in common, in order; others are an error or left out.

    Where they are kept, keys of photos without a mask are among them, if any photo has one.
    """
    alone = [photos[key] for key in photos if key not in masks]
    orphans = [key for key in masks if key not in photos]
    keeps = reading.unmatched == "keep" and len(alone) < len(photos)
    if (alone or orphans) and not keeps and reading.unmatched != "drop":
        names = [f" ({named(missing)})" if missing else "" for missing in (alone, orphans)]
        raise ValueError(
            f"{len(alone)} of {len(photos)} photos have no mask{names[0]}, and {len(orphans)} of "
            f"{len(masks)} masks have no photo{names[1]}; expected one mask for every photo.{hint} "
            "To leave out the others, pass unmatched='drop'."
        )
    left_out.add("photos without a mask", [] if keeps else alone)
    left_out.add("masks without a photo", orphans)
    return (key for key in photos if keeps or key in masks)
