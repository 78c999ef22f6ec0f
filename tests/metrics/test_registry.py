"""From parameters to objects, and a seed of its own for every node."""

import numpy as np
import pytest
from sklearn.base import BaseEstimator
from sklearn.decomposition import PCA
from sklearn.neighbors import NeighborhoodComponentsAnalysis
from sklearn.pipeline import make_pipeline
from sklearn.utils._param_validation import InvalidParameterError
from sklearn.utils.estimator_checks import parametrize_with_checks

from hierseg_learn import metrics
from hierseg_learn.metrics import MLPMetric
from hierseg_learn.metrics.gradient_metrics import GradientMetric
from hierseg_learn.metrics.registry import (
    COMBINATIONS,
    N_EXTRA_DIRECTIONS,
    NODE_METRICS,
    make_combination,
    make_node_metric,
    seeded_learners,
)


@pytest.mark.parametrize(("spec", "name"), [(k, v.__name__) for k, v in NODE_METRICS.items()])
def test_names_stand_for_learners_with_their_defaults(spec, name):
    learner = make_node_metric(spec, device="cpu")
    cls = getattr(metrics, name)
    assert type(learner) is cls
    expected = cls().get_params()
    changed = {"n_extra_directions": N_EXTRA_DIRECTIONS, "device": "cpu"}
    expected |= {name: value for name, value in changed.items() if name in expected}
    assert learner.get_params() == expected
    assert make_node_metric(spec) is not make_node_metric(spec)


# those of the learners with a gradient are in tests of their own, with few steps
@parametrize_with_checks(
    [cls() for cls in NODE_METRICS.values() if not issubclass(cls, GradientMetric | MLPMetric)]
)
def test_scikit_learn_checks(estimator, check):
    check(estimator)


@pytest.mark.parametrize(("spec", "name"), [(k, v.__name__) for k, v in COMBINATIONS.items()])
def test_names_stand_for_combinations(spec, name):
    assert type(make_combination(spec)) is getattr(metrics, name)


def test_objects_are_taken_as_they_are():
    learner, combination = PCA(), metrics.WeightedCombination(cv=4)
    assert make_node_metric(learner, device="cuda") is learner
    assert make_combination(combination) is combination


@pytest.mark.parametrize("spec", [PCA, 3, None, object(), BaseEstimator()])
def test_what_is_no_learner_is_refused(spec):
    with pytest.raises(TypeError, match=r"must be one of 'lda', .* or an estimator with fit and"):
        make_node_metric(spec)


@pytest.mark.parametrize("make", [make_node_metric, make_combination])
def test_names_that_stand_for_nothing_are_refused(make):
    with pytest.raises(ValueError, match=r"must be one of '\w+', .* or an? .*, got 'bogus'"):
        make("bogus")


@pytest.mark.parametrize("spec", [5, None, PCA()])
def test_what_is_no_combination_is_refused(spec):
    with pytest.raises(TypeError, match=r"combination must be one of .* or a Combination"):
        make_combination(spec)


@pytest.mark.parametrize("cv", [2, 0, "3", 3.5])
@pytest.mark.parametrize(
    "combination", [metrics.WeightedCombination, metrics.ProjectionCombination]
)
def test_too_few_folds_are_refused(combination, cv):
    with pytest.raises(InvalidParameterError, match=f"'cv' parameter of {combination.__name__}"):
        make_combination(combination(cv=cv))


PATHS = ("t/a", "t/b/a", "t/b", "t")


def test_every_node_has_a_seed_of_its_own_that_comes_from_its_path():
    learners = seeded_learners(NeighborhoodComponentsAnalysis(), PATHS, seed=0)
    seeds = {path: copy.random_state for path, copy in zip(PATHS, learners, strict=True)}
    assert len(set(seeds.values())) == len(PATHS)
    assert all(isinstance(seed, int) and 0 <= seed < 2**31 for seed in seeds.values())
    # the same whatever other nodes there are, and in whatever order
    for path, copy in zip(
        ("t", "t/b/a"),
        seeded_learners(learners[0].set_params(random_state=None), ("t", "t/b/a"), seed=0),
        strict=True,
    ):
        assert copy.random_state == seeds[path]
    other = seeded_learners(NeighborhoodComponentsAnalysis(), PATHS, seed=1)
    assert not {copy.random_state for copy in other} & set(seeds.values())


def test_a_seed_that_is_given_is_kept():
    learners = seeded_learners(NeighborhoodComponentsAnalysis(random_state=7), PATHS, seed=0)
    assert [copy.random_state for copy in learners] == [7] * 4
    state = np.random.RandomState(0)
    learners = seeded_learners(PCA(random_state=state), PATHS, seed=0)
    assert all(isinstance(copy.random_state, np.random.RandomState) for copy in learners)


def test_learners_are_copies():
    learner = metrics.ShrinkageLDA(shrinkage=0.5)
    learners = seeded_learners(learner, PATHS, seed=0)
    assert len({id(copy) for copy in [learner, *learners]}) == 5
    assert all(copy.shrinkage == 0.5 for copy in learners)


def test_steps_of_a_pipeline_have_seeds_of_their_own():
    pipeline = make_pipeline(PCA(random_state=7), PCA(), metrics.NCA())
    seeds = {
        (path, name): value
        for path, copy in zip(PATHS, seeded_learners(pipeline, PATHS, seed=0), strict=True)
        for name, value in copy.get_params().items()
        if name.endswith("random_state")
    }
    assert {value for (_, name), value in seeds.items() if name == "pca-1__random_state"} == {7}
    drawn = [value for (_, name), value in seeds.items() if name != "pca-1__random_state"]
    assert all(isinstance(value, int) for value in drawn)
    assert len(set(drawn)) == 2 * len(PATHS)
