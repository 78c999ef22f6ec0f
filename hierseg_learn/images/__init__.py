"""Images and label maps as users have them: collections, pixel scaling, validation."""

from ._batch import ImageBatch
from ._check import check_images, flat_image_shape, is_table, join_items
from ._collect import as_pixels
from ._encoding import PixelEncoding
from ._files import ImageFiles
from ._item import SegmentedImage
from ._ragged import RaggedArrays
from ._segmented import SegmentedImages
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
