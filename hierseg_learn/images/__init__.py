"""Images and label maps as users have them: collections, pixel scaling, validation."""

from ._batch import ImageBatch
from ._check import check_images, flat_image_shape, is_table, join_items
from ._pixels import PixelEncoding, as_pixels
from ._segmented import SegmentedImages
from ._storage import ImageFiles, RaggedArrays, SegmentedImage
from .pillow import is_pillow

__all__ = [
    "ImageBatch",
    "ImageFiles",
    "PixelEncoding",
    "RaggedArrays",
    "SegmentedImage",
    "SegmentedImages",
    "as_pixels",
    "check_images",
    "flat_image_shape",
    "is_pillow",
    "is_table",
    "join_items",
]
