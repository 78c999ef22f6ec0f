"""Model files: of skops, joblib and pickle; what they hold, and what they are refused for."""

import io
import pickle
import re
import subprocess
import sys
import zipfile
from importlib import import_module
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn import config_context
from sklearn.base import BaseEstimator, clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import make_pipeline

import hierseg_learn
from hierseg_learn import HierarchicalMetricClassifier, SegmentedImages, SegmentTreeTransformer
from hierseg_learn.images import PixelEncoding
from hierseg_learn.metrics import Combination, MLPMetric, NodeOutcome
from hierseg_learn.metrics.registry import NODE_METRICS
from hierseg_learn.parts import PartAgglomeration
from hierseg_learn.sampling import SegmentSwapSampler
from hierseg_learn.segmentation import Cutter, GridSegmenter, MaskSegmenter
from hierseg_learn.tree import SegmentTree
from hierseg_learn.utils import Estimator, PickledVersionWarning, trusted_types
from hierseg_learn.utils._state import Packed
from hierseg_learn.what_if import AblatedClassifier
from tests.explain.fitted import fitted_portraits
from tests.test_state import ESTIMATORS, TREE, Data, arrays_in, assert_says, every, pictures, said
from tests.test_structure import PARTS
from tests.toy_tables import toy_table

sio = pytest.importorskip("skops.io", reason="skops is not installed")

ROOT = Path(hierseg_learn.__file__).parents[1]
OWN = f"{__name__.partition('.')[0]}."  # of the functions that estimators of the tests are given
# tested where there is a network for it
WITH_NETWORK = {"DeepDescriptor", "OnnxSegmenter", "SegFormerSegmenter"}


def public_estimators():
    """Every concrete estimator in an `__all__` of the package, by name."""
    for part in PARTS:
        module = (
            hierseg_learn if part == "hierseg_learn" else import_module(f"hierseg_learn.{part}")
        )
        for name in getattr(module, "__all__", ()):
            kind = getattr(module, name)
            if (
                isinstance(kind, type)
                and issubclass(kind, BaseEstimator)
                and not getattr(kind, "__abstractmethods__", None)
            ):
                yield name, kind


PUBLIC = dict(public_estimators())
BASES = {"Descriptor", "Estimator"}  # to be derived from


def through_skops(thing, **options):
    saved = sio.dumps(thing, **options)
    untrusted = sio.get_untrusted_types(data=saved)
    given = [name for name in untrusted if name.startswith(OWN)]
    assert set(untrusted) <= {*trusted_types(), *given}
    return sio.loads(saved, trusted=[*trusted_types(), *given])


def through_joblib(thing, tmp_path):
    joblib.dump(thing, tmp_path / "model.joblib")
    return joblib.load(tmp_path / "model.joblib", mmap_mode="r")


def fitted_pipeline(X, y, **params):
    return make_pipeline(
        SegmentTreeTransformer(tree=TREE, descriptors="color"),
        HierarchicalMetricClassifier(n_neighbors=3, random_state=0, **params),
    ).fit(X, y)


def test_every_public_estimator_is_tried():
    tried = {type(estimator).__name__ for estimator in ESTIMATORS}
    without_data = {
        name
        for name, kind in PUBLIC.items()
        if issubclass(kind, Cutter | Combination | PartAgglomeration)
    }
    assert len(PUBLIC) > 30
    elsewhere = WITH_NETWORK | {"MLPMetric", "SegmentSwapSampler"}
    assert PUBLIC.keys() - BASES <= tried | without_data | elsewhere


@every
def test_skops_stores_what_is_fitted(estimator):
    data = Data(estimator)
    model = data.fit(clone(estimator))
    before = dict(vars(model))
    back = through_skops(model)
    assert_says(back, data, said(model, data))
    # saving changes nothing
    assert vars(model) == before or vars(model).keys() == before.keys()
    assert vars(back).keys() == vars(model).keys()
    assert_says(data.fit(clone(back)), data, said(model, data))


@every
def test_joblib_reads_from_the_disk(estimator, tmp_path):
    data = Data(estimator)
    model = data.fit(clone(estimator))
    assert_says(through_joblib(model, tmp_path), data, said(model, data))


