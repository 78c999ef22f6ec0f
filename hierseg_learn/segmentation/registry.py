"""Segmenters and cutters by name."""

from __future__ import annotations

from typing import Any

from ._base import Segmenter
from ._cutters import Cutter, Felzenszwalb, Quickshift, Slic, Watershed
from ._given import CallableSegmenter, MaskSegmenter
from ._region_merging import Higra, RegionMerging
from ._union import SegmenterUnion
from ._vocabulary import VocabularySegmenter
from .grid import GridSegmenter, PyramidSegmenter

CUTTERS: dict[str, type[Cutter]] = {
    "superpixels": Slic,
    "region_merging": RegionMerging,
    "felzenszwalb": Felzenszwalb,
    "quickshift": Quickshift,
    "watershed": Watershed,
    "higra": Higra,
}
SEGMENTERS: dict[str, type[Segmenter]] = {
    "masks": MaskSegmenter,
    "grid": GridSegmenter,
    "pyramid": PyramidSegmenter,
    "union": SegmenterUnion,
}


def make_segmenter(spec: Any, has_masks: bool) -> Segmenter:
    """Make the segmenter that the parameter `segmenter` of the transformer stands for.

    ``"auto"`` takes the label maps if there are any, and a spatial pyramid otherwise; the name of a
    cutter stands for a VocabularySegmenter, other names for a segmenter with its defaults. A
    function becomes a CallableSegmenter; an object is returned as it is. Raises ValueError if the
    name is unknown, or label maps are needed and there are none; TypeError if it is none of these.
    """
    if isinstance(spec, str) and spec == "auto":
        spec = "masks" if has_masks else "pyramid"
    if isinstance(spec, str):
        if spec not in SEGMENTERS and spec not in CUTTERS:
            known = ", ".join(map(repr, ["auto", *SEGMENTERS, *CUTTERS]))
            raise ValueError(f"segmenter={spec!r} is unknown; expected one of {known}.")
        segmenter = VocabularySegmenter(CUTTERS[spec]()) if spec in CUTTERS else SEGMENTERS[spec]()
    elif isinstance(spec, Segmenter):
        segmenter = spec
    elif callable(spec) and not isinstance(spec, type):
        segmenter = CallableSegmenter(spec)
    else:
        raise TypeError(
            f"segmenter must be a name, a Segmenter object or a function, got {spec!r}."
        )
    if isinstance(segmenter, MaskSegmenter) and not has_masks:
        raise ValueError(
            f"segmenter={spec!r} needs label maps, but X comes without; pass "
            "SegmentedImages(images, masks) as X, or label maps as segments."
        )
    return segmenter
