"""metric-learn's estimators as node learners, and the translation that lets them run."""

import inspect
import os
import pickle
import subprocess
import sys
import textwrap
import warnings
from pathlib import Path

import metric_learn
import numpy as np
import pytest
import sklearn.covariance
import sklearn.utils.validation
from joblib import Parallel, delayed
from metric_learn import _util, itml, scml, sdml
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import hierseg_learn
from hierseg_learn.metrics import node
from hierseg_learn.metrics.node import fit_node_map, prepare

LEARNERS = {
    "Covariance": {},
    "LFDA": {},
    "LMNN": {"max_iter": 20, "random_state": 0},
    "MLKR": {"max_iter": 10, "random_state": 0},
    "NCA": {"max_iter": 10, "random_state": 0},
    "ITML_Supervised": {"max_iter": 20, "n_constraints": 30, "random_state": 0},
    "LSML_Supervised": {"n_constraints": 30, "random_state": 0},
    "MMC_Supervised": {"max_iter": 5, "max_proj": 200, "n_constraints": 30, "random_state": 0},
    "RCA_Supervised": {"n_chunks": 15, "random_state": 0},
    "SCML_Supervised": {"n_basis": 20, "max_iter": 200, "output_iter": 100, "random_state": 0},
    # with a larger balance the matrix is not positive, which takes skggm
    "SDML_Supervised": {"balance_param": 1e-5, "n_constraints": 30, "random_state": 0},
}
# scikit-learn's functions as metric-learn's modules know them
REFERENCES = [
    (_util, "check_array", sklearn.utils.check_array),
    (_util, "check_X_y", sklearn.utils.check_X_y),
    (itml, "check_array", sklearn.utils.check_array),
    (scml, "check_array", sklearn.utils.check_array),
    (sdml, "graphical_lasso", sklearn.covariance.graphical_lasso),
]
OLD_NAME_IS_GONE = "force_all_finite" not in inspect.signature(sklearn.utils.check_array).parameters


def make(name):
    return getattr(metric_learn, name)(**LEARNERS[name])


@pytest.fixture
def rows():
    rng = np.random.default_rng(0)
    codes = np.repeat([0, 1, 2], 15)
    return rng.normal(size=(45, 4)) + np.outer(codes, [2.0, 0.0, -1.0, 0.5]), codes


@pytest.fixture
def untouched(monkeypatch):
    """metric-learn as it was imported."""
    for module, name, function in REFERENCES:
        monkeypatch.setattr(module, name, function)


def current():
    return [getattr(module, name) for module, name, _ in REFERENCES]


def run(code, path=()):
    """Standard output of a new interpreter."""
    root = Path(hierseg_learn.__file__).parents[1]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([*map(str, path), str(root)])}
    result = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout.split()


def test_no_supervised_learner_of_metric_learn_is_forgotten():
    supervised = {name for name in metric_learn.__all__ if name.endswith("_Supervised")}
    assert supervised <= set(LEARNERS)


@pytest.mark.parametrize("name", LEARNERS)
def test_every_learner_fits_a_node(name, rows, untouched):
    X, codes = rows
    X = X * [1.0, 100.0, 0.01, 5.0]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        node_map = fit_node_map(make(name), X, codes, name="sky")
    standard = StandardScaler().fit_transform(X)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fitted = clone(make(name)).fit(standard, codes)
        expected = fitted.pair_distance(np.stack([standard[:-1], standard[1:]], axis=1))
    distances = np.linalg.norm(np.diff(X, axis=0) @ node_map.components.T, axis=1)
    np.testing.assert_allclose(distances, expected, rtol=1e-6)
    assert type(node_map.components) is np.ndarray


@pytest.mark.parametrize("name", LEARNERS)
def test_a_node_of_one_column(name, rows):
    X, codes = rows
    if name == "SDML_Supervised":
        with pytest.raises(ValueError, match=r"'sky' .*Cannot fit SDML with 1 feature"):
            fit_node_map(make(name), X[:, :1], codes, name="sky")
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # MMC divides 0 by 0, and recovers
        assert fit_node_map(make(name), X[:, :1], codes, name="sky").components.shape == (1, 1)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize(
    ("name", "n_rows", "complaint"),
    [
        ("LFDA", 3, "infinite or missing values"),  # no two rows to tell a scale from
        ("LMNN", 18, "not enough class labels"),
        ("RCA_Supervised", 3, "Not enough possible chunks"),
        ("SCML_Supervised", 3, "Not enough samples"),
    ],
)
def test_a_learner_that_cannot_take_the_data_names_the_node(name, n_rows, complaint, rows):
    codes = np.r_[0, np.ones(n_rows - 1, dtype=int)]
    with pytest.raises(ValueError, match=rf"node_metric={name} .*'person/head'") as caught:
        fit_node_map(make(name), rows[0][:n_rows], codes, name="person/head")
    assert complaint in str(caught.value)


