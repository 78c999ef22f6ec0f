"""Data without signal: nothing in the photos or the columns separates the classes."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from _harness import load_ccp_parts, load_cifar10_dev
from PIL import Image
from scipy.ndimage import gaussian_filter
from skimage import data as pictures
from sklearn import datasets
from sklearn.utils import Bunch

from hierseg_learn import SegmentedImages, SegmentTreeTransformer

# half of them are asked about, in two groups of 25: there Wilson's interval of a share of .5 leaves
# it out 4.3 times in 100, of 24 it would be 6.4 times, as hits are whole numbers
N_PHOTOS, N_ROWS = 100, 240
SIDE = 24
MASKED = {"photo": {"left": 0, "right": {"upper": 1, "lower": 2}}}


def noise(rng: np.random.Generator, height: int = SIDE, width: int = SIDE) -> np.ndarray:
    """One photo of noise, smooth over some pixels, uint8."""
    smooth = gaussian_filter(rng.standard_normal((height, width, 3)), (1.5, 1.5, 0))
    return np.uint8(np.clip(128 + 150 * smooth, 0, 255))


def coins(rng: np.random.Generator, n: int) -> np.ndarray:
    """Two classes of equal size in random order."""
    return rng.permutation(np.arange(n) % 2)


def of_sizes(*sizes: tuple[int, int]) -> Callable:
    """Photos of noise whose size is that of their class."""

    def make(rng: np.random.Generator, n: int, folder: Path) -> Bunch:
        y = coins(rng, n)
        return Bunch(images=[noise(rng, *sizes[label]) for label in y], target=y)

    return make


def of_any_size(rng: np.random.Generator, n: int, folder: Path) -> Bunch:
    """Photos of noise of all sizes, whatever the class."""
    return Bunch(
        images=[noise(rng, *rng.integers(SIDE, 2 * SIDE, 2)) for _ in range(n)],
        target=coins(rng, n),
    )


def of_formats(rng: np.random.Generator, n: int, folder: Path) -> Bunch:
    """Files of noise whose format, without losses, is that of their class."""
    y = coins(rng, n)
    files = [folder / f"{place}.{('png', 'tiff')[label]}" for place, label in enumerate(y)]
    for file in files:
        Image.fromarray(noise(rng)).save(file)
    return Bunch(images=files, target=y)


def sorted_by_class(rng: np.random.Generator, n: int, folder: Path) -> Bunch:
    """Photos of noise in the order of their classes."""
    return Bunch(images=[noise(rng) for _ in range(n)], target=np.sort(coins(rng, n)))


def imbalanced(rng: np.random.Generator, n: int, folder: Path) -> Bunch:
    """Photos of noise, four of one class to each of the other."""
    y = rng.permutation(np.arange(n) % 5 == 0).astype(int)
    return Bunch(images=[noise(rng) for _ in range(n)], target=y)


def twice(rng: np.random.Generator, n: int, folder: Path) -> Bunch:
    """Photos of noise, each there twice, with classes drawn apart."""
    photos = [noise(rng) for _ in range(n // 2)]
    return Bunch(images=photos + photos, target=coins(rng, n))


def constant(rng: np.random.Generator, n: int, folder: Path) -> Bunch:
    """Photos of one color each."""
    photos = [np.full((SIDE, SIDE, 3), rng.integers(0, 256, 3), np.uint8) for _ in range(n)]
    return Bunch(images=photos, target=coins(rng, n))


def masked(rng: np.random.Generator, n: int, folder: Path, missing: float = 0.0) -> Bunch:
    """Photos of noise with label maps, some parts missing, whatever the class."""
    masks = []
    for _ in range(n):
        mask = np.zeros((SIDE, SIDE), int)
        row, column = rng.integers(6, SIDE - 6, 2)
        mask[:row, column:], mask[row:, column:] = 1, 2
        mask[np.isin(mask, np.flatnonzero(rng.random(3) < missing))] = -1
        if (mask < 0).all():
            mask[0, 0] = 0
        masks.append(mask)
    photos = SegmentedImages([noise(rng) for _ in range(n)], masks)
    return Bunch(images=photos, target=coins(rng, n), tree=MASKED)


def shuffled_ccp(rng: np.random.Generator, n: int, folder: Path) -> Bunch:
    """Street photos with masks, classes shuffled."""
    data = load_ccp_parts()
    chosen = np.sort(rng.permutation(len(data.target))[:n])
    return Bunch(
        images=data.images[chosen], target=rng.permutation(data.target[chosen]), tree=data.tree
    )


def shuffled_cifar(rng: np.random.Generator, n: int, folder: Path) -> Bunch:
    """Photos of two classes of CIFAR-10, classes shuffled."""
    data = load_cifar10_dev()
    chosen = rng.permutation(np.flatnonzero(data.target < 2))[:n]
    return Bunch(images=data.images[chosen], target=coins(rng, n))


def shuffled_table(load: Callable, rng: np.random.Generator, n: int, folder: Path) -> Bunch:
    """At most N_ROWS rows of a table, classes shuffled, columns halved into two nodes."""
    X, y = load()
    chosen = rng.permutation(len(X))[: N_ROWS if n >= N_PHOTOS else 2 * n]
    X = np.asarray(X, dtype=float)[chosen]
    half = -(-X.shape[1] // 2)
    names = [f"table/{'first' if k < half else 'second'}|c{k}" for k in range(X.shape[1])]
    return Bunch(
        table=pd.DataFrame(X, columns=names), target=rng.permutation(np.asarray(y)[chosen])
    )


def tiles() -> tuple[np.ndarray, np.ndarray]:
    """Descriptors of the tiles of scikit-image's pictures of brick and grass."""
    photos = [
        picture[row : row + 32, column : column + 32]
        for picture in (pictures.brick(), pictures.grass())
        for row in range(0, 320, 32)
        for column in range(0, 384, 32)
    ]
    table = SegmentTreeTransformer("grid", descriptors=["color", "gradients"])
    return table.fit_transform(np.array(photos)).to_numpy(), np.arange(len(photos)) % 2


