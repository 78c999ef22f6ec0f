"""Biased data: every image in front of every kind of background, described once per seed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from _harness import load_ccp_parts
from skimage.data import grass, gravel
from skimage.transform import resize
from sklearn.model_selection import train_test_split
from sklearn.utils import Bunch

from hierseg_learn import SegmentedImages, SegmentTreeTransformer
from hierseg_learn.datasets import make_biased, make_portraits
from hierseg_learn.descriptors import ColorDescriptor, ShapeDescriptor

# few columns, so that a seed takes a minute and not ten
DESCRIPTORS = [
    ("color", ColorDescriptor(n_bins=4)),
    "gradients",
    ("shape", ShapeDescriptor(n_bins=5)),
]
TROUSERS, SKIRTS = ("jeans", "pants"), ("dress", "skirt")
# photos are made smaller, and composed again for every seed
LONG_SIDE = 200
NODE = "background"


@dataclass(frozen=True)
class BiasedData:
    """All images of one seed in front of both kinds of background.

    Parameters
    ----------
    name : str
        Of the data set.
    tables : ndarray of shape (n_kinds, n_images, n_columns)
        Descriptors of every image before every kind; NaN where a part is missing.
    images : list of SegmentedImages of length n_kinds
        What they describe.
    y : ndarray of shape (n_images,)
        Classes; kind k of background belongs to class k.
    train, test : ndarray of int
        Positions.
    transformer : SegmentTreeTransformer
        Made the tables.
    chance : ndarray of shape (n_images,)
        In [0, 1): an image comes before the background of its class if it is below the bias.
    """

    name: str
    tables: np.ndarray
    images: list[SegmentedImages]
    y: np.ndarray
    train: np.ndarray
    test: np.ndarray
    transformer: SegmentTreeTransformer
    chance: np.ndarray

    def groups(self, bias: float) -> np.ndarray:
        """Kind of background of the training images, (n_train,)."""
        own = self.chance[self.train] < bias
        return np.where(own, self.y[self.train], 1 - self.y[self.train])

    def train_table(self, groups: np.ndarray) -> pd.DataFrame:
        """Training images, each in front of the given kind of background."""
        return self._frame(self.tables[groups, self.train])

    def train_images(self, groups: np.ndarray) -> SegmentedImages:
        """Training images, each in front of the given kind of background."""
        pairs = [self.images[group][int(i)] for group, i in zip(groups, self.train, strict=True)]
        return SegmentedImages([pair.image for pair in pairs], [pair.mask for pair in pairs])

    def test_table(self) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
        """Every test image before every kind, with classes and kinds: independent to the row."""
        kinds = np.repeat(np.arange(len(self.tables)), len(self.test))
        places = np.tile(self.test, len(self.tables))
        return self._frame(self.tables[kinds, places]), self.y[places], kinds

    def _frame(self, rows: np.ndarray) -> pd.DataFrame:
        return pd.DataFrame(rows, columns=self.transformer.get_feature_names_out())


def take_portraits(
    n_samples: int, image_size: tuple[int, int], **look: Any
) -> Callable[[int], BiasedData]:
    """Portraits of two classes; half of them to train with."""

    def take(seed: int) -> BiasedData:
        rng = np.random.RandomState(seed)
        # the same people before the background of their class, and before that of the other
        both = [
            make_portraits(n_samples, bias=bias, image_size=image_size, random_state=seed, **look)
            for bias in (1.0, 0.0)
        ]
        places = np.arange(n_samples)
        split = train_test_split(places, test_size=0.5, stratify=both[0].target, random_state=rng)
        # masks are exact, but gradients reach over the border by a pixel
        return _describe("portraits", both, split, rng, erosion=1)

    return take


def take_ccp_parts() -> Callable[[int], BiasedData]:
    """People in trousers or in skirts, cut out; two thirds of them to train with."""
    data = load_ccp_parts()
    names = np.array(data.target_names)[data.target]
    used = np.flatnonzero(np.isin(names, TROUSERS + SKIRTS))
    y = np.isin(names[used], SKIRTS).astype(np.int64)
    pairs = [_smaller(*data.images[int(i)]) for i in used]
    people = SegmentedImages([image for image, _ in pairs], [mask for _, mask in pairs])

    def take(seed: int) -> BiasedData:
        rng = np.random.RandomState(seed)
        both = [
            make_biased(
                people,
                None,
                y,
                [grass(), gravel()],
                bias=bias,
                context=NODE,
                tree=data.tree,
                random_state=seed,
            )
            for bias in (1.0, 0.0)
        ]
        split = train_test_split(np.arange(len(y)), test_size=1 / 3, stratify=y, random_state=rng)
        return _describe("ccp_parts", both, split, rng, erosion=2)

    return take


def _describe(
    name: str,
    both: list[Bunch],
    split: list[np.ndarray],
    rng: np.random.RandomState,
    erosion: int,
) -> BiasedData:
    """Sort the composed images by kind and describe them; no descriptor is learned."""
    transformer = SegmentTreeTransformer(
        tree=both[0].tree,
        descriptors=DESCRIPTORS,
        describe_inner=False,
        erosion=erosion,
        missing="nan",
    )
    made = [transformer.fit_transform(data.images).to_numpy() for data in both]
    is_first = [both[0].groups == kind for kind in range(2)]
    images = []
    for first in is_first:
        pairs = [both[0 if flag else 1].images[i] for i, flag in enumerate(first)]
        images.append(SegmentedImages([p.image for p in pairs], [p.mask for p in pairs]))
    return BiasedData(
        name,
        np.stack([np.where(first[:, np.newaxis], *made) for first in is_first]),
        images,
        both[0].target,
        *split,
        transformer,
        rng.random_sample(len(both[0].target)),
    )


def _smaller(image: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Reduce a photo and its label map."""
    factor = LONG_SIDE / max(mask.shape)
    shape = tuple(round(side * factor) for side in mask.shape)
    small = np.rint(255 * resize(image, shape, anti_aliasing=True)).astype(np.uint8)
    places = [((np.arange(n) + 0.5) / n * side).astype(int) for n, side in zip(shape, mask.shape)]
    return small, mask[np.ix_(*places)]


def fill_like(table: pd.DataFrame, train: pd.DataFrame) -> pd.DataFrame:
    """Fill missing parts with the means of training rows, as the transformer does."""
    return table.fillna(train.mean().fillna(0.0))


def scores_of(predicted: np.ndarray, y: np.ndarray, groups: np.ndarray) -> Mapping[str, float]:
    """Accuracy, and that of the worst cell of class and group."""
    right = predicted == y
    cells = [
        right[(y == c) & (groups == g)].mean() for c in np.unique(y) for g in np.unique(groups)
    ]
    return {"accuracy": float(right.mean()), "worst": float(min(cells))}
