"""Single photos with their masks in a folder."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sklearn.utils import Bunch

from ..images import ImageFiles
from ..images.recipes import FileRecipe, ResizedRecipe
from ._image_folder import MASK_ENDINGS, MASK_SUFFIXES, Row, recipe_of, usual_ending
from ._parts import find_parts, tails
from ._reading import (
    Collected,
    LeftOut,
    Reading,
    check_folder,
    name_of,
    named,
    scan,
    stem_of,
)


def photo_files(files: Sequence[str], max_side: int | None = None) -> Any:
    """Photos without masks, at most so large: paths, or a collection that shrinks them."""
    if max_side is None:
        return list(files)
    recipe = ResizedRecipe(FileRecipe("image"), None, max_side)
    return ImageFiles([(file, None) for file in files], "image", recipe)


def pair_files(
    files: Sequence[str],
    masks: str | os.PathLike,
    *,
    max_side: int | None = None,
    unlabeled: Any = None,
    unmatched: str = "raise",
) -> Bunch:
    """Pair some photos with their masks in a folder, as :func:`load_image_folder` would.

    Parameters
    ----------
    files : sequence of str
        Paths of photos.
    masks : str or path-like
        Folder of their masks, which may be that of the photos. Masks have the names of their
        photos, or these and a usual ending. Names of parts, and colors, are read from the files
        beside this folder, within it, or beside the photos.
    max_side : int or None, default=None
        As in :func:`load_image_folder`.
    unlabeled : int, str, or list of them, default=None
        As in :func:`load_image_folder`.
    unmatched : {"raise", "keep"}, default="raise"
        Whether a photo without a mask is an error now, or when its mask is read. There must be one
        for some photo.

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch`
        As :func:`load_image_folder` returns it, in the order of `files`.
    """
    folder = check_folder(masks, "masks")
    own = {os.path.realpath(file) for file in files}
    found = [
        file
        for file in scan(folder, folder, MASK_SUFFIXES)
        if os.path.realpath(folder / file) not in own
    ]
    ending = usual_ending(files, found, ("", *MASK_ENDINGS))
    by_name: dict[str, list[str]] = {}
    for file in found:
        stem = stem_of(file)
        if stem.endswith(ending):
            by_name.setdefault(name_of(stem.removesuffix(ending)), []).append(file)
    fits = _nearest_paths(files, by_name, ending)
    alone = [file for file, known in fits.items() if not known]
    if alone and (unmatched == "raise" or len(alone) == len(fits)):
        raise ValueError(
            f"masks={str(folder)!r} holds no mask for {len(alone)} of {len(fits)} photos: "
            f"{named(alone)}; expected the names of the photos, or these and one of "
            f"{', '.join(MASK_ENDINGS)}."
        )
    for file, known in fits.items():
        if len(known) > 1:
            raise ValueError(
                f"masks={str(folder)!r} holds several masks for the photo {file!r}: "
                f"{named(known)}; expected one."
            )
    owners: dict[str, str] = {}
    for file, known in fits.items():
        for mask in known:
            other = owners.setdefault(mask, file)
            if os.path.realpath(other) != os.path.realpath(file):
                raise ValueError(
                    f"masks={str(folder)!r} holds one mask, {mask!r}, for the photos {other!r} and "
                    f"{file!r}; expected one for each, in folders named as those of the photos."
                )
    places = dict.fromkeys([folder, *(Path(file).parent for file in files)])
    parts = find_parts(folder.parent, list(places), {}, None, None)
    lacking = {file: [f"{Path(file).stem}{ending}.png"] for file in alone}
    rows = [Row(None, file, file, f"{folder}/{(fits | lacking)[file][0]}") for file in files]
    mask_recipe = recipe_of([rows], parts, {})
    reading = Reading(
        None, None, unlabeled, None, None, max_side, "RGB", unmatched, False, 0, False, False
    )
    return reading.finish(
        Collected(
            folder=folder,
            files=list(files),
            photos=list(files),
            masks=[row.mask for row in rows],
            photo_recipe=FileRecipe("image", "RGB"),
            mask_recipe=mask_recipe,
            parts=parts.names,
            tree=parts.tree,
            left_out=LeftOut(),
        )
    )


def _nearest_paths(
    files: Sequence[str], by_name: Mapping[str, list[str]], ending: str
) -> dict[str, list[str]]:
    """Masks of every photo: of those that have its name, the ones in the most similar folders.

    Where several photos have one name, a mask belongs to the one in the most similar folders:
    otherwise the photo of a missing mask would get that of another.
    """
    photos = {file: _ends(Path(os.path.abspath(file)).as_posix(), "") for file in files}
    names = {ends[0] for ends in photos.values()}
    masks = {mask: _ends(mask, ending) for name in names for mask in by_name.get(name, [])}
    of_photos = {end for ends in photos.values() for end in ends}
    # by the most that a mask has in common with any photo
    nearest: dict[str, list[str]] = {}
    for mask, ends in masks.items():
        nearest.setdefault([end for end in ends if end in of_photos][-1], []).append(mask)
    of_masks = {end for ends in masks.values() for end in ends}
    fits = {}
    for file, ends in photos.items():
        common = [end for end in ends if end in of_masks]
        fits[file] = nearest.get(common[-1], []) if common else []
    return fits


def _ends(path: str, ending: str) -> list[str]:
    """Ends of a path without its suffix and ending, by whole names, the shortest first."""
    return tails(stem_of(path).removesuffix(ending))[::-1]
