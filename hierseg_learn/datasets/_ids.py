"""Whether the part ids in a mask have names."""

from __future__ import annotations

import numpy as np
from sklearn.utils import Bunch

N_NAMED = 10


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