@pytest.mark.filterwarnings("ignore::RuntimeWarning", "ignore::UserWarning")
@pytest.mark.parametrize("name", ["LFDA", "RCA_Supervised"])
def test_a_singular_covariance_is_a_sentence_or_a_finite_map(name):
    # Rounding decides which: the learners take roots of eigenvalues that should be 0.
    refusals = []
    for seed in range(30):
        rng = np.random.default_rng(seed)
        X = rng.normal(size=(30, 3)) @ rng.normal(size=(3, 6))
        try:
            node_map = fit_node_map(make(name), X, np.arange(30) % 2, name="person/head")
        except ValueError as error:
            refusals.append(str(error))
        else:
            assert np.isfinite(node_map.components).all()
    assert refusals
    assert all(f"node_metric={name} " in text and "'person/head'" in text for text in refusals)


def test_sdml_says_what_it_lacks_where_skggm_is_missing(rows):
    if sdml.HAS_SKGGM:
        pytest.skip("skggm is installed")
    learner = make("SDML_Supervised").set_params(balance_param=0.5)
    with pytest.raises(ValueError, match=r"'sky'.*Try to install skggm") as caught:
        fit_node_map(learner, *rows, name="sky")
    assert "unexpected keyword" not in str(caught.value)


def test_the_learners_own_warnings_are_passed_on(rows):
    learner = metric_learn.SCML_Supervised(max_iter=10, output_iter=10, random_state=0)
    with pytest.warns(UserWarning, match="n_basis"):
        fit_node_map(learner, *rows, name="sky")


def test_learners_inside_pipelines_and_subclasses_are_seen(rows, untouched):
    class Mine(metric_learn.Covariance):
        pass

    pipeline = make_pipeline(PCA(n_components=2), make("LFDA"))
    assert fit_node_map(pipeline, *rows, name="sky").components.shape == (2, 4)
    for module, name, function in REFERENCES:
        setattr(module, name, function)
    assert fit_node_map(Mine(), *rows, name="sky").components.shape == (4, 4)


@pytest.mark.filterwarnings("ignore:'force_all_finite':FutureWarning")
def test_threads_may_start_at_once(rows, untouched):
    maps = Parallel(n_jobs=8, prefer="threads")(
        delayed(fit_node_map)(make("Covariance"), *rows, name="sky") for _ in range(64)
    )
    assert all((other.components == maps[0].components).all() for other in maps)
    assert not hasattr(getattr(_util.check_array, "__wrapped__", None), "__wrapped__")


def test_nothing_is_wrapped_twice_and_scikit_learn_is_left_alone(untouched):
    prepare(make("LFDA"))
    first = current()
    prepare(make("LMNN"))
    assert current() == first
    for function, module in [
        (sklearn.utils.check_array, sklearn.utils.validation),
        (sklearn.utils.check_X_y, sklearn.utils.validation),
        (sklearn.covariance.graphical_lasso, sklearn.covariance._graph_lasso),
    ]:
        assert getattr(module, function.__name__) is function
        assert function in [original for _, _, original in REFERENCES]


def test_only_modules_that_pass_a_lost_argument_are_touched(untouched):
    prepare(make("LFDA"))
    translated = [
        f"{module.__name__}.{name}"
        for module, name, function in REFERENCES
        if getattr(module, name) is not function
    ]
    expected = ["metric_learn.sdml.graphical_lasso"]
    if OLD_NAME_IS_GONE:
        expected = ["metric_learn._util.check_array", "metric_learn._util.check_X_y", *expected]
    assert translated == expected


def test_other_learners_change_nothing(untouched):
    prepare(PCA())
    prepare(make_pipeline(StandardScaler(), PCA()))
    assert current() == [function for _, _, function in REFERENCES]


def test_arguments_are_translated():
    def check(array, *, ensure_all_finite=True):
        return array, ensure_all_finite

    renamed = node._translated(check, "force_all_finite", "ensure_all_finite")
    assert renamed(1, force_all_finite=False) == (1, False)
    assert renamed(1, ensure_all_finite="allow-nan") == (1, "allow-nan")
    assert renamed(1) == (1, True)
    assert renamed.__name__ == "check"
    assert node._translated(check, "start", None)(1, start=2) == (1, True)


