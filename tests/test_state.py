"""State after a fit: it is the estimator's own, complete or absent, and it can be saved."""

import copy
import pickle
import re
import sys
import threading
import warnings
from dataclasses import fields, is_dataclass
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, clone
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.utils.validation import check_is_fitted

import hierseg_learn
from hierseg_learn import HierarchicalMetricClassifier, SegmentedImages, SegmentTreeTransformer
from hierseg_learn import descriptors as descriptors_module
from hierseg_learn import metrics as metrics_module
from hierseg_learn import segmentation as segmentation_module
from hierseg_learn.descriptors import DeepDescriptor, Descriptor, PatchDictionary
from hierseg_learn.metrics import LinearMetric, NonlinearMetric
from hierseg_learn.sampling import SegmentSwapSampler
from hierseg_learn.segmentation import CallableSegmenter, GridSegmenter, MaskSegmenter, Segmenter
from hierseg_learn.utils import Estimator, PickledVersionWarning
from hierseg_learn.what_if import AblatedClassifier
from tests.toy_networks import save_onnx
from tests.toy_tables import toy_table
from tests.toy_trunks import PREPROCESSING

PACKAGE = str(next(iter(hierseg_learn.__path__)))
TREE = {"photo": {"a": 0, "b": [1, 2]}}
FOLDER = TemporaryDirectory()
# a network in a file, where the packages for it are installed
NETWORK = None
if find_spec("onnx") and find_spec("onnxruntime"):
    NETWORK = str(save_onnx(Path(FOLDER.name) / "net.onnx", {"maps": 3}))


def bright(image):
    return image.reshape(*image.shape[:2], -1).mean(axis=-1) > 0.5


def pictures(seed=0, n=18):
    """Images and label maps as arrays, and classes that show in part 0."""
    rng = np.random.default_rng(seed)
    images = rng.uniform(size=(n, 12, 10, 3))
    masks = np.zeros((n, 12, 10), dtype=np.int32)
    masks[:, :6], masks[:, 6:, :4] = 1, 2
    y = np.arange(n) % 2
    images[y == 1, 6:, 4:] *= 0.5
    return images, masks, np.array(["x", "y"])[y] if seed else y


def subclasses(module, base):
    found = [getattr(module, name) for name in module.__all__]
    return [
        kind
        for kind in found
        if isinstance(kind, type)
        and issubclass(kind, base)
        and kind is not base
        and not getattr(kind, "__abstractmethods__", None)
    ]


def image_estimators():
    for kind in subclasses(segmentation_module, Segmenter):
        if kind is CallableSegmenter:
            yield CallableSegmenter(bright)
        elif kind is MaskSegmenter:
            yield MaskSegmenter(tree=TREE)
        elif "n_parts" in kind().get_params():
            yield kind(n_parts=3)
        elif kind.__name__ not in ("OnnxSegmenter", "SegFormerSegmenter"):
            yield kind()
    for kind in subclasses(descriptors_module, Descriptor):
        if kind is DeepDescriptor:
            yield from [DeepDescriptor(NETWORK, preprocessing=PREPROCESSING)] * bool(NETWORK)
        else:
            yield kind(4, n_patches=50) if kind is PatchDictionary else kind()
    yield SegmentTreeTransformer(tree=TREE, descriptors=["color", "shape"], n_jobs=1)
    yield SegmentTreeTransformer("grid", descriptors="gradients")


def table_estimators():
    for kind in subclasses(metrics_module, LinearMetric):
        few = {"max_iter": 2} if "max_iter" in kind().get_params() else {}
        yield kind(**few)
    yield metrics_module.KernelDiscriminant()
    linear = metrics_module.LogisticCombination(n_landmarks=0)
    for combination in ("projection", "weighted", "scatter", linear):
        yield HierarchicalMetricClassifier(combination=combination, weights="distance", n_jobs=1)
    yield HierarchicalMetricClassifier(n_jobs=2)
    yield HierarchicalMetricClassifier(decision="prototypes")
    yield HierarchicalMetricClassifier(decision="linear", priors=[0.5, 0.5])


