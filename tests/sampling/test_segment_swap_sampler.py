"""The sampler on tables and in pipelines: what it swaps, what it keeps, what it refuses."""

import pickle
import subprocess
import sys

import narwhals as nw
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from scipy import sparse
from sklearn import config_context
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_val_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline as make_plain_pipeline
from sklearn.preprocessing import StandardScaler

from hierseg_learn import HierarchicalMetricClassifier, SegmentTreeTransformer
from hierseg_learn.datasets import make_portraits
from hierseg_learn.transformer.part_editor import PartEditor

pytest.importorskip("imblearn")

from imblearn.pipeline import make_pipeline

from hierseg_learn.sampling import SegmentSwapSampler
from hierseg_learn.utils.tables import as_pandas

DATA = make_portraits(
    60, bias=1.0, missing={"hair": 0.3}, image_size=(36, 30), random_state=0, noise=0.0
)
Y = np.array(["left", "right"])[DATA.target]
TRANSFORMER = SegmentTreeTransformer(tree=DATA.tree, descriptors=["color", "shape"])
TABLE = TRANSFORMER.fit_transform(DATA.images)


def sampler(nodes="background", **params):
    return SegmentSwapSampler(nodes, **{"transformer": TRANSFORMER, "random_state": 0, **params})


def columns_of(node, columns=TABLE.columns):
    return [name for name in columns if name.partition("|")[0].endswith(node)]


def test_new_rows_are_swaps_one_by_one():
    result = sampler("head")
    table, y = result.fit_resample(TABLE, Y)
    editor = PartEditor.from_transformer(TRANSFORMER)
    rows = editor.read(TABLE)
    receivers, donors = result.sample_sources_.T
    np.testing.assert_array_equal(result.sample_indices_, receivers)
    np.testing.assert_array_equal(y, Y[receivers])
    for new, receiver, donor in zip(table.to_numpy(), receivers, donors):
        expected = rows[[receiver]]
        if donor >= 0:
            expected = editor.swap(expected, rows[[donor]], [editor.leaves("head")])
        np.testing.assert_array_equal(new, expected[0])
    assert result.nodes_ == ["portrait/person/head"]
    assert result.sampling_strategy_ == {"left": 30, "right": 30}


def test_several_nodes_come_from_one_donor():
    result = sampler(["hair", "background"])
    table, _ = result.fit_resample(TABLE, Y)
    copies = result.sample_sources_[:, 1] >= 0
    for node in ("hair", "background"):
        np.testing.assert_array_equal(
            table.loc[copies, columns_of(node)],
            TABLE.loc[result.sample_sources_[copies, 1], columns_of(node)],
        )


@pytest.mark.parametrize("descriptor", ["color", "shape"])
def test_blocks(descriptor):
    result = sampler({"background": [descriptor]})
    table, _ = result.fit_resample(TABLE, Y)
    copies = result.sample_sources_[:, 1] >= 0
    receivers, donors = result.sample_sources_[copies].T
    names = columns_of("background")
    shape = [name for name in names if "|shape_" in name]
    color = [
        name for name in names if not name.endswith(("|presence", "|area")) and name not in shape
    ]
    given, kept = (color, shape) if descriptor == "color" else (shape, color)
    np.testing.assert_allclose(
        table.loc[copies, given], TABLE.loc[donors, given], rtol=1e-3, atol=1e-4
    )
    kept += [name for name in names if name.endswith(("|presence", "|area"))]
    np.testing.assert_array_equal(table.loc[copies, kept], TABLE.loc[receivers, kept])
    # the root is again what the leaves make it
    PartEditor.from_transformer(TRANSFORMER).read(table)