@pytest.mark.parametrize("name", sorted(PUBLIC.keys() - BASES - WITH_NETWORK))
def test_parameters_come_back(name):
    needed = {"CallableSegmenter": [np.sign], "AblatedClassifier": [GridSegmenter(), "a"]}
    estimator = PUBLIC[name](*needed.get(name, []))
    assert repr(through_skops(estimator)) == repr(estimator)
    assert repr(pickle.loads(pickle.dumps(estimator))) == repr(estimator)


@pytest.mark.parametrize("node_metric", NODE_METRICS)
@pytest.mark.parametrize("kind", ["frame", "array"])
def test_every_node_metric_predicts_and_explains_the_same(node_metric, kind):
    if node_metric == "mlp":
        pytest.importorskip("torch", reason="PyTorch is not installed")
    table, y = toy_table(40, 2)
    X, y = (table, pd.Series(y, dtype="string")) if kind == "frame" else (table.to_numpy(), y)
    rows = X.iloc if kind == "frame" else X
    model = HierarchicalMetricClassifier(node_metric=node_metric, random_state=0).fit(X, y)
    back = through_skops(model)
    np.testing.assert_array_equal(back.predict_proba(X), model.predict_proba(X))
    pd.testing.assert_series_equal(back.node_scores_, model.node_scores_)
    pd.testing.assert_series_equal(back.node_outcomes_, model.node_outcomes_)
    for explain in ("explain_prediction", "explain_contrast"):
        new, old = (getattr(one, explain)(rows[3:4]) for one in (back, model))
        assert new.to_text() == old.to_text()
        pd.testing.assert_frame_equal(new.to_frame(), old.to_frame(), check_exact=True)


def test_a_perceptron_is_its_arrays():
    pytest.importorskip("torch", reason="PyTorch is not installed")
    table, y = toy_table(40, 2)
    metric = MLPMetric(hidden_layer_sizes=(4,), n_components=3, max_iter=2, random_state=0)
    fitted = clone(metric).fit(table, y)
    np.testing.assert_array_equal(through_skops(fitted).transform(table), fitted.transform(table))
    model = HierarchicalMetricClassifier(node_metric=metric, random_state=0).fit(table, y)
    back = through_skops(model)
    np.testing.assert_array_equal(back.predict_proba(table), model.predict_proba(table))
    rows = table.iloc[:1]
    assert back.explain_prediction(rows).to_text() == model.explain_prediction(rows).to_text()


def test_pipelines_samplers_and_ablated_models():
    images, masks, y = pictures()
    X = SegmentedImages(images, masks)
    model = fitted_pipeline(X, y)
    np.testing.assert_array_equal(through_skops(model).predict_proba(X), model.predict_proba(X))
    ablated = AblatedClassifier.from_estimator(model, "a", images=X)
    back = through_skops(ablated)
    np.testing.assert_array_equal(back.predict_proba(X), ablated.predict_proba(X))
    new, old = (one.explain_prediction(X[3:4]).to_frame() for one in (back, ablated))
    pd.testing.assert_frame_equal(new, old, check_exact=True)
    for transformer in (FrozenEstimator(model[0]), model[0]):
        sampler = SegmentSwapSampler("auto", transformer=transformer, random_state=0)
        sampler.fit_resample(X, y)
        again = through_skops(sampler)
        np.testing.assert_array_equal(again.sample_sources_, sampler.sample_sources_)
        pd.testing.assert_frame_equal(
            again.shortcut_report_.to_frame(), sampler.shortcut_report_.to_frame()
        )
    calibrated = CalibratedClassifierCV(model, method="sigmoid", cv=3).fit(X, y)
    back = sio.loads(
        saved := sio.dumps(calibrated),
        trusted=[
            *trusted_types(),
            *(name for name in sio.get_untrusted_types(data=saved) if name.startswith("sklearn.")),
        ],
    )
    np.testing.assert_array_equal(back.predict_proba(X), calibrated.predict_proba(X))


