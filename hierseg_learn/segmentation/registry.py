"""From the `segmenter` parameter to a segmenter."""

from __future__ import annotations

from typing import Any

from ._base import Segmenter
from ._callable import CallableSegmenter
from ._cutters import (
    FelzenszwalbSegmenter,
    QuickshiftSegmenter,
    SuperpixelSegmenter,
    WatershedSegmenter,
)
from ._higra import HigraSegmenter
from ._masks import MaskSegmenter
from ._region_merging import RegionMergingSegmenter
from ._union import SegmenterUnion
from .grid import GridSegmenter, PyramidSegmenter

SEGMENTERS = {
    "masks": MaskSegmenter,
    "grid": GridSegmenter,
    "pyramid": PyramidSegmenter,
    "superpixels": SuperpixelSegmenter,
    "region_merging": RegionMergingSegmenter,
    "felzenszwalb": FelzenszwalbSegmenter,
    "quickshift": QuickshiftSegmenter,
    "watershed": WatershedSegmenter,
    "higra": HigraSegmenter,
    "union": SegmenterUnion,
}


def make_segmenter(spec: Any, has_masks: bool) -> Segmenter:
    """Make the segmenter that a parameter stands for.

    Parameters
    ----------
    spec : {"auto", "masks", "grid", "pyramid", "superpixels", "region_merging", "felzenszwalb", \
            "quickshift", "watershed", "higra", "union"}, Segmenter or callable
        ``"auto"`` takes the label maps if there are any, and a spatial pyramid otherwise. A
        callable is what :class:`CallableSegmenter` takes as `function`.
    has_masks : bool
        Whether the images come with label maps.

    Returns
    -------
    segmenter : Segmenter
        A new one with default parameters, or the object given, which is not copied.

    Raises
    ------
    ValueError
        If the name is unknown, or label maps are asked for and there are none.
    TypeError
        If it is none of these, such as a class.

    Examples
    --------
    >>> from hierseg_learn.segmentation import make_segmenter
    >>> make_segmenter("auto", has_masks=False)
    PyramidSegmenter()
    """
    if isinstance(spec, str) and spec == "auto":
        spec = "masks" if has_masks else "pyramid"
    if isinstance(spec, str):
        if spec not in SEGMENTERS:
            known = ", ".join(map(repr, ["auto", *SEGMENTERS]))
            raise ValueError(f"segmenter={spec!r} is unknown; expected one of {known}.")
        segmenter: Segmenter = SEGMENTERS[spec]()
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