def faces() -> tuple[np.ndarray, np.ndarray]:
    """Pixels of scikit-image's faces and other pieces of the same photos, every fifth row."""
    photos = pictures.lfw_subset()
    return photos[:, ::5, ::5].reshape(len(photos), -1), np.arange(len(photos)) % 2


def blood() -> tuple[np.ndarray, np.ndarray]:
    """Diabetes: three classes of equal size by what the table predicts."""
    X, y = datasets.load_diabetes(return_X_y=True)
    return X, pd.qcut(y, 3, labels=False)


def whole_numbers() -> tuple[np.ndarray, np.ndarray]:
    """Columns of small whole numbers, which tie."""
    rng = np.random.default_rng(0)
    return rng.integers(0, 4, (N_ROWS, 6)), np.arange(N_ROWS) % 3


def few_rows() -> tuple[np.ndarray, np.ndarray]:
    """More columns than rows."""
    return np.random.default_rng(0).standard_normal((60, 150)), np.arange(60) % 2


PHOTOS: dict[str, Callable] = {
    "class is the height": of_sizes((SIDE, SIDE), (SIDE + 3, SIDE)),
    "class is the aspect": of_sizes((SIDE, 36), (36, SIDE)),
    # a little apart: means over three times as many pixels vary less, and that is content
    "class is the size": of_sizes((SIDE, SIDE), (SIDE + 2, SIDE + 2)),
    "sizes of all kinds": of_any_size,
    "class is the format": of_formats,
    "sorted by class": sorted_by_class,
    "four to one": imbalanced,
    "every photo twice": twice,
    "constant photos": constant,
    "masks": masked,
    "masks, parts missing": partial(masked, missing=0.4),
    "ccp_parts, shuffled": shuffled_ccp,
    "CIFAR-10, shuffled": shuffled_cifar,
}
# whose class is the size or shape of the photo, which the photo's header says as well
GEOMETRY = ("class is the height", "class is the aspect", "class is the size")
NEED_DATA = ("ccp_parts, shuffled", "CIFAR-10, shuffled")
TABLES: dict[str, Callable[[], Any]] = {
    "iris": partial(datasets.load_iris, return_X_y=True),
    "wine": partial(datasets.load_wine, return_X_y=True),
    "breast_cancer": partial(datasets.load_breast_cancer, return_X_y=True),
    "digits": partial(datasets.load_digits, return_X_y=True),
    "diabetes": blood,
    "make_classification": partial(datasets.make_classification, N_ROWS, random_state=0),
    "tiles of brick and grass": tiles,
    "faces": faces,
    "whole numbers": whole_numbers,
    "more columns than rows": few_rows,
}
KINDS: dict[str, Callable] = {
    **PHOTOS,
    **{f"{name}, shuffled": partial(shuffled_table, load) for name, load in TABLES.items()},
}