def test_requests_of_metadata_come_back():
    """skops alone goes round in circles: a request holds its estimator."""
    images, masks, _ = pictures()
    with config_context(enable_metadata_routing=True):
        transformer = SegmentTreeTransformer(tree=TREE).set_fit_request(segments="maps")
        transformer.set_transform_request(segments=False).fit(images, segments=masks)
    for back in (through_skops(transformer), pickle.loads(pickle.dumps(transformer))):
        requests = back.get_metadata_routing()
        assert requests.fit.requests == {"segments": "maps"}
        assert requests.transform.requests == {"segments": False}
    assert "_metadata_request" not in vars(through_skops(GridSegmenter()))


def test_a_changed_parameter_stays_changed():
    images, *_ = pictures()
    for save in (through_skops, lambda model: pickle.loads(pickle.dumps(model))):
        model = save(GridSegmenter().fit(images).set_params(n_rows=7))
        with pytest.raises((TypeError, ValueError)):
            model.fit([])
        assert not hasattr(model, "tree_")
        model = save(save(MaskSegmenter(TREE).fit(images[:3])))
        with pytest.raises((TypeError, ValueError)):
            model.fit([])
        assert hasattr(model, "tree_")


class Bag(Estimator):
    """Stores anything."""

    def __init__(self, content=None):
        self.content = content


@pytest.mark.parametrize(
    "content",
    [
        Path("some") / "folder",
        range(2, 9, 3),
        frozenset({1, 2}),
        {1: "a", "b": (1, [2.5, None]), None: {"c": {3}}},
        [float("nan"), 1e400],
        np.array(["a", None, 3], dtype=object),
        np.array([["a", "b"]], dtype=object),
        {"deep": {"array": np.arange(3.0)}, "path": [Path("x")]},
        {1: np.arange(2), (False, "a"): {None: np.ones(1)}},
        SegmentTree.from_nested({"photo": {"sky": 0, "sea": [1, 2]}}),
        "'quotes' \"and\" \\ lines\n\ud800",
        [f"photo/part {i}|\ud800 \u00e4" for i in range(1000)],
        NodeOutcome("leaf", shrinkage=0.5),
        [NodeOutcome("leaf"), NodeOutcome("start", kept="eyes")],
        np.array([NodeOutcome("leaf"), NodeOutcome("constant")], dtype=object),
        [NodeOutcome("leaf"), PixelEncoding("uint8", 0.0, 255.0, 3)],
    ],
    ids=lambda content: type(content).__name__,
)
def test_values_come_back_as_they_were(content):
    for back in (through_own(Bag(content)), pickle.loads(pickle.dumps(Bag(content)))):
        assert type(back.content) is type(content)
        np.testing.assert_equal(back.content, content)


def through_own(bag):
    saved = sio.dumps(bag)
    return sio.loads(saved, trusted=[*trusted_types(), f"{__name__}.Bag"])


@pytest.mark.parametrize(
    "content",
    [
        pd.Series([1.5, 2.5], index=["a", "b"], name="x"),
        pd.Series(["a", None], dtype="string"),
        pd.Series(["u", "v", "u"], dtype="category"),
        pd.Series([1, 2], dtype="Int64"),
        pd.Index(["a", "b"], name="node"),
        pd.RangeIndex(3),
        pd.MultiIndex.from_tuples([("a", 1), ("b", 2)], names=["x", "y"]),
        pd.DataFrame({"a": [1, 2], "b": ["x", "y"]}, index=pd.Index([5, 6], name="id")),
    ],
    ids=lambda content: f"{type(content).__name__} {getattr(content, 'dtype', '')}",
)
def test_objects_of_pandas_come_back(content):
    for back in (through_own(Bag(content)), pickle.loads(pickle.dumps(Bag(content)))):
        if isinstance(content, pd.Index):
            pd.testing.assert_index_equal(back.content, content, exact="equiv")
        elif isinstance(content, pd.Series):
            pd.testing.assert_series_equal(back.content, content)
        else:
            pd.testing.assert_frame_equal(back.content, content)


