"""Portraits with and without a biased background, as tables of one transformer."""

from typing import NamedTuple

import numpy as np
import pytest

from hierseg_learn import SegmentTreeTransformer
from hierseg_learn.datasets import make_portraits

CUES = ("hair", "clothes")
SHORTCUT = "portrait/background"


class Audited(NamedTuple):
    transformer: SegmentTreeTransformer
    images: object
    table: object  # DataFrame
    target: np.ndarray
    style: np.ndarray  # of the background


def portraits(n_samples, bias, seed):
    # Color sees no neighbor, so a background without bias says nothing.
    data = make_portraits(
        n_samples,
        signal=CUES,
        strength=0.15,
        noise=0.1,
        bias=bias,
        missing=0.1,
        image_size=(30, 25),
        random_state=seed,
    )
    transformer = SegmentTreeTransformer(tree=data.tree, descriptors=["color", "shape"])
    table = transformer.fit_transform(data.images)
    return Audited(transformer, data.images, table, data.target, data.groups)


@pytest.fixture(scope="session")
def biased():
    """Training with a background that follows the label at 95%."""
    return portraits(160, 0.95, 0)


@pytest.fixture(scope="session")
def unbiased():
    """The same without bias: training, and the place of use."""
    return portraits(160, 0.5, 1)