def model_estimators():
    model = make_pipeline(
        SegmentTreeTransformer(tree=TREE, descriptors="color"),
        HierarchicalMetricClassifier(n_neighbors=3),
    )
    yield AblatedClassifier(model, "a")
    yield AblatedClassifier(model, "a", inpaint=True)


ESTIMATORS = [*image_estimators(), *table_estimators(), *model_estimators()]
for _estimator in ESTIMATORS:
    if "random_state" in _estimator.get_params(deep=False):
        _estimator.set_params(random_state=0)


def shown(estimator):
    return re.sub(r" at 0x\w+", "", repr(estimator))[:60]


every = pytest.mark.parametrize(
    "estimator", ESTIMATORS, ids=lambda one: re.sub(" at 0x\\w+|'/[^']*/", "", repr(one))[:60]
)


class Data:
    """What an estimator is fitted on, whose arrays the test may edit, and what it then says."""

    def __init__(self, estimator, seed=0):
        self.of_images = not isinstance(
            estimator, LinearMetric | NonlinearMetric | HierarchicalMetricClassifier
        )
        if self.of_images:
            self.images, self.masks, self.y = pictures(seed)
            self.arrays = [self.images, self.masks, self.y]
            needs = isinstance(estimator, MaskSegmenter | AblatedClassifier) or (
                isinstance(estimator, SegmentTreeTransformer) and estimator.tree is not None
            )
            self.X = SegmentedImages(self.images, self.masks) if needs else self.images
        else:
            self.table, self.y = toy_table(36, 2, seed=seed)
            self.y = np.array(["ant", "bee"] if seed else ["cat", "dog"])[
                (self.y == "bee").astype(int)
            ]
            self.arrays = [self.table, self.y]
            self.X = self.table

    def fit(self, estimator):
        return estimator.fit(self.X, self.y)

    def edit(self):
        """Change everything that the caller has, in place."""
        for array in self.arrays:
            if isinstance(array, pd.DataFrame):
                array.iloc[:, :] = 7.0
            else:
                array[:] = array[::-1].copy() if array.dtype.kind == "U" else 0


def said(estimator, data):
    """Everything that a fitted estimator says of data, as a flat list of arrays."""
    X = data.X
    if isinstance(estimator, Segmenter):
        return estimator.segment_images(X)
    if isinstance(estimator, Descriptor):
        return [estimator.maps(image) for image in data.images[:3]]
    if isinstance(estimator, SegmentTreeTransformer):
        return [estimator.transform(X).to_numpy(), *estimator.label_maps(X)]
    if isinstance(estimator, AblatedClassifier):
        return [estimator.predict(X), estimator.predict_proba(X), estimator.table(X).to_numpy()]
    if isinstance(estimator, LinearMetric):
        return [estimator.transform(X), estimator.get_mahalanobis_matrix()]
    if isinstance(estimator, NonlinearMetric):
        return [estimator.transform(X)]
    rows = X.iloc[:4]
    return [
        estimator.predict(X),
        estimator.predict_proba(X),
        *estimator.kneighbors(rows),
        estimator.transform(rows),
        np.asarray(estimator.node_scores_),
        np.asarray(estimator.node_outcomes_),
        estimator.explain_pair(rows.iloc[0], rows.iloc[1]).to_frame().to_numpy(),
        estimator.explain_prediction(rows.iloc[2]).to_frame().to_numpy(),
        estimator.explain_contrast(rows.iloc[2]).to_frame().to_numpy(),
        estimator.node_components("photo/person"),
    ]


def assert_says(estimator, data, expected):
    for new, old in zip(said(estimator, data), expected, strict=True):
        np.testing.assert_array_equal(new, old)


def arrays_in(thing, seen=None):
    """Every array that an object holds, at any depth."""
    seen = set() if seen is None else seen
    if id(thing) in seen:
        return
    seen.add(id(thing))
    if isinstance(thing, np.ndarray):
        yield thing
    elif isinstance(thing, pd.DataFrame | pd.Series | pd.Index):
        yield np.asarray(thing)
    elif isinstance(thing, dict):
        for value in thing.values():
            yield from arrays_in(value, seen)
    elif isinstance(thing, list | tuple | set):
        for value in thing:
            yield from arrays_in(value, seen)
    elif is_dataclass(thing) and not isinstance(thing, type):
        for field in fields(thing):
            yield from arrays_in(getattr(thing, field.name), seen)
    elif type(thing).__module__.startswith(("hierseg_learn", "sklearn")):
        yield from arrays_in(getattr(thing, "__dict__", {}), seen)