def test_the_order_of_attributes_is_no_state():
    one, other = Bag({"a": [1, "b"]}), Bag({"a": [1, "b"]})
    one.x, one.y = 1, 2
    other.y, other.x = 2, 1
    assert joblib.hash(one) == joblib.hash(other)
    assert joblib.hash(one) != joblib.hash(Bag())


def test_what_is_one_object_stays_one():
    path, array = Path("x"), np.arange(3)
    back = through_own(Bag([path, [path], array, {"same": array}]))
    assert back.content[0] is back.content[1][0]
    assert back.content[2] is back.content[3]["same"]


def test_nothing_but_own_types_is_trusted():
    names = trusted_types()
    assert names == sorted(set(names))
    assert all(name.startswith("hierseg_learn.") for name in names)
    for name in names:
        module, _, kind = name.rpartition(".")
        kind = getattr(sys.modules[module], kind)
        assert isinstance(kind, type)
        # a constructor may be called with anything that a file holds
        assert not re.search("Images|Files|Display|Report$", name) or kind.__name__ in (
            "GroupReport",
            "MetadataReport",
            "PartReport",
            "ShortcutReport",
        )


def test_a_function_of_the_user_is_not_trusted():
    table, y = toy_table(30, 2)
    model = HierarchicalMetricClassifier(weights=np.reciprocal, random_state=0).fit(table, y)
    through_skops(model)  # skops knows NumPy's functions
    model.set_params(weights=toy_table)
    with pytest.raises(Exception, match="toy_table"):
        sio.loads(sio.dumps(model), trusted=trusted_types())


@pytest.mark.parametrize(
    ("version", "warns"), [("0.0.7", True), ("99.0.0", True), ("patch", False), ("current", False)]
)
def test_another_minor_version_warns(version, warns, monkeypatch, recwarn):
    current = hierseg_learn.__version__
    version = {"current": current, "patch": current.rpartition(".")[0] + ".99"}.get(
        version, version
    )
    with monkeypatch.context() as patch:
        patch.setitem(Estimator.__getstate__.__globals__, "__version__", version)
        saved = sio.dumps(GridSegmenter(3))
    assert sio.loads(saved, trusted=trusted_types()).n_rows == 3
    caught = [one.message for one in recwarn if isinstance(one.message, PickledVersionWarning)]
    assert bool(caught) == warns
    assert all(f"saved by hierseg_learn {version}" in str(one) for one in caught)


