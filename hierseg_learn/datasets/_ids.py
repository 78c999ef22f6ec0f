"""Whether files can be decoded, masks fit their photos, and the part ids in them have names."""

from __future__ import annotations

import numpy as np
from sklearn.utils import Bunch

from ..images import ImageFiles, SegmentedImages
from ..utils.progress import ProgressBar

N_NAMED = 10


def verify(data: Bunch, verbose: int) -> None:
    """Decode all photos and masks of a data set on disk, and raise one error about what is wrong.

    `images` may also be paths of photos without masks.
    """
    pairs = data.images if isinstance(data.images, SegmentedImages) else None
    photos = data.images if pairs is None else pairs.images
    photos = photos if isinstance(photos, ImageFiles) else ImageFiles(photos)
    problems = []
    with ProgressBar(len(photos), "Checking files", verbose) as bar:
        for i in range(len(photos)):
            try:
                photos.check(i)
                if pairs is not None:
                    mask, shape = pairs.masks.read(i), photos.header(i)[0]
                    check_ids(mask, data, i)
                    if mask.shape != shape[:2]:
                        raise ValueError(
                            f"{pairs.masks.label(i, f'Mask {i}')} is {mask.shape[0]} x "
                            f"{mask.shape[1]} pixels, its photo is {shape[0]} x {shape[1]}."
                        )
            except ValueError as error:
                problems.append(str(error))
            bar.advance()
    if problems:
        masks = "" if pairs is None else " with their masks"
        raise ValueError(
            f"{len(problems)} of {len(photos)} photos cannot be used{masks}: "
            f"{' '.join(problems[:N_NAMED])}"
        )


def check_ids(mask: np.ndarray, data: Bunch, i: int) -> None:
    """Raise for part ids in mask `i` that have no name, where the parts of the data have names."""
    if not data.part_names:
        return
    skipped = data.images.unlabeled
    ids, counts = np.unique(mask, return_counts=True)
    known = [*data.part_names, *(() if skipped is None else np.ravel(skipped))]
    nameless = [
        f"{part} ({count / mask.size:.2g})"
        for part, count in zip(ids.tolist(), counts)
        if part >= 0 and part not in known
    ]
    if nameless:
        names = ", ".join(f"{part} ({name})" for part, name in sorted(data.part_names.items()))
        raise ValueError(
            f"{data.images.masks.label(i, f'Mask {i}')} holds {len(nameless)} part id(s) without a "
            f"name, with their share of the pixels: {', '.join(nameless[:N_NAMED])}; expected "
            f"{names:.300}. Name them, or pass unlabeled=."
        )
