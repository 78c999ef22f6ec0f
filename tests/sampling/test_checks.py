"""The sampler against imbalanced-learn's own checks."""

import pytest

pytest.importorskip("imblearn")

from imblearn.utils.estimator_checks import parametrize_with_checks

from hierseg_learn.sampling import SegmentSwapSampler

# The checks send tables without hierarchical names, so the tree of their columns is given.
TREE = {"table": {"front": [0], "back": [1]}}


@parametrize_with_checks(
    [
        SegmentSwapSampler("back", tree=TREE, random_state=0),
        SegmentSwapSampler("front", tree=TREE, n_copies=2, random_state=0),
        SegmentSwapSampler("back", tree=TREE, sampling_strategy="auto", random_state=0),
    ]
)
def test_imbalanced_learn_checks(estimator, check, request):
    check(estimator)