@pytest.mark.parametrize("save", ["skops", "pickle"])
def test_an_unknown_layout_is_refused(save, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setitem(Estimator.__getstate__.__globals__, "LAYOUT", 99)
        patch.setitem(Estimator.__getstate__.__globals__, "__version__", "99.1.0")
        model = make_pipeline(GridSegmenter())
        saved = sio.dumps(model) if save == "skops" else pickle.dumps(model)
    message = r"GridSegmenter was saved by hierseg_learn 99\.1\.0 in layout 99, and .* reads layout"
    with pytest.raises(ValueError, match=message):
        sio.loads(saved, trusted=trusted_types()) if save == "skops" else pickle.loads(saved)


def test_a_file_holds_no_photo_and_no_path(tmp_path):
    skimage_io = pytest.importorskip("skimage.io")
    images, masks, y = pictures()
    pixels = (255 * images).astype(np.uint8)
    folder = tmp_path / "at_home"
    folder.mkdir()
    paths = {kind: [folder / f"{kind}_{i}.png" for i in range(len(y))] for kind in ("photo", "map")}
    for i in range(len(y)):
        skimage_io.imsave(paths["photo"][i], pixels[i], check_contrast=False)
        skimage_io.imsave(paths["map"][i], masks[i].astype(np.uint8), check_contrast=False)
    from_files = SegmentedImages(paths["photo"], paths["map"])
    in_memory = SegmentedImages(pixels, masks)
    for X in (from_files, in_memory):
        model = fitted_pipeline(X, y)
        ablated = AblatedClassifier.from_estimator(model, "a", images=X)
        sampler = SegmentSwapSampler("auto", transformer=model[0], random_state=0)
        sampler.fit_resample(X, y)
        for thing in (model, ablated, sampler):
            for saved in (sio.dumps(thing), pickle.dumps(thing)):
                assert b"at_home" not in saved
                assert b"photo_" not in saved
                rows = [kind(pixels[0, 2]).tobytes() for kind in (np.uint8, np.float32, np.float64)]
                rows.append((pixels[0, 2] / 255).astype(np.float32).tobytes())
                assert not any(row in saved for row in rows)


class Stranger:
    """Must not be made."""


def size_of_arrays(model):
    return sum({id(array): array.nbytes for array in arrays_in(model)}.values())


def test_files_are_little_more_than_their_arrays():
    table, y = toy_table(4000, 3)
    model = HierarchicalMetricClassifier(combination="scatter", random_state=0).fit(table, y)
    needed = size_of_arrays(model)
    for saved in (sio.dumps(model), pickle.dumps(model)):
        assert len(saved) <= 1.2 * needed
    # names take no more than numbers, where there are few rows and many columns
    names = {f"photo/part_{i % 9}|column_{i}": i for i in range(800)}
    table = pd.DataFrame(np.random.default_rng(0).normal(size=(300, 800)), columns=list(names))
    model = HierarchicalMetricClassifier(combination="scatter").fit(table, np.arange(300) % 2)
    assert len(sio.dumps(model)) <= 1.2 * size_of_arrays(model)
    # nor do descriptors, segmenters and nodes
    model = fitted_portraits().model
    assert len(sio.dumps(model)) - size_of_arrays(model) < 130_000


def test_records_are_made_of_own_classes_only():
    packed = Packed("record", [Stranger, "{}"])
    bag = Bag(packed)
    with pytest.raises(TypeError, match="Stranger is no class of records"):
        pickle.loads(pickle.dumps(bag))


def test_no_array_is_stored_twice():
    table, y = toy_table(60, 2)
    saved = sio.dumps(HierarchicalMetricClassifier(random_state=0).fit(table, y))
    names = zipfile.ZipFile(io.BytesIO(saved)).namelist()
    assert len(names) == len(set(names))


SERVE = """
import sys
{blocked}
import pickle, joblib
import skops.io
from pathlib import Path
from hierseg_learn.utils import trusted_types
folder = Path({folder!r})
X = joblib.load(folder / "table.joblib")
models = [
    skops.io.load(folder / "model.skops", trusted=trusted_types()),
    pickle.loads((folder / "model.pickle").read_bytes()),
    joblib.load(folder / "model.joblib", mmap_mode="r"),
]
print([model.predict(X).tolist() for model in models])
assert not {{"metric_learn", "imblearn"}} & {{name for name, found in sys.modules.items() if found}}
"""


def test_files_load_without_optional_packages(tmp_path):
    table, y = toy_table(40, 2)
    model = HierarchicalMetricClassifier(node_metric="lmnn", random_state=0).fit(table, y)
    sio.dump(model, tmp_path / "model.skops")
    (tmp_path / "model.pickle").write_bytes(pickle.dumps(model))
    joblib.dump(model, tmp_path / "model.joblib")
    joblib.dump(table, tmp_path / "table.joblib")
    blocked = "sys.modules.update(metric_learn=None, imblearn=None)"
    code = SERVE.format(blocked=blocked, folder=str(tmp_path))
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert run.stdout.strip() == str([model.predict(table).tolist()] * 3)


def test_metadata_requests_are_read_where_imbalanced_learn_is_not_imported(tmp_path):
    """It adds the method fit_resample to scikit-learn's, for all estimators of a process."""
    pytest.importorskip("imblearn.base", reason="imbalanced-learn is not installed")
    with config_context(enable_metadata_routing=True):
        model = SegmentTreeTransformer().set_fit_request(segments=True)
    (tmp_path / "model.pickle").write_bytes(pickle.dumps(model))
    code = (
        "import pathlib, pickle, sys\n"
        "model = pickle.loads(pathlib.Path(sys.argv[1]).read_bytes())\n"
        "assert 'imblearn' not in sys.modules\n"
        "print(model._get_metadata_request().fit.requests['segments'])"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "model.pickle")]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "True"