def fitted_state(estimator):
    params = estimator.get_params(deep=False)
    skipped = {*params, "_fitted_with"}
    return {name: value for name, value in vars(estimator).items() if name not in skipped}


def shares(a, b):
    return a.size and b.size and np.may_share_memory(a, b)


@every
def test_what_is_edited_after_fit_changes_nothing(estimator):
    estimator, data, fresh = clone(estimator), Data(estimator), Data(estimator, seed=1)
    data.fit(estimator)
    expected = said(estimator, fresh)
    kept = list(arrays_in(fitted_state(estimator)))
    given = [np.asarray(array) for array in data.arrays]
    assert not any(shares(a, b) for a in kept for b in given)
    data.edit()
    assert_says(estimator, fresh, expected)


@every
def test_what_is_returned_is_the_callers(estimator):
    estimator, data = clone(estimator), Data(estimator)
    data.fit(estimator)
    given = said(estimator, data)
    expected = copy.deepcopy(given)
    for array in given:
        if array.flags.writeable and not shares(array, np.asarray(data.arrays[-2])):
            array[...] = "no" if array.dtype.kind in "UO" else 0
    assert_says(estimator, data, expected)


@pytest.mark.filterwarnings("ignore:X does not have valid feature names")
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int64])
@pytest.mark.parametrize("container", [np.asarray, pd.DataFrame, pd.DataFrame.astype, memoryview])
def test_no_container_of_a_table_is_kept(order, dtype, container):
    table, y = toy_table(30, 2)
    X = np.asarray(10 * table.to_numpy(), dtype=dtype, order=order)
    given = X if container is pd.DataFrame.astype else container(X)
    if container is pd.DataFrame.astype:
        given = pd.DataFrame({str(i): X[:, i] for i in range(X.shape[1])}, copy=False)
    codes = pd.Series(y == "bee")
    model = HierarchicalMetricClassifier(n_neighbors=3).fit(given, codes)
    queries = X[::3] + 1
    expected, distances = model.predict_proba(queries.copy()), model.kneighbors(queries.copy())[0]
    copied = queries.copy()
    X[...], codes[:] = 0, False
    np.testing.assert_array_equal(model.predict_proba(copied), expected)
    np.testing.assert_array_equal(model.kneighbors(copied)[0], distances)


def test_a_tree_given_as_lists_is_copied():
    names, parts = ["1", "0"], [[2, 3, 4]]
    tree = {"root": {"a": names, "b": parts[0]}}
    X = pd.DataFrame(toy_table(30, 2)[0].to_numpy()[:, :5], columns=list("01234"))
    y = np.arange(30) % 2
    model = HierarchicalMetricClassifier(tree=tree, n_neighbors=3).fit(X, y)
    before = model.explain_pair(X.iloc[0], X.iloc[1]).to_frame()
    names[:], parts[0][:] = ["9"], []
    tree["root"].clear()
    assert model.tree_.leaf_values == (("1", "0"), (2, 3, 4))
    pd.testing.assert_frame_equal(model.explain_pair(X.iloc[0], X.iloc[1]).to_frame(), before)


def test_a_ablated_model_does_not_go_with_the_one_it_was_made_of():
    images, masks, y = pictures()
    X = SegmentedImages(images, masks)
    model = make_pipeline(
        SegmentTreeTransformer(tree=TREE, descriptors="color"),
        HierarchicalMetricClassifier(n_neighbors=3),
    ).fit(X, y)
    ablated = AblatedClassifier.from_estimator(model, "b")
    expected = ablated.predict_proba(X)
    model[1].components_[:] = 0
    model[0].fill_values_[:] = 9
    model.set_params(segmenttreetransformer__tree={"p": {"all": [0, 1, 2]}}).fit(X, y)
    np.testing.assert_array_equal(ablated.predict_proba(X), expected)


