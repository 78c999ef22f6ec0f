"""scikit-learn's own checks for every segmenter."""

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from hierseg_learn.segmentation import (
    CallableSegmenter,
    GivenMasks,
    GridSegmenter,
    MergeTreeSegmenter,
    PyramidSegmenter,
    SegmenterUnion,
    SuperpixelSegmenter,
)


class Bright:
    """Two parts, dark and bright; shown without an address, so that test ids stay the same."""

    def __call__(self, image):
        return image > 0.5

    def __repr__(self):
        return "Bright()"


SEGMENTERS = [
    CallableSegmenter(Bright()),
    GivenMasks(),
    GridSegmenter(),
    MergeTreeSegmenter(n_parts=3),
    PyramidSegmenter(),
    SegmenterUnion(
        [("layout", GridSegmenter()), ("parts", SuperpixelSegmenter(n_parts=3, random_state=0))]
    ),
    SuperpixelSegmenter(n_parts=3),
]


@pytest.mark.filterwarnings("ignore:X comes without label maps:UserWarning")
@parametrize_with_checks(SEGMENTERS)
def test_sklearn_checks(estimator, check):
    assert hasattr(estimator, "segment")
    check(estimator)
