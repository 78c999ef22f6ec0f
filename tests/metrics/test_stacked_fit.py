"""Nodes of a tree fitted in stacks: the maps that single fits give, on whatever device."""

from types import SimpleNamespace
from unittest import mock

import array_api_strict
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hierseg_learn.kernels import Backend, _pair_losses, get_backend, searches
from hierseg_learn.metrics import LMNN, NCA, _stacked_fit, cross_fitting
from hierseg_learn.metrics._stacked_fit import fit_stacked, stack_backend
from hierseg_learn.metrics.cross_fitting import cross_fit
from hierseg_learn.metrics.node import fit_node_map
from tests.kernels import host_cuda

COMPOSED = SimpleNamespace(**(vars(searches) | vars(searches) | vars(_pair_losses)))
NAMES = ("a", "b", "c", "d", "e")
COLUMNS = tuple(map(np.array, ([0, 1, 2], [3, 4, 5, 6], [7], [8, 9, 10], [2, 5, 9])))


@pytest.fixture
def table():
    """Five nodes; the column of one is constant, and so is one column of another."""
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 3, 150)
    X = rng.normal(size=(150, 11)) + rng.normal(size=(3, 11))[codes]
    X[:, 7] = 3.0
    X[:, 9] = -1.0
    return 5 + X, codes


def learners(**params):
    return [NCA(random_state=seed, **{"max_iter": 6, **params}) for seed in range(5)]


def device(name):
    if name == "numpy":
        return Backend("cuda", COMPOSED)
    if name == "array_api_strict":
        return Backend("cuda", COMPOSED, asarray=array_api_strict.asarray)
    if host_cuda.why_not():
        pytest.skip(host_cuda.why_not())
    from tests.kernels.twins import host_kernels

    return Backend("cuda", host_kernels())


def stacked(backend, table, nodes, chosen):
    X, codes = table
    tasks = [(np.arange(len(X)), node) for node in nodes]
    done = []
    maps = fit_stacked(
        X,
        codes,
        tasks,
        COLUMNS,
        chosen,
        NAMES,
        backend,
        n_jobs=None,
        on_fit=lambda: done.append(1),
    )
    assert len(done) == len(tasks)
    return maps


def metric(node_map):
    return node_map.components.T @ node_map.components


@pytest.mark.parametrize("name", ["numpy", "array_api_strict", "host"])
def test_every_map_is_that_of_its_own_fit(name, table):
    chosen = learners()
    X, codes = table
    for node, actual in enumerate(stacked(device(name), table, range(5), chosen)):
        own = X[:, COLUMNS[node]]
        expected = fit_node_map(chosen[node].set_params(device="cpu"), own, codes, name="")
        assert actual.outcome == expected.outcome
        assert actual.n_leading == expected.n_leading
        assert actual.components.shape == expected.components.shape
        # steps in float32
        size = np.abs(metric(expected)).max(initial=1e-12)
        np.testing.assert_allclose(metric(actual), metric(expected), atol=2e-3 * size)


@pytest.mark.parametrize(
    "params",
    [
        {"init": "random"},
        {"init": "pca", "n_components": 1},
        {"early_stopping": False, "batch_size": 50},
        {"max_iter": 0},
    ],
)
def test_any_parameters(params, table):
    chosen = learners(**params)
    X, codes = table
    for node, actual in zip((0, 3), stacked(device("numpy"), table, (0, 3), chosen)):
        own = X[:, COLUMNS[node]]
        expected = fit_node_map(chosen[node].set_params(device="cpu"), own, codes, name="")
        size = np.abs(metric(expected)).max()
        np.testing.assert_allclose(metric(actual), metric(expected), atol=2e-3 * size)


def test_order_and_siblings_change_nothing(table, monkeypatch):
    everyone = stacked(device("numpy"), table, range(5), learners())
    cases = [([3], 2**24), ([4, 1], 2**24), ([2, 4, 0, 3, 1], 5000), ([1, 0, 3, 4], 800)]
    for nodes, size in cases:
        monkeypatch.setattr(_stacked_fit, "STACK_SIZE", size)
        for node, actual in zip(nodes, stacked(device("numpy"), table, nodes, learners())):
            size = np.abs(everyone[node].components).max(initial=1e-12)
            np.testing.assert_allclose(
                actual.components, everyone[node].components, atol=1e-5 * size
            )


@given(st.lists(st.integers(0, 100), max_size=12))
def test_waves_are_bounded_and_in_order(sizes):
    with mock.patch.object(_stacked_fit, "STACK_SIZE", 90):
        waves = list(_stacked_fit._waves(sizes))
    assert [place for wave in waves for place in wave] == list(range(len(sizes)))
    assert all(len(wave) == 1 or sum(sizes[i] for i in wave) <= 90 for wave in waves)


def test_stacks_are_for_seeded_nca_on_cuda(monkeypatch):
    assert stack_backend(learners(device="cpu"), 10**9) is None
    cuda = device("numpy")
    monkeypatch.setattr(_stacked_fit, "get_backend", lambda device, n_values: cuda)
    assert stack_backend(learners(), 10**9) is cuda
    assert stack_backend([NCA(random_state=None)], 10**9) is None
    assert stack_backend([NCA(random_state=np.random.RandomState(0))], 10**9) is None
    assert stack_backend([LMNN(random_state=0)], 10**9) is None


def test_a_tree_is_fitted_in_stacks_where_there_is_a_gpu(table, monkeypatch):
    X, codes = table
    arguments = (X, codes, COLUMNS, learners(), NAMES)
    options = {"cv": 3, "random_state": 0, "n_jobs": 2, "on_fit": lambda: None}
    single = cross_fit(*arguments, **options)
    asked = []

    def backend(learners, n_values):
        asked.append(n_values)
        return device("numpy")

    monkeypatch.setattr(cross_fitting, "stack_backend", backend)
    together = cross_fit(*arguments, **options)
    # all rows, twice two thirds of them three times, a third three times
    assert asked == [(150 + 3 * 100 + 3 * 50) * 14]
    for one, other in zip(single.maps, together.maps, strict=True):
        size = np.abs(metric(one)).max(initial=1e-12)
        np.testing.assert_allclose(metric(one), metric(other), atol=2e-3 * size)


def test_a_node_that_fails_is_named(table):
    X, codes = table
    with pytest.raises(ValueError, match="NCA could not be fitted for the node 'b'"):
        stacked(get_backend("cpu"), (X, codes), [1], learners(init=np.eye(9)))