def test_a_missing_part_is_given_as_a_whole_but_has_no_color_to_give():
    bald = TABLE["portrait/person/head/hair|presence"].to_numpy() == 0
    assert 0 < bald.sum() < 30
    whole = sampler("hair")
    table, _ = whole.fit_resample(TABLE, Y)
    copies = whole.sample_sources_[:, 1] >= 0
    presence = table.loc[copies, "portrait/person/head/hair|presence"].to_numpy()
    np.testing.assert_array_equal(presence == 0, bald[whole.sample_sources_[copies, 1]])
    part = sampler({"hair": "color"})
    part.fit_resample(TABLE, Y)
    donors = part.sample_sources_[:, 1]
    assert not bald[donors[donors >= 0]].any()


def accuracy_of_segment(table, y, result, columns):
    """Cross-validated by donor: the very same segment must not lie on both sides."""
    carried = np.where(result.sample_sources_[:, 1] < 0, *result.sample_sources_.T)
    model = make_plain_pipeline(StandardScaler(), LogisticRegression())
    splits = GroupKFold(5)
    return cross_val_score(model, table[columns], y, groups=carried, cv=splits).mean()


@pytest.mark.parametrize("n_copies", [0, 1, 3])
def test_the_segment_says_nothing_about_the_label_any_more(n_copies):
    columns = columns_of("background")
    model = make_plain_pipeline(StandardScaler(), LogisticRegression())
    assert cross_val_score(model, TABLE[columns], Y).mean() > 0.95
    result = sampler(n_copies=n_copies)
    table, y = result.fit_resample(TABLE, Y)
    # three standard errors of a coin
    assert accuracy_of_segment(table, y, result, columns) < 0.5 + 1.5 / np.sqrt(len(Y))
    # what makes the class still does
    hair = columns_of("hair")
    assert cross_val_score(model, table[hair], y).mean() > 0.8


def test_groups():
    # the background's style is known, and half of the rows of a class have the other one
    data = make_portraits(60, bias=0.8, image_size=(24, 20), random_state=1)
    table = TRANSFORMER.transform(data.images)
    result = sampler()
    _, y = result.fit_resample(table, data.target, groups=data.groups)
    carried = np.where(result.sample_sources_[:, 1] < 0, *result.sample_sources_.T)
    shares = pd.crosstab(y, np.asarray(data.groups)[carried])
    assert np.ptp(shares.to_numpy()) <= 1
    with pytest.raises(ValueError, match=r"groups must hold one group per sample, .* 60, got 2"):
        result.fit_resample(table, data.target, groups=[0, 1])


def test_groups_are_routed_as_metadata():
    data = make_portraits(60, bias=0.8, image_size=(24, 20), random_state=1)
    table = TRANSFORMER.transform(data.images)
    with config_context(enable_metadata_routing=True):
        chosen = sampler().set_fit_resample_request(groups=True)
        model = make_pipeline(chosen, KNeighborsClassifier())
        model.fit(table, data.target, groups=np.asarray(data.groups))
        direct = sampler()
        direct.fit_resample(table, data.target, groups=data.groups)
    np.testing.assert_array_equal(model[0].sample_sources_, direct.sample_sources_)


def test_tables_keep_their_kind_columns_and_dtype():
    frame, y = sampler().fit_resample(TABLE, pd.Series(Y, name="side"))
    assert isinstance(frame, pd.DataFrame)
    assert y.name == "side"
    assert (frame.dtypes == np.float32).all()
    backwards, _ = sampler().fit_resample(TABLE.iloc[:, ::-1], Y)
    pd.testing.assert_frame_equal(backwards.iloc[:, ::-1], frame)
    array, labels = sampler().fit_resample(TABLE.to_numpy(dtype=np.float64), Y.tolist())
    assert array.dtype == np.float64
    assert isinstance(labels, list)
    np.testing.assert_allclose(array, frame, rtol=1e-4, atol=1e-4)


def test_missing_parts_may_be_nan():
    transformer = clone(TRANSFORMER).set_params(missing="nan")
    table = transformer.fit_transform(DATA.images)
    new, _ = sampler(transformer=transformer).fit_resample(table, Y)
    np.testing.assert_array_equal(
        new["portrait/person/head/hair|presence"] == 0,
        new["portrait/person/head/hair|lab_mean_0"].isna(),
    )