def test_a_scikit_learn_that_takes_the_old_name_is_left_alone(monkeypatch):
    def check_array(array, *, force_all_finite="deprecated", ensure_all_finite=None):
        return array

    monkeypatch.setattr(node, "CHANGES", ((check_array, "force_all_finite", "ensure_all_finite"),))
    monkeypatch.setattr(_util, "check_array", check_array)
    prepare(make("LFDA"))
    assert _util.check_array is check_array


def test_what_somebody_else_put_there_is_left_alone(monkeypatch):
    def check_array(array, **kwargs):
        return array

    monkeypatch.setattr(_util, "check_array", check_array)
    prepare(make("LFDA"))
    assert _util.check_array is check_array


def test_a_module_without_source_is_translated_too(monkeypatch, rows, untouched):
    def no_source(module):
        raise OSError("could not get source code")

    monkeypatch.setattr(inspect, "getsource", no_source)
    assert len(fit_node_map(make("LFDA"), *rows, name="sky").components)


def test_a_fixed_metric_learn_is_left_alone(tmp_path):
    # metric-learn as it will be: the installed one with the old arguments replaced
    package = tmp_path / "metric_learn"
    package.mkdir()
    for file in Path(metric_learn.__file__).parent.glob("*.py"):
        source = file.read_text(encoding="utf-8").replace("force_all_finite", "ensure_all_finite")
        source = source.replace(",\n                               cov_init=sigma0)", ")")
        package.joinpath(file.name).write_text(source, encoding="utf-8")
    code = """
        import metric_learn, numpy as np, sklearn.covariance, sklearn.utils
        from metric_learn import _util, sdml
        from hierseg_learn.metrics.node import fit_node_map
        X = np.random.default_rng(0).normal(size=(30, 3))
        for learner in (
            metric_learn.LFDA(),
            metric_learn.SDML_Supervised(balance_param=1e-5, n_constraints=20, random_state=0),
        ):
            fit_node_map(learner, X, np.arange(30) % 2, name="sky")
        print(metric_learn.__file__)
        print(_util.check_array is sklearn.utils.check_array)
        print(_util.check_X_y is sklearn.utils.check_X_y)
        print(sdml.graphical_lasso is sklearn.covariance.graphical_lasso)
    """
    file, *same = run(code, path=[tmp_path])
    assert Path(file).parent == package
    assert same == ["True", "True", "True"]


def test_using_metric_learn_directly_is_no_worse_than_before(rows, untouched):
    X, codes = rows
    prepare(make("LFDA"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # scikit-learn 1.6 and 1.7
        with pytest.raises(ValueError, match="NaN"):
            metric_learn.Covariance().fit([[0.0], [np.nan]])
        with pytest.raises(ValueError, match=r"Expected|expected"):
            metric_learn.LFDA().fit(X[0], codes[:4])
        pairs = np.stack([X[:20], X[20:40]], axis=1)
        itself = metric_learn.ITML(max_iter=5).fit(pairs, np.where(np.arange(20) % 2, 1, -1))
        assert set(itself.predict(pairs)) <= {-1, 1}
        copy = pickle.loads(pickle.dumps(itself))
        np.testing.assert_array_equal(copy.pair_distance(pairs), itself.pair_distance(pairs))


def test_maps_are_read_back_without_metric_learn(tmp_path, rows):
    X, codes = rows
    node_map = fit_node_map(make("LFDA"), X, codes, name="sky")
    tmp_path.joinpath("map.pickle").write_bytes(pickle.dumps(node_map))
    code = f"""
        import pickle, sys
        from pathlib import Path
        import numpy as np
        node_map = pickle.loads(Path({str(tmp_path / "map.pickle")!r}).read_bytes())
        print(*(np.ones(4) @ node_map.components.T).tolist())
        print("metric_learn" in sys.modules)
    """
    *embedding, loaded = run(code)
    assert [float(number) for number in embedding] == pytest.approx(
        (np.ones(4) @ node_map.components.T).tolist(), rel=1e-12
    )
    assert loaded == "False"


def test_fitting_other_learners_does_not_import_metric_learn():
    code = """
        import sys
        import numpy as np
        from sklearn.decomposition import PCA
        from hierseg_learn.metrics.node import fit_node_map
        fit_node_map(PCA(), np.eye(4), np.array([0, 1, 0, 1]), name="sky")
        print("metric_learn" in sys.modules)
    """
    assert run(code) == ["False"]
