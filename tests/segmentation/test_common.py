"""scikit-learn's own checks for every segmenter."""

from importlib.util import find_spec

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from hierseg_learn.segmentation import (
    CallableSegmenter,
    FelzenszwalbSegmenter,
    GridSegmenter,
    HigraSegmenter,
    MaskSegmenter,
    PyramidSegmenter,
    QuickshiftSegmenter,
    RegionMergingSegmenter,
    SegmenterUnion,
    SuperpixelSegmenter,
    WatershedSegmenter,
)


class Bright:
    """Two parts, dark and bright; shown without an address, so that test ids stay the same."""

    def __call__(self, image):
        return image > 0.5

    def __repr__(self):
        return "Bright()"


SEGMENTERS = [
    CallableSegmenter(Bright()),
    FelzenszwalbSegmenter(n_parts=3),
    MaskSegmenter(),
    GridSegmenter(),
    RegionMergingSegmenter(n_parts=3),
    PyramidSegmenter(),
    QuickshiftSegmenter(n_parts=3),
    SegmenterUnion(
        [("layout", GridSegmenter()), ("parts", SuperpixelSegmenter(n_parts=3, random_state=0))]
    ),
    SuperpixelSegmenter(n_parts=3),
    WatershedSegmenter(n_parts=3),
]
if find_spec("higra"):
    SEGMENTERS.append(HigraSegmenter(n_parts=3))


@pytest.mark.filterwarnings("ignore:X comes without label maps:UserWarning")
@parametrize_with_checks(SEGMENTERS)
def test_sklearn_checks(estimator, check):
    assert hasattr(estimator, "segment")
    check(estimator)
