"""Images and label maps as users have them: collections, pixel scaling, validation."""

from ._batch import ImageBatch
from ._batch import content_key as content_key
from ._check import check_images as check_images
from ._check import flat_image_shape as flat_image_shape
from ._check import is_table as is_table
from ._check import join_items as join_items
from ._pixels import PixelEncoding
from ._pixels import as_pixels as as_pixels
from ._segmented import SegmentedImages
from ._storage import ImageFiles as ImageFiles
from ._storage import RaggedArrays as RaggedArrays
from ._storage import SegmentedImage
from .pillow import is_pillow as is_pillow

__all__ = ["ImageBatch", "PixelEncoding", "SegmentedImage", "SegmentedImages"]
