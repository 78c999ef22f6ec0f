"""Images and label maps as users have them: collections, pixel scaling, validation."""

from ._batch import ImageBatch
from ._check import check_images, is_table
from ._encoding import PixelEncoding
from ._files import ImageFiles
from ._ragged import RaggedArrays
from ._segmented import SegmentedImage, SegmentedImages

__all__ = [
    "ImageBatch",
    "ImageFiles",
    "PixelEncoding",
    "RaggedArrays",
    "SegmentedImage",
    "SegmentedImages",
    "check_images",
    "is_table",
]