def test_balance():
    keep = np.r_[0:60][(DATA.target == 0) | (np.arange(60) < 20)]
    result = sampler(sampling_strategy="auto")
    _, y = result.fit_resample(TABLE.iloc[keep], Y[keep])
    larger = max(np.unique(Y[keep], return_counts=True)[1])
    assert np.unique(y, return_counts=True)[1].tolist() == [2 * larger, 2 * larger]
    assert sum(result.sampling_strategy_.values()) == len(y) - len(keep)


def test_same_seed_same_bits_also_when_cloned_and_pickled():
    frozen = sampler(transformer=FrozenEstimator(TRANSFORMER))
    table, _ = sampler().fit_resample(TABLE, Y)
    for other in (sampler(), clone(frozen), pickle.loads(pickle.dumps(frozen))):
        pd.testing.assert_frame_equal(other.fit_resample(TABLE, Y)[0], table)
    fitted = pickle.loads(pickle.dumps(frozen.fit(TABLE, Y)))
    assert fitted.nodes_ == ["portrait/background"]
    assert fitted.get_feature_names_out().tolist() == TABLE.columns.tolist()


def test_other_tables_swap_columns():
    rng = np.random.default_rng(0)
    values = rng.random((12, 4))
    table = pd.DataFrame(values, columns=["a/x|0", "a/x|1", "a/y/z|0", "a/y/w|0"])
    labels = np.arange(12) % 2
    result = SegmentSwapSampler("y", random_state=0)
    new, _ = result.fit_resample(table, labels)
    receivers, donors = result.sample_sources_[12:].T
    expected = np.column_stack([values[receivers, :2], values[donors, 2:]])
    np.testing.assert_array_equal(new.to_numpy()[12:], expected)
    by_tree = SegmentSwapSampler("v", tree={"t": {"u": [0, 1], "v": [2, 3]}}, random_state=0)
    np.testing.assert_array_equal(by_tree.fit_resample(values, labels)[0], new)
    subsample = by_tree.fit_resample(sparse.csr_array(values), labels)[0]
    np.testing.assert_array_equal(subsample.toarray(), new)


def test_callable_nodes():
    seen = {}

    def find(X, y):
        seen.update(X=X, y=y)
        return ["hair"]

    given = sampler(find)
    given.fit_resample(TABLE, Y)
    assert given.nodes_ == ["portrait/person/head/hair"]
    pd.testing.assert_frame_equal(seen["X"], TABLE)
    np.testing.assert_array_equal(seen["y"], Y)
    # no evidence, no swap
    nothing = sampler(lambda X, y: [])
    table, y = nothing.fit_resample(TABLE, Y)
    pd.testing.assert_frame_equal(table, TABLE)
    np.testing.assert_array_equal(y, Y)
    assert nothing.sampling_strategy_ == {"left": 0, "right": 0}


def test_found_nodes():
    evidence = {"context": "background"}
    found = sampler("auto", shortcut_params=evidence, transformer=FrozenEstimator(TRANSFORMER))
    table, y = clone(found).fit_resample(TABLE, Y)
    given = sampler("background").fit_resample(TABLE, Y)
    pd.testing.assert_frame_equal(table, given[0])
    np.testing.assert_array_equal(y, given[1])
    found.fit(TABLE, Y)
    assert tuple(found.nodes_) == found.shortcut_report_.flagged == ("portrait/background",)
    pictures = sampler("auto", shortcut_params=evidence).fit(DATA.images, Y)
    assert pictures.nodes_ == found.nodes_
    # candidates only: nothing changes
    unsure = sampler("auto")
    pd.testing.assert_frame_equal(unsure.fit_resample(TABLE, Y)[0], TABLE)
    assert unsure.nodes_ == []
    assert unsure.shortcut_report_.candidates
    columns = {"t": {"u": ["a"], "v": ["b"]}}
    plain = pd.DataFrame({"a": (Y == "left") + 0.1 * np.arange(60) % 0.3, "b": np.arange(60) % 7})
    by_tree = sampler("auto", transformer=None, tree=columns, shortcut_params={"context": "u"})
    assert by_tree.fit(plain, Y).nodes_ == ["t/u"]
    with pytest.raises(ValueError, match="shortcut_params are for nodes='auto', got nodes='hair'"):
        sampler("hair", shortcut_params=evidence).fit(TABLE, Y)


