"""scikit-learn's checks for every segmenter."""

import pickle
from importlib.util import find_spec

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.utils.estimator_checks import parametrize_with_checks

from hierseg_learn import SegmentTreeTransformer
from hierseg_learn.descriptors import ColorDescriptor
from hierseg_learn.segmentation import (
    CallableSegmenter,
    Cutter,
    GridSegmenter,
    SegmenterUnion,
    Slic,
    VocabularySegmenter,
)
from hierseg_learn.segmentation.registry import CUTTERS, SEGMENTERS


class Bright:
    """Two parts, dark and bright; shown without an address, so that test ids stay the same."""

    def __call__(self, image):
        return image > 0.5

    def __repr__(self):
        return "Bright()"


MEMBERS = [("layout", GridSegmenter()), ("parts", VocabularySegmenter(n_parts=3, random_state=0))]
CHECKED = [
    CallableSegmenter(Bright()),
    *(cls(MEMBERS) if cls is SegmenterUnion else cls() for cls in SEGMENTERS.values()),
    VocabularySegmenter(n_parts=3),
    VocabularySegmenter(descriptor=ColorDescriptor(), n_parts=3),
    *(
        VocabularySegmenter(cls(), n_parts=3)
        for name, cls in CUTTERS.items()
        if name != "higra" or find_spec("higra")
    ),
]


@pytest.mark.filterwarnings("ignore:X comes without label maps:UserWarning")
@parametrize_with_checks(CHECKED)
def test_sklearn_checks(estimator, check):
    assert hasattr(estimator, "segment")
    check(estimator)


@pytest.mark.parametrize("kind", CUTTERS.values())
def test_cutters_are_parameters_as_scikit_learn_wants_them(kind):
    cutter = kind()
    assert set(cutter.get_params()) == set(kind._parameter_constraints)
    assert repr(cutter) == f"{kind.__name__}()"
    segmenter = VocabularySegmenter(cutter)
    for name, value in cutter.get_params().items():
        if isinstance(value, float | int):
            other = clone(segmenter.set_params(**{f"cutter__{name}": value / 2}))
            assert getattr(other.cutter, name) == value / 2
            assert other.cutter is not cutter
    assert pickle.loads(pickle.dumps(cutter)).get_params() == cutter.get_params()


def test_cutters_are_searched():
    images = np.random.default_rng(0).random((4, 8, 8))
    model = SegmentTreeTransformer(VocabularySegmenter(Slic(), n_parts=2), descriptors="color")
    model.set_params(segmenter__cutter__n_segments=4).fit(images)
    assert model.segmenter_.cutter_.n_segments == 4
    with pytest.raises(ValueError, match="'n_segments' parameter of Slic"):
        model.set_params(segmenter__cutter__n_segments=0).fit(images)


def test_what_is_set_after_fit_takes_effect_with_the_next_fit():
    image = np.random.default_rng(0).random((8, 8))
    segmenter = VocabularySegmenter(Slic(4), n_parts=2, random_state=0).fit([image])
    before = segmenter.regions(image)
    segmenter.set_params(cutter__n_segments=64)
    np.testing.assert_array_equal(segmenter.regions(image), before)


def test_an_own_cutter_in_a_model():
    class Halves(Cutter):
        def _cut(self, image):
            return np.repeat([[7], [3]], image.shape[1], axis=1).repeat(len(image) // 2, axis=0)

    image = np.repeat([[0.1] * 3, [0.9] * 3], 4, axis=0)
    assert Halves().regions(image).tolist() == [[1] * 3] * 4 + [[0] * 3] * 4
    segmenter = VocabularySegmenter(Halves(), n_parts=2, random_state=0).fit([image])
    top, bottom = np.split(segmenter.segment(image), 2)
    assert {*np.unique(top)}.isdisjoint({*np.unique(bottom)})
