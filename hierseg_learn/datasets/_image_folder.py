"""Folders of photos and label maps, as people and public data sets lay them out."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from sklearn.utils import Bunch
from sklearn.utils._param_validation import StrOptions, validate_params

from ..images.recipes import AdeCodes, ColorRecipe, FileRecipe, PartFilesRecipe
from ._parts import LAYOUTS, Parts, find_parts, named_by, names_in_split
from ._reading import (
    COMMON_CONSTRAINTS,
    SUFFIXES,
    Collected,
    LeftOut,
    Reading,
    check_folder,
    check_parts,
    classes_of,
    name_of,
    named,
    pair,
    scan,
    shared_doc,
    stem_of,
)

IMAGE_FOLDERS = ("images", "image", "imgs", "img", "photos", "JPEGImages")
MASK_FOLDERS = (
    "masks", "mask", "labels", "annotations", "annot", "segmentations", "segmentation",
    "SegmentationClass", "SegmentationClassPNG", "gt",
)  # fmt: skip
MASK_ENDINGS = (
    "_mask",
    "_masks",
    "_seg",
    "_label",
    "_labels",
    "_annot",
    "_annotation",
    "_gt",
    "_P",
)
SIBLING_ENDINGS = ("annot", "_annot", "_mask", "_masks", "_labels", "_label")
SPLITS = ("train", "training", "val", "valid", "validation", "test", "testing")
MASK_SUFFIXES = (*SUFFIXES, ".npy")


@validate_params(
    {
        "path": [str, os.PathLike],
        "layout": [StrOptions(set(LAYOUTS)), None],
        "images": [str, os.PathLike, None],
        "masks": [str, os.PathLike, None],
        "image_suffix": [str, None],
        "mask_suffix": [str, None],
        "part_names": ["array-like", Mapping, None],
        "palette": [Mapping, None],
        "one_per_part": ["boolean"],
        "background": [str, None],
        **COMMON_CONSTRAINTS,
        "unmatched": [StrOptions({"raise", "drop", "keep"})],
    },
    prefer_skip_nested_validation=True,
)
@shared_doc(
    default_labels=(
        "what the layout brings, or the name of the first folder below the folder of the\n"
        "    photos, where all lie in such folders"
    ),
    default_tree="that of the layout, or all parts below one root",
    splits="a folder, a list ``SPLIT.txt``, or a value in the column ``split`` of the table",
    layouts=", ".join(f'"{name}"' for name in LAYOUTS),
)
def load_image_folder(
    path: str | os.PathLike,
    *,
    layout: str | None = None,
    images: str | os.PathLike | None = None,
    masks: str | os.PathLike | None = None,
    image_suffix: str | None = None,
    mask_suffix: str | None = None,
    part_names: Any = None,
    palette: Mapping | None = None,
    one_per_part: bool = False,
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
    """Load photos and their masks from folders.

    A photo and its mask have the same name, but for their suffixes. Masks lie in a folder of their
    own (``images`` and ``masks``, ``JPEGImages`` and ``SegmentationClass``, ``train`` and
    ``trainannot``, ...) or beside the photos (``a.jpg`` and ``a_mask.png``). They hold part ids, as
    gray or palette files or ``.npy``; or colors, which `palette` names; or there is one binary file
    per part (`one_per_part`), named by photo and part (``7_hair.png``, ``7_eye_2.png``, or
    ``7/hair.png``).

    With ``unmatched="keep"``, which `one_per_part` does not take, a missing mask is an error only
    when it is read: ``describe_to(on_error="skip")`` of
    :class:`~hierseg_learn.SegmentTreeTransformer` leaves out, and lists, such a photo. There must
    be a mask for some photo.

    Names are read from the folder where it has them: ``labelmap.txt`` (of CVAT and datumaro),
    ``class_names.txt``, ``classes.txt`` or ``codes.txt`` (one name per line, from id 0), or
    ``_classes.csv`` (of Roboflow, with a column ``Pixel Value``).

    Parameters
    ----------
    path : str or path-like
        The folder. Links out of it are an error.
    layout : {$layouts} or None, default=None
        A public data set, whose folders, names and tree are known.
    images, masks : str, path-like or None, default=None
        Folders of photos and masks, relative to `path`; ``{split}`` in them stands for the split.
        None looks for usual names.
    image_suffix, mask_suffix : str or None, default=None
        What the names of photos and masks end with, before the suffix of the file, such as
        ``"_mask"``. None looks for usual endings of masks.
    part_names : list of str, dict of int to str, or None, default=None
        Names of the part ids; a list counts from 0. With `one_per_part`, a list of the names in the
        files, in the order in which they are painted, the last one on top; of a single name, all
        files are of that part.
    palette : dict or None, default=None
        Name of the part of every color ``(r, g, b)``, or of every stored value, such as
        ``{0: "background", 255: "cat"}``; None as a name is no part. Part ids are given in this
        order, from 0.
    one_per_part : bool, default=False
        Whether every part of a photo, or every object, has a binary file of its own. Parts have the
        ids from 1, and the rest of the photo is `background`.
    background : str or None, default="background"
        With `one_per_part`, name of what no part covers, id 0; None leaves it unlabeled.
    $common

    Returns
    -------
    $returns

    Raises
    ------
    FileNotFoundError
        If a folder or table is missing.
    ValueError
        If photos and masks do not match, a photo has two masks, a photo has no class, a part has no
        name, a mask has another size than its photo, a link leads out of the folder, or there is no
        photo. Files are checked when they are read, or all at once with `verify`.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> from PIL import Image
    >>> from hierseg_learn.datasets import load_image_folder
    >>> with tempfile.TemporaryDirectory() as name:
    ...     for file in ("images/cat/1.png", "images/dog/2.png", "masks/1.png", "masks/2.png"):
    ...         (Path(name) / file).parent.mkdir(parents=True, exist_ok=True)
    ...         Image.fromarray(np.zeros((4, 3), np.uint8)).save(Path(name) / file)
    ...     data = load_image_folder(name, part_names=["fur"])
    >>> data.target_names, data.target, data.part_names
    (['cat', 'dog'], array([0, 1]), {0: 'fur'})
    """
    folder = check_folder(path)
    reading = Reading(
        labels, tree, unlabeled, split, resize, max_side, mode, unmatched, verify, verbose,
        return_X_y, as_frame,
    )  # fmt: skip
    preset = LAYOUTS[layout] if layout else {}
    one_per_part = one_per_part or preset.get("one_per_part", False)
    if one_per_part and (palette is not None or mask_suffix is not None):
        raise ValueError(
            "palette= and mask_suffix= have no use for one binary file per part; expected None."
        )
    if one_per_part and unmatched == "keep":
        raise ValueError(
            "unmatched='keep' needs one mask per photo, got one binary file per part; expected "
            "'raise' or 'drop'."
        )
    places = _places(folder, preset, images, masks, split)
    search = Search(
        folder,
        reading,
        LeftOut(),
        preset,
        image_suffix or preset.get("image_suffix", ""),
        mask_suffix or preset.get("mask_suffix"),
        names_in_split(folder, preset, places, reading),
        given=images is not None or masks is not None,
    )
    if one_per_part:
        pieces, mask_recipe, parts = _read_part_files(search, places, part_names, background)
    else:
        pieces = [search.pairs(place) for place in places]
        parts = find_parts(folder, [place.images for place in places], preset, part_names, palette)
        mask_recipe = recipe_of(pieces, parts, preset)
    rows = [row for piece in pieces for row in piece]
    found = Collected(
        folder=folder,
        files=[f"{row.split}/{row.file}" if len(places) > 1 else row.file for row in rows],
        photos=[row.photo for row in rows],
        masks=[row.mask for row in rows],
        photo_recipe=FileRecipe("image", mode),
        mask_recipe=mask_recipe,
        parts=parts.names,
        tree=parts.tree,
        left_out=search.left_out,
        splits=[row.split for row in rows] if places[0].split else None,
        unlabeled=preset.get("unlabeled"),
        description=f"{layout or 'photos with masks'} in {str(folder)!r}",
    )
    if labels is None:
        _default_classes(found, preset, [row.file for row in rows], places)
    return reading.finish(found)


class Row(NamedTuple):
    """One photo: its split and path below its folder, the path, and the source of its mask."""

    split: str | None
    file: str
    photo: str
    mask: Any


class Place(NamedTuple):
    """Where photos and masks of one split lie; both in one folder if `masks` is None."""

    split: str | None
    images: Path
    masks: Path | None


@dataclass
class Search:
    """What is searched for in the folders of a data set."""

    folder: Path
    reading: Reading
    left_out: LeftOut
    preset: dict[str, Any]
    image_suffix: str
    mask_suffix: str | None
    wanted: set[str] | None
    given: bool

    def photos(self, place: Place, files: Sequence[str] | None = None) -> dict[str, str]:
        """Photos of a place, from their path without suffix."""
        files = self.scan(place.images) if files is None else files
        found: dict[str, str] = {}
        wanted = self._wanted_of(map(stem_of, files))
        for file in files:
            stem = stem_of(file)
            if not stem.endswith(self.image_suffix) or stem not in wanted:
                continue
            key = stem.removesuffix(self.image_suffix)
            if key in found:
                raise ValueError(
                    f"Two photos in {str(place.images)!r} have one name: {found[key]!r} and "
                    f"{file!r}; expected one photo for each mask."
                )
            found[key] = file
        if not found:
            raise ValueError(
                f"{str(place.images)!r} holds no photo; expected files with the suffixes "
                f"{', '.join(SUFFIXES)}"
                + (f" whose names end with {self.image_suffix!r}." if self.image_suffix else ".")
            )
        return found

    def pairs(self, place: Place) -> list[Row]:
        """Photos of a place with their masks, in the order of the photos."""
        if place.masks is None:
            files = self.scan(place.images, MASK_SUFFIXES)
            ending = self.mask_suffix or usual_ending(files, files, MASK_ENDINGS)
            if not ending:
                self.photos(place, files)  # says so if there is none
                raise ValueError(
                    f"{str(place.images)!r} holds no masks that can be told from photos: looked "
                    f"for folders {', '.join(MASK_FOLDERS)}, and for names that end with "
                    f"{', '.join(MASK_ENDINGS)}; pass masks= or mask_suffix=."
                )
            masks = [file for file in files if stem_of(file).endswith(ending)]
            others = set(files).difference(masks)
            photos = self.photos(
                place, [file for file in files if file in others and not self._is_aside(file)]
            )
        else:
            photos = self.photos(place)
            masks = self.scan(place.masks, MASK_SUFFIXES)
            ending = self.mask_suffix
            if ending is None:
                ending = usual_ending(list(photos.values()), masks, ("", *MASK_ENDINGS))
        folder = place.masks or place.images
        by_key = self._masks(photos, masks, ending, folder)
        hint = f" Masks were looked for in {str(folder)!r}"
        hint += f", with names that end with {ending!r}." if ending else "."
        return [
            Row(
                place.split,
                photos[key],
                f"{place.images}/{photos[key]}",
                f"{folder}/{by_key.get(key, f'{key}{ending}.png')}",
            )
            for key in pair(photos, by_key, self.reading, self.left_out, hint=hint)
        ]

    def _masks(
        self, photos: dict[str, str], masks: list[str], ending: str, folder: Path
    ) -> dict[str, str]:
        """Masks by the key of their photo: its path, or its name where the folders differ."""
        stems = {file: stem_of(file) for file in masks}
        others = [file for file, stem in stems.items() if not stem.endswith(ending)]
        self.left_out.add(
            f"files among the masks whose names do not end with {ending!r}",
            [file for file in others if not self._is_aside(file)],
        )
        keys = {
            file: stem.removesuffix(ending) for file, stem in stems.items() if stem.endswith(ending)
        }
        wanted = self._wanted_of(keys.values())
        keys = {file: key for file, key in keys.items() if key in wanted}
        if not any(key in photos for key in keys.values()):
            by_name: dict[str, list[str]] = {}
            for key in photos:
                by_name.setdefault(name_of(key), []).append(key)
            keys = {
                file: by_name.get(name_of(key), [key])[0]
                if len(by_name.get(name_of(key), [])) < 2
                else key
                for file, key in keys.items()
            }
        found: dict[str, str] = {}
        for file, key in keys.items():
            if key in found:
                raise ValueError(
                    f"Two masks in {str(folder)!r} belong to one photo ({key!r}): {found[key]!r} "
                    f"and {file!r}; expected one (or pass one_per_part=True, mask_suffix=)."
                )
            found[key] = file
        return found

    def scan(self, folder: Path, suffixes: Sequence[str] = SUFFIXES) -> list[str]:
        """Files below a folder; links may lead to any place in the data set."""
        # named by the user
        is_own = self.given and not folder.resolve().is_relative_to(self.folder.resolve())
        return scan(folder, folder if is_own else self.folder, suffixes)

    def _is_aside(self, file: str) -> bool:
        """Say whether a file is neither photo nor mask, though its suffix is that of one."""
        ignored = self.preset.get("ignored")
        return file.endswith(".npy") or bool(ignored and ignored in file)

    def _wanted_of(self, stems: Iterable[str]) -> set[str]:
        """Those of some paths without suffix that are in the split."""
        return set(stems) if self.wanted is None else named_by(self.wanted, stems)


def _places(
    folder: Path, preset: dict[str, Any], images: Any, masks: Any, split: str | None
) -> list[Place]:
    """Folders of photos and masks, one pair for every split that has its own."""
    if images is None and masks is None and not preset:
        return list(_usual_places(folder, split))
    image_patterns = [os.fspath(images)] if images is not None else preset.get("images", ["."])
    mask_patterns = [os.fspath(masks)] if masks is not None else preset.get("masks", [])
    has_folders = any("{split}" in pattern for pattern in (*image_patterns, *mask_patterns))
    splits: Sequence[str | None] = [None]
    if has_folders:
        splits = [split] if split else preset.get("splits", SPLITS)
    found = []
    for name in splits:
        pair_of = [
            _first_folder(folder, patterns, name) for patterns in (image_patterns, mask_patterns)
        ]
        if pair_of[0] is None or (mask_patterns and pair_of[1] is None):
            continue
        found.append(Place(name, pair_of[0], pair_of[1]))
    if not found:
        of = f" of the split {split!r}" if split else ""
        raise FileNotFoundError(
            f"{str(folder)!r} must hold the folders of photos and masks{of}; looked for "
            f"{named([*image_patterns, *mask_patterns])}."
        )
    return found


def _first_folder(folder: Path, patterns: Sequence[str], split: str | None) -> Path | None:
    paths = [folder / pattern.replace("{split}", split or "") for pattern in patterns]
    return next((path for path in paths if path.is_dir()), None)


def _usual_places(folder: Path, split: str | None) -> Iterator[Place]:
    """Folders with usual names; those of a split, or of every split."""
    if split is not None:
        found = _place_of_split(folder, split)
        if found is not None:
            yield found
            return
    images, masks = _two_folders(folder)
    if images is not None and masks is not None:
        inner = [name for name in SPLITS if (images / name).is_dir() and (masks / name).is_dir()]
        if not inner:
            yield Place(None, images, masks)
        for name in inner:
            yield Place(name, images / name, masks / name)
        return
    places = [_place_of_split(folder, name) for name in SPLITS]
    places = [place for place in places if place is not None]
    if places:
        yield from places
        return
    for entry in sorted(folder.iterdir()):
        for ending in SIBLING_ENDINGS:
            if entry.is_dir() and (folder / (entry.name + ending)).is_dir():
                yield Place(None, entry, folder / (entry.name + ending))
                return
    yield Place(None, folder, None)


def _two_folders(folder: Path) -> tuple[Path | None, Path | None]:
    paths = [
        next((folder / name for name in names if (folder / name).is_dir()), None)
        for names in (IMAGE_FOLDERS, MASK_FOLDERS)
    ]
    return paths[0], paths[1]


def _place_of_split(folder: Path, split: str) -> Place | None:
    """Folders of one split: SPLIT/images, images/SPLIT, SPLIT beside SPLITannot, or SPLIT alone."""
    own = folder / split
    images, masks = _two_folders(own)
    if images is not None and masks is not None:
        return Place(split, images, masks)
    images, masks = _two_folders(folder)
    if images is not None and masks is not None and (images / split).is_dir():
        return Place(split, images / split, masks / split)
    if not own.is_dir():
        return None
    for ending in SIBLING_ENDINGS:
        if (folder / (split + ending)).is_dir():
            return Place(split, own, folder / (split + ending))
    return Place(split, own, None)


def usual_ending(photos: Sequence[str], masks: Sequence[str], endings: Sequence[str]) -> str:
    """What the names of masks end with, of some endings; nothing where none fits."""
    names = {name_of(stem_of(file)) for file in photos}
    found = {name_of(stem_of(file)) for file in masks}
    fits = {
        ending: sum(name.endswith(ending) and name.removesuffix(ending) in names for name in found)
        for ending in endings
    }
    best = max(fits, key=lambda ending: fits[ending])
    return best if fits[best] else ""


def recipe_of(pieces: list[list[Row]], parts: Parts, preset: dict[str, Any]) -> Any:
    """How masks with ids, or with colors, are decoded; puts the colors beside the paths."""
    codes = parts.codes
    if codes is None and preset.get("codes"):
        codes = AdeCodes()
    if codes is None:
        return FileRecipe("mask")
    for piece in pieces:
        piece[:] = [row._replace(mask=(row.mask, codes)) for row in piece]
    return ColorRecipe()


def _default_classes(
    found: Collected, preset: dict[str, Any], files: list[str], places: list[Place]
) -> None:
    """Class of every photo by the table of the layout, or by the folder that it lies in."""
    for name in preset.get("labels", ()):
        if (found.folder / name).is_file():
            found.classes, found.class_names = classes_of(found.files, Path(name), found.folder)
            return
    if all("/" in file for file in files):
        found.classes = [file.partition("/")[0] for file in files]
        found.class_names = sorted(
            {
                entry.name
                for place in places
                for folder in _same_in_other_splits(place, found.folder)
                for entry in folder.iterdir()
                if entry.is_dir() and entry.name[0] != "."
            }
        )


def _same_in_other_splits(place: Place, folder: Path) -> Iterator[Path]:
    """Folders of photos of all splits, so that the codes of classes are the same in each."""
    yield place.images
    steps = place.images.relative_to(folder).parts if place.split else ()
    for other in SPLITS:
        path = folder.joinpath(*(other if step == place.split else step for step in steps))
        if place.split in steps and path.is_dir():
            yield path


def _read_part_files(
    search: Search, places: list[Place], part_names: Any, background: str | None
) -> tuple[list[list[Row]], PartFilesRecipe, Parts]:
    """Pairs of photos and their binary files, one per part or object."""
    preset = search.preset
    order = list(preset.get("part_order", ()) if part_names is None else part_names)
    if isinstance(part_names, Mapping):
        raise TypeError("part_names must be a list with one_per_part=True, got a mapping.")
    endings: dict[str, int] = {}
    pieces = [_collect_part_files(search, place, endings) for place in places]
    stems = [stem_of(ending) for ending in endings]
    if len(order) == 1:
        of_ending = order * len(stems)
    else:
        of_ending = [
            stem[1:] if stem[1:] in order else re.sub(r"[_-]?\d+$", "", stem[1:]) for stem in stems
        ]
        if "" in of_ending:
            raise ValueError(
                "Some files are numbered and name no part, such as "
                f"{named([end for end, name in zip(endings, of_ending) if not name])}; pass the "
                "name of their part, part_names=['object']."
            )
        order = order or sorted(set(of_ending))
        unknown = sorted(set(of_ending) - set(order))
        if unknown:
            raise ValueError(
                f"{len(unknown)} part(s) of the files are not in part_names=: {named(unknown)}; "
                f"expected {named(order)}."
            )
    rank = {name: position for position, name in enumerate(order)}
    ranks = np.array([rank[name] for name in of_ending], dtype=np.int64)
    for piece in pieces:
        for place, row in enumerate(piece):
            prefix, positions = row.mask
            positions = np.array(positions, dtype=np.int32)
            positions = positions[np.argsort(ranks[positions], kind="stable")]
            piece[place] = row._replace(mask=(prefix, positions.tobytes()))
    recipe = PartFilesRecipe(
        [(ending, rank[name] + 1) for ending, name in zip(endings, of_ending)],
        -1 if background is None else 0,
    )
    shown = preset.get("file_names", {})
    names = {position + 1: shown.get(name, name) for name, position in rank.items()}
    names = names if background is None else {0: background, **names}
    tree = preset.get("tree") if part_names is None and background == "background" else None
    return pieces, recipe, Parts(check_parts(names), tree)


def _collect_part_files(search: Search, place: Place, endings: dict[str, int]) -> list[Row]:
    """Photos of a place with the prefix and endings of their files; new endings are added."""
    photos = search.photos(place)
    folder = place.masks or place.images
    numbered = search.preset.get("number_stems", False)
    keys = {(str(int(name_of(key))) if numbered else name_of(key)): key for key in photos}
    if len(keys) < len(photos):
        raise ValueError(
            f"Photos in {str(place.images)!r} share their names, so that files of parts fit "
            "several."
        )
    found: dict[str, tuple[str, list[int]]] = {}
    orphans = []
    for file in search.scan(folder):
        head, slash, name = file.rpartition("/")
        key, cut = None, len(name)
        while key is None and cut > 0:
            cut = max(name.rfind("_", 0, cut), name.rfind("-", 0, cut), 0)
            stem = name[:cut]
            key = keys.get(str(int(stem)) if numbered and stem.isdigit() else stem)
        if key is None and slash and not numbered:
            # a folder for every photo
            key, slash, name = keys.get(name_of(head)), "", f"/{name}"
        if key is None:
            if place.masks is not None and search.wanted is None:
                orphans.append(file)
            continue
        ending, prefix = name[cut:], f"{folder}/{head}{slash}{name[:cut]}"
        known = found.setdefault(key, (prefix, []))
        if known[0] != prefix:
            raise ValueError(
                f"Files of parts for the photo {photos[key]!r} lie in two places, {known[0]!r} and "
                f"{prefix!r}; expected one set of masks for each photo."
            )
        known[1].append(endings.setdefault(ending, len(endings)))
    if place.masks is None:
        # the files of parts are no photos
        photos = {key: file for key, file in photos.items() if not _is_part(file, keys)}
    masks = {**found, **dict.fromkeys(orphans)}
    return [
        Row(place.split, photos[key], f"{place.images}/{photos[key]}", found[key])
        for key in pair(photos, masks, search.reading, search.left_out)
    ]


def _is_part(file: str, keys: Mapping[str, str]) -> bool:
    """Say whether a name is that of another photo with an ending."""
    stem = name_of(stem_of(file))
    return any(stem[:k] in keys for k, mark in enumerate(stem) if mark in "_-")