def test_in_pipelines_and_searches():
    # images: before the transformer, which is fitted in the same pipeline
    on_images = make_pipeline(
        SegmentSwapSampler("background", tree=DATA.tree, random_state=0),
        SegmentTreeTransformer(tree=DATA.tree, descriptors="color"),
        KNeighborsClassifier(),
    )
    grid = {"segmentswapsampler__n_copies": [0, 1]}
    search = GridSearchCV(on_images, grid, cv=2, error_score="raise").fit(DATA.images[:16], Y[:16])
    assert search.predict(DATA.images[16:18]).shape == (2,)
    # the table: described once, swapped in every fold
    frozen = FrozenEstimator(TRANSFORMER)
    on_table = make_pipeline(sampler(transformer=frozen), KNeighborsClassifier())
    grid = {"segmentswapsampler__nodes": ["background", "hair"]}
    search = GridSearchCV(on_table, grid, cv=2, error_score="raise").fit(TABLE, Y)
    assert search.best_params_["segmentswapsampler__nodes"] in ("background", "hair")
    assert search.best_estimator_[0].sample_sources_.shape == (120, 2)
    # the table within the pipeline: one fitted transformer in two places
    whole = make_pipeline(
        frozen, sampler(transformer=frozen), HierarchicalMetricClassifier(random_state=0)
    )
    assert (whole.fit(DATA.images, Y).predict(DATA.images) == Y).mean() > 0.8


def test_wrong_nodes():
    with pytest.raises(TypeError, match=r"nodes must name the nodes to swap.* got None"):
        sampler(None).fit_resample(TABLE, Y)
    with pytest.raises(ValueError, match="nodes is empty"):
        sampler([]).fit_resample(TABLE, Y)
    with pytest.raises(ValueError, match="wig"):
        sampler("wig").fit_resample(TABLE, Y)
    with pytest.raises(ValueError, match="'portrait/person/head/hair', which lies below"):
        sampler(["head", "hair"]).fit_resample(TABLE, Y)
    with pytest.raises(ValueError, match="nothing of the receiver would be left"):
        sampler(["background", "person"]).fit_resample(TABLE, Y)
    with pytest.raises(ValueError, match="no descriptor 'hue'; it has 'color', 'shape'"):
        sampler({"background": ["hue"]}).fit(TABLE, Y)
    with pytest.raises(ValueError, match=r"nodes\['hair'\] is empty"):
        sampler({"hair": []}).fit(TABLE, Y)


def test_wrong_tables():
    with pytest.raises(ValueError, match="X has one node only, 'table'"):
        SegmentSwapSampler("back").fit_resample(np.random.default_rng(0).random((60, 3)), Y)
    scaled = StandardScaler().set_output(transform="pandas").fit_transform(TABLE)
    with pytest.raises(ValueError, match="neither scaled nor edited"):
        sampler().fit_resample(scaled, Y)
    with pytest.raises(ValueError, match=r"'portrait', and that has columns of its own, such as"):
        sampler(transformer=None).fit_resample(TABLE, Y)
    with pytest.raises(ValueError, match="which only a table of a fitted SegmentTreeTransformer"):
        SegmentSwapSampler({"v": "color"}, tree={"t": {"u": [0], "v": [1]}}).fit(np.eye(2), [0, 1])
    with pytest.raises(TypeError, match=r"X must be a table or SegmentedImages.* got ndarray"):
        sampler().fit_resample(np.zeros((60, 3, 3)), Y)
    with pytest.raises(ValueError, match=r"class"):
        sampler().fit_resample(TABLE, np.zeros(60, dtype=int))


