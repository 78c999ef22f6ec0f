"""Small images in memory and on disk."""

import numpy as np
import pytest
from PIL import Image

SIZES = [(2, 3), (4, 4), (1, 1), (3, 2), (1, 5)]


@pytest.fixture
def gray_images():
    rng = np.random.default_rng(0)
    return [rng.integers(0, 256, size, dtype=np.uint8) for size in SIZES]


@pytest.fixture
def masks():
    rng = np.random.default_rng(1)
    return [rng.integers(0, 4, size, dtype=np.uint8) for size in SIZES]


@pytest.fixture
def save_images(tmp_path):
    """Save arrays or Pillow images as PNG files, and return their paths."""

    def save(images, stem="image", suffix=".png"):
        paths = []
        for i, image in enumerate(images):
            paths.append(tmp_path / f"{stem}_{i}{suffix}")
            image = image if isinstance(image, Image.Image) else Image.fromarray(image)
            image.save(paths[-1])
        return paths

    return save
