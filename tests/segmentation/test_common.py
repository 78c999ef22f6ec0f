"""scikit-learn's own checks for every segmenter."""

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from hierseg_learn.segmentation import (
    CallableSegmenter,
    GivenMasks,
    GridSegmenter,
    PyramidSegmenter,
    SuperpixelSegmenter,
)


def bright(image):
    """Two parts: dark and bright."""
    return image > 0.5


SEGMENTERS = [
    CallableSegmenter(bright),
    GivenMasks(),
    GridSegmenter(),
    PyramidSegmenter(),
    SuperpixelSegmenter(n_parts=3),
]


@pytest.mark.filterwarnings("ignore:X comes without label maps:UserWarning")
@parametrize_with_checks(SEGMENTERS)
def test_sklearn_checks(estimator, check):
    assert hasattr(estimator, "segment")
    check(estimator)