def test_wrong_transformers():
    with pytest.raises(ValueError, match=r"transformer is not fitted.*FrozenEstimator"):
        clone(sampler()).fit_resample(TABLE, Y)
    with pytest.raises(TypeError, match="SegmentTreeTransformer, got StandardScaler"):
        sampler(transformer=FrozenEstimator(StandardScaler())).fit(TABLE, Y)
    with pytest.raises(ValueError, match="transformer and tree are both given"):
        sampler(tree=DATA.tree).fit(TABLE, Y)
    with pytest.raises(ValueError, match="n_copies"):
        sampler(n_copies=-1).fit(TABLE, Y)


def test_imbalanced_learn_is_optional():
    program = (
        "import sys\n"
        "import hierseg_learn, hierseg_learn.sampling\n"
        "assert 'imblearn' not in sys.modules\n"
        "sys.modules['imblearn'] = None\n"
        "try:\n"
        "    from hierseg_learn.sampling import SegmentSwapSampler\n"
        "except ImportError as error:\n"
        "    assert 'hierseg-learn[imbalance]' in str(error), error\n"
        "else:\n"
        "    raise AssertionError\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


LIBRARIES = {
    "polars": pl.from_pandas,
    "pyarrow": lambda frame: pa.Table.from_pandas(frame, preserve_index=False),
    "narwhals": lambda frame: nw.from_native(pl.from_pandas(frame)),
}


@pytest.mark.parametrize("make", LIBRARIES.values(), ids=LIBRARIES)
def test_tables_of_other_libraries_come_back_as_they_came(make):
    expected, labels = sampler().fit_resample(TABLE, Y, groups=DATA.groups)
    result = sampler()
    found, y = result.fit_resample(make(TABLE), pl.Series("y", Y), groups=pl.Series(DATA.groups))
    assert type(found) is type(make(TABLE))
    pd.testing.assert_frame_equal(as_pandas(found), expected)
    assert y.name == "y"
    assert y.to_list() == labels.tolist()
    assert result.fit(make(TABLE), Y).nodes_ == ["portrait/background"]


@pytest.mark.parametrize(
    "column",
    [
        lambda v: pd.DataFrame({"g": v}),
        lambda v: np.asarray(v)[:, np.newaxis],
        lambda v: pd.Series(v, dtype="category"),
        lambda v: pa.array(v.tolist()),
        lambda v: v.tolist(),
    ],
)
def test_labels_and_groups_of_any_container(column):
    plain, labels = sampler().fit_resample(TABLE, Y, groups=DATA.groups)
    found, y = sampler().fit_resample(TABLE, column(Y), groups=column(np.asarray(DATA.groups)))
    pd.testing.assert_frame_equal(found, plain)
    assert np.asarray(y).ravel().tolist() == labels.tolist()


@pytest.mark.parametrize(
    "call",
    [
        lambda gone: sampler().fit_resample(TABLE, gone),
        lambda gone: sampler().fit(TABLE, gone),
        lambda gone: sampler(transformer=None).fit_resample(DATA.images, gone),
        lambda gone: sampler().fit_resample(TABLE, Y, groups=gone),
    ],
)
def test_missing_labels_and_groups_are_named(call):
    gone = Y.tolist()
    gone[3] = np.nan
    for given in (
        gone,
        pd.Series(gone),
        pd.DataFrame({"y": gone}),
        pl.Series([*gone[:3], None, *gone[4:]]),
    ):
        with pytest.raises(ValueError, match=r"(y|groups) has no value \(.*\) at position 3"):
            call(given)
    with pytest.raises(ValueError, match=r"(y|groups) is a polars LazyFrame"):
        call(pl.LazyFrame({"y": Y}))


@pytest.mark.parametrize("nodes", ["background", lambda X, y: ["background"]])
def test_one_frame_is_made(nodes, monkeypatch):
    made, init = [], pd.DataFrame.__init__
    chosen = sampler(nodes)
    monkeypatch.setattr(pd.DataFrame, "__init__", lambda *a, **k: made.append(init(*a, **k)))
    chosen.fit_resample(TABLE, Y)
    assert len(made) == 1
