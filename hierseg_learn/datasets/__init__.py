"""Bundled data, generators of portraits and of biased data, and a loader of segmented photos."""

from ._biased import make_biased
from ._digits import load_digits_images
from ._portraits import make_portraits
from ._segmented_folder import load_segmented_folder

__all__ = ["load_digits_images", "load_segmented_folder", "make_biased", "make_portraits"]
