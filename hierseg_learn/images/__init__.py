"""Images and label maps as users have them: collections, pixel scaling, validation."""

from ._batch import ImageBatch
from ._check import check_images, is_table
from ._encoding import PixelEncoding
from ._files import ImageFiles
from ._flat import flat_image_shape
from ._item import SegmentedImage
from ._ragged import RaggedArrays
from ._segmented import SegmentedImages

__all__ = [
    "ImageBatch",
    "ImageFiles",
    "PixelEncoding",
    "RaggedArrays",
    "SegmentedImage",
    "SegmentedImages",
    "check_images",
    "flat_image_shape",
    "is_table",
]
