"""Small files in the layouts that tools and public data sets use."""

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def write(tmp_path):
    """Write an image file below the temporary folder, and its folders."""

    def write(name, pixels, *, palette=None, **options):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        image = Image.fromarray(np.asarray(pixels))
        if palette is not None:
            image.putpalette(palette)
        image.save(path, **options)
        return path

    return write


@pytest.fixture
def photo():
    """Make a color photo of random pixels."""
    rng = np.random.default_rng(0)

    def photo(height=6, width=8):
        return rng.integers(0, 256, (height, width, 3), dtype=np.uint8)

    return photo


@pytest.fixture
def ids():
    """Make a label map of random part ids."""
    rng = np.random.default_rng(1)

    def ids(height=6, width=8, n_parts=3):
        return rng.integers(0, n_parts, (height, width), dtype=np.uint8)

    return ids
