"""Pictures as data URIs of modest size."""

from __future__ import annotations

from base64 import b64encode
from io import BytesIO

import numpy as np

from ..explain import SegmentContributionDisplay
from ..explain._thumbnails import thumbnail

# pixels; small photos are enlarged to the first, so that they are seen at all
_SMALLEST, _LARGEST = 240, 520
_QUALITY = 82
_DPI = 110
_HEIGHT, _BESIDE = 4.0, 1.05  # inches


class _Bare(SegmentContributionDisplay):
    """A display without question and caption, which stand on the page as text."""

    caption = question = ""


def encode_photo(photo: np.ndarray) -> tuple[str, tuple[int, int]]:
    """Return a photo, floats in [0, 1], as a JPEG, with its width and height."""
    from PIL import Image

    picture = np.round(255 * thumbnail(photo, _LARGEST)).astype(np.uint8)
    image = Image.fromarray(picture)
    if max(image.size) < _SMALLEST:
        times = -(-_SMALLEST // max(image.size))
        size = (image.width * times, image.height * times)
        image = image.resize(size, Image.Resampling.NEAREST)
    stream = BytesIO()
    image.save(stream, "JPEG", quality=_QUALITY, optimize=True)
    return _data_uri(stream), image.size


def encode_display(display: SegmentContributionDisplay) -> tuple[str, tuple[int, int]]:
    """Draw a display of one photo into a figure of its own, without title and caption.

    Return it as a JPEG, with its width and height.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    height, width = display.images[0].shape[:2]
    size = (_HEIGHT * width / height + _BESIDE, _HEIGHT + 0.15)
    figure = Figure(figsize=size, dpi=_DPI, layout="constrained")
    # A canvas of its own leaves the figures of the caller alone.
    canvas = FigureCanvasAgg(figure)
    _Bare(display.explanation, display.images, display.label_maps, titles=[""]).plot(
        figure.add_subplot()
    )
    stream = BytesIO()
    figure.savefig(stream, format="jpeg", pil_kwargs={"quality": _QUALITY, "optimize": True})
    return _data_uri(stream), canvas.get_width_height()


def _data_uri(stream: BytesIO) -> str:
    return f"data:image/jpeg;base64,{b64encode(stream.getvalue()).decode('ascii')}"
