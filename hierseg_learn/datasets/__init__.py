"""Bundled data, generators of portraits and of biased data, and readers of segmented photos."""

from ._annotations import load_annotations
from ._biased import make_biased
from ._coco import load_coco
from ._ids import verify as verify
from ._image_folder import load_image_folder
from ._load import load_digits_images, load_from_dataset, load_segmented_folder
from ._pair_files import pair_files as pair_files
from ._pair_files import photo_files as photo_files
from ._portraits import make_portraits
from ._reading import SUFFIXES as SUFFIXES
from ._reading import scan as scan

__all__ = [
    "load_annotations",
    "load_coco",
    "load_digits_images",
    "load_from_dataset",
    "load_image_folder",
    "load_segmented_folder",
    "make_biased",
    "make_portraits",
]