def test_a_metric_that_is_handed_out_is_a_copy():
    X, y = toy_table(30, 2)
    model = HierarchicalMetricClassifier(n_neighbors=3).fit(X, y)
    before = model.components_.copy()
    model.get_metric().args[0][:] = 0
    np.testing.assert_array_equal(model.components_, before)


class Interrupter:
    """Raises at the k-th call of a function of the package, in whatever thread it comes."""

    def __init__(self, at=None, error=KeyboardInterrupt):
        self.at, self.error, self.calls = at, error, 0

    def __call__(self, frame, event, argument):
        if event == "call" and frame.f_code.co_filename.startswith(PACKAGE):
            self.calls += 1
            if self.calls == self.at:
                raise self.error("interrupted")

    def __enter__(self):
        threading.setprofile(self)
        sys.setprofile(self)
        return self

    def __exit__(self, *error):
        sys.setprofile(None)
        threading.setprofile(None)


def steps_of(run, n):
    with Interrupter() as counter:
        run()
    return np.unique(np.linspace(1, counter.calls, n).astype(int)).tolist()


@every
def test_an_interrupted_refit_leaves_the_old_fit(estimator):
    old, new = Data(estimator), Data(estimator, seed=1)
    model = old.fit(clone(estimator))
    expected = said(model, old)
    whole = new.fit(clone(estimator))
    for step in steps_of(lambda: new.fit(clone(estimator)), 8):
        error = (KeyboardInterrupt, MemoryError)[step % 2]
        try:
            with Interrupter(step, error):
                new.fit(model)
        except (error, ValueError):  # a node learner's error comes as one that names the node
            assert_says(model, old, expected)
        else:  # what is interrupted at its end may be done
            assert_says(model, new, said(whole, new))
            old.fit(model)
    # nothing that belongs to the process has been left as it was in the middle of a fit
    assert_says(new.fit(clone(estimator)), new, said(whole, new))


@every
def test_an_interrupted_first_fit_leaves_it_unfitted(estimator):
    data = Data(estimator)
    for step in steps_of(lambda: data.fit(clone(estimator)), 6)[:-1]:
        model = clone(estimator)
        before = dict(vars(model))
        with pytest.raises(KeyboardInterrupt), Interrupter(step):
            data.fit(model)
        assert vars(model) == before
        with pytest.raises(NotFittedError):
            check_is_fitted(model)


def test_interrupted_at_any_line_of_the_last_step():
    """Also where a fit takes the estimator's place."""
    old, new = toy_table(30, 2), toy_table(30, 2, seed=1)
    model = metrics_module.ShrinkageLDA().fit(*old)
    first = model.components_.copy()
    second = clone(model).fit(*new).components_
    code = type(model).fit.__code__
    lines = []

    def interrupt_at(line):
        def trace(frame, event, argument):
            if frame.f_code is not code:
                return None
            if event == "line":
                lines.append(frame.f_lineno)
                if frame.f_lineno == line:
                    raise KeyboardInterrupt
            return trace

        return trace

    def refit(line):
        sys.settrace(interrupt_at(line))
        try:
            model.fit(*new)
        except KeyboardInterrupt:
            pass
        finally:
            sys.settrace(None)

    refit(None)
    assert len(set(lines)) > 5
    for line in sorted(set(lines)):
        model.fit(*old)
        refit(line)
        components = model.components_
        assert np.array_equal(components, first) or np.array_equal(components, second)
        assert not hasattr(model, "_is_draft")


def test_a_refused_refit_keeps_the_metric_with_its_classes():
    X, y = toy_table(30, 2)
    model = HierarchicalMetricClassifier(n_neighbors=3).fit(X, y)
    before = model.predict_proba(X)
    with pytest.raises(ValueError, match="tree"):
        model.set_params(tree={"a": [0]}).fit(X, np.where(y == "bee", "x", "y"))
    assert set(model.predict(X)) == set(y)
    np.testing.assert_array_equal(model.predict_proba(X), before)
    assert model.tree == {"a": [0]}


