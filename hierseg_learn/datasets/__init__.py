"""Bundled data, a generator of portraits, and a loader of segmented photos."""

from ._digits import load_digits_images
from ._portraits import make_portraits
from ._segmented_folder import load_segmented_folder

__all__ = ["load_digits_images", "load_segmented_folder", "make_portraits"]
