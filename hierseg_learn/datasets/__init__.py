"""Bundled data, generators of portraits and of biased data, and a loader of segmented photos."""

from ._biased import make_biased
from ._load import load_digits_images, load_segmented_folder
from ._portraits import make_portraits

__all__ = ["load_digits_images", "load_segmented_folder", "make_biased", "make_portraits"]