@pytest.mark.parametrize(
    "params", [{"erosion": 3}, {"describe_inner": False}, {"missing": "nan"}, {"tree": None}]
)
def test_a_refused_refit_with_new_parameters_leaves_none(params):
    images, masks, _ = pictures()
    X = SegmentedImages(images, masks)
    model = SegmentTreeTransformer(tree=TREE, descriptors="color").fit(X)
    with pytest.raises(ValueError, match="no pixel"):
        model.set_params(**params).fit(np.zeros((3, 0, 2)))
    with pytest.raises(NotFittedError):
        model.transform(X)
    assert model.fit(X).transform(X).shape[0] == len(images)


def test_a_segmenter_does_not_mix_old_parts_with_new_parameters():
    images, *_ = pictures()
    model = GridSegmenter().fit(images)
    name, value = next(iter(model.get_params().items()))
    with pytest.raises((ValueError, TypeError)):
        model.set_params(**{name: value + 1}).fit([])
    with pytest.raises(NotFittedError):
        model.segment(images[0])


def test_a_failed_resampling_keeps_what_was_resampled():
    X, y = toy_table(24, 2)
    X = X.filter(regex="sky|hair|skirt")
    sampler = SegmentSwapSampler("hair", random_state=0)
    sampler.fit_resample(X, y)
    before = sampler.sample_sources_.copy()
    with pytest.raises(ValueError, match="class"):
        sampler.fit_resample(X.iloc[:9], ["one"] * 9)
    np.testing.assert_array_equal(sampler.sample_sources_, before)
    assert sampler.n_features_in_ == X.shape[1]
    failed = SegmentSwapSampler("nobody")
    with pytest.raises(ValueError, match="nobody"):
        failed.fit_resample(X, y)
    with pytest.raises(NotFittedError):
        check_is_fitted(failed)


class Threshold(Segmenter):
    """As a user would write one: its `fit` calls that of the base, and fails late."""

    def __init__(self, limit=0.5, fails=False):
        self.limit = limit
        self.fails = fails

    def fit(self, X, y=None, segments=None):
        super().fit(X, y, segments)
        self.learned_ = self.limit
        if self.fails:
            raise OSError("no disk")
        return self

    def _fit(self, batch):
        return GridSegmenter(1, 1).fit(batch).tree_

    def _segment(self, image, mask):
        return np.zeros(image.shape[:2], dtype=int)


def test_subclasses_of_users_are_whole_too():
    images, *_ = pictures()
    model = Threshold(fails=True)
    with pytest.raises(OSError, match="no disk"):
        model.fit(images)
    assert vars(model) == {"limit": 0.5, "fails": True}
    assert model.set_params(fails=False).fit(images) is model
    assert model.learned_ == 0.5
    with pytest.raises(OSError, match="no disk"):
        model.set_params(fails=True).fit(images)
    with pytest.raises(NotFittedError):
        model.segment(images[0])


@every
def test_pickles_know_the_version(estimator, monkeypatch):
    data = Data(estimator)
    model = data.fit(clone(estimator))
    expected = said(model, data)
    with warnings.catch_warnings():
        warnings.simplefilter("error", PickledVersionWarning)
        same = pickle.loads(pickle.dumps(model))
        assert_says(same, data, expected)
        assert_says(copy.deepcopy(model), data, expected)
    assert vars(same).keys() == vars(model).keys()
    with monkeypatch.context() as patch:
        patch.setitem(Estimator.__getstate__.__globals__, "__version__", "0.0.7")
        saved = pickle.dumps(model)
    with pytest.warns(PickledVersionWarning, match=r"saved by hierseg_learn 0\.0\.7 and is loaded"):
        assert_says(pickle.loads(saved), data, expected)


def test_every_public_estimator_has_the_base():
    modules = [hierseg_learn, segmentation_module, descriptors_module, metrics_module]
    kinds = {kind for module in modules for kind in subclasses(module, BaseEstimator)}
    kinds |= {SegmentSwapSampler, AblatedClassifier}
    assert len(kinds) > 25
    assert all(issubclass(kind, Estimator) for kind in kinds)
