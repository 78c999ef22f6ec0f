"""Loss of accuracy when nodes are swapped."""

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from hierseg_learn import HierarchicalMetricClassifier, SegmentTreeTransformer
from hierseg_learn.audit import NodeReliance, node_reliance
from hierseg_learn.datasets import make_portraits
from hierseg_learn.fitted import model
from hierseg_learn.metrics.canonical import canonical_order
from hierseg_learn.transformer.part_editor import PartEditor
from hierseg_learn.tree import SegmentTree
from hierseg_learn.utils.numbers import points
from tests.audit.conftest import SHORTCUT


class OneNode(ClassifierMixin, BaseEstimator):
    """Reads the columns of one node, and no other."""

    def __init__(self, path):
        self.path = path

    def fit(self, X, y):
        self.feature_names_in_ = np.array(X.columns, dtype=object)
        self.n_features_in_ = X.shape[1]
        self.model_ = make_pipeline(StandardScaler(), LogisticRegression()).fit(self._own(X), y)
        return self

    def predict(self, X):
        return self.model_.predict(self._own(X))

    def _own(self, X):
        return X[[name for name in X.columns if name.startswith(f"{self.path}|")]]


@pytest.fixture(scope="module")
def fitted(biased):
    model = make_pipeline(StandardScaler(), LogisticRegression())
    return model.fit(biased.table, biased.target)


@pytest.fixture(scope="module")
def reliance(fitted, biased, unbiased):
    table = biased.transformer.transform(unbiased.images)
    return node_reliance(
        fitted,
        table,
        unbiased.target,
        unbiased.style,
        ablate=True,
        n_repeats=3,
        transformer=biased.transformer,
        random_state=0,
    )


def drops(reliance):
    return dict(zip([reliance.tree.paths[v] for v in reliance.nodes], reliance.drop))


def test_cues_cost_and_parts_that_say_nothing_do_not(reliance):
    drop = drops(reliance)
    assert drop["portrait/person/head/hair"] > 0.1
    assert drop["portrait/person/body/clothes"] > 0.1
    for silent in ("neck", "eyes", "mouth"):
        assert abs(reliance.drop[reliance.nodes == reliance.tree.index(silent)][0]) < 0.03


def test_swap_of_the_whole_root_leaves_chance(reliance):
    root = reliance.tree.root
    after = reliance.accuracy - reliance.drop[root]
    assert after == pytest.approx(0.5, abs=0.1)


def test_swapping_a_shortcut_helps_the_worst_cell(biased, unbiased):
    model = OneNode(SHORTCUT).fit(biased.table, biased.target)
    table = biased.transformer.transform(unbiased.images)
    params = {"transformer": biased.transformer, "random_state": 0}
    reliance = node_reliance(model, table, unbiased.target, unbiased.style, **params)
    node = reliance.tree.index(SHORTCUT)
    assert reliance.worst_accuracy < 0.2
    assert reliance.worst_drop[node] < -0.1
    assert abs(reliance.drop[node]) < 0.1
    assert "With background from another image the worst cell gains" in reliance.to_text()


def test_only_the_node_and_its_relatives_count(biased):
    """A model that reads the face relies on it, on what holds it and on what it holds."""
    model = OneNode("portrait/person/head/face").fit(biased.table, biased.target)
    predicted = model.predict(biased.table)
    reliance = node_reliance(
        model, biased.table, predicted, transformer=biased.transformer, random_state=0
    )
    face = reliance.tree.index("face")
    related = {face, *reliance.tree.ancestors(face), *reliance.tree.subtree(face)}
    for node, drop in zip(reliance.nodes, reliance.drop):
        if node not in related:
            assert drop == 0
    assert reliance.drop[face] > 0.2


def test_against_brute_force(fitted, biased):
    """One repeat of one node by hand: every image gives once and takes from another."""
    calls = []

    class Spy(PartEditor):
        def swap(self, rows, given, leaves):
            calls.append([[place(row) for row in some] for some in (rows, given)])
            return super().swap(rows, given, leaves)

    def place(row):
        return int(np.flatnonzero((table == row).all(axis=1))[0])

    audited = model.FittedModel.from_estimator(fitted, biased.transformer, needs="parts")
    table = audited.rows(biased.table)
    spy = Spy(audited.editor.describer, audited.editor.fill_values)
    patched = pytest.MonkeyPatch()
    patched.setattr(model.PartEditor, "from_transformer", lambda _: spy)
    with patched.context():
        reliance = node_reliance(
            fitted,
            biased.table,
            biased.target,
            nodes="hair",
            n_repeats=1,
            transformer=biased.transformer,
            random_state=3,
        )
    patched.undo()
    takers, donors = np.array(calls[0])
    assert sorted(takers) == sorted(donors) == list(range(len(table)))
    assert (donors != takers).all()
    leaves = np.tile(audited.editor.leaves("hair"), (len(table), 1))
    by_hand = audited.predict(audited.editor.swap(table[takers], table[donors], leaves))
    after = np.mean(by_hand == biased.target[takers])
    assert reliance.accuracy - reliance.drop[0] == pytest.approx(after)


def test_order_of_rows_does_not_matter(fitted, biased):
    order = np.random.default_rng(0).permutation(len(biased.table))
    params = {"nodes": ["hair", "background"], "n_repeats": 2, "ablate": True, "random_state": 0}
    before, after = (
        node_reliance(
            fitted,
            biased.table.iloc[rows],
            biased.target[rows],
            biased.style[rows],
            transformer=biased.transformer,
            **params,
        )
        for rows in (np.arange(len(order)), order)
    )
    assert (before.swapped_hits == after.swapped_hits).all()
    assert (before.baseline_hits == after.baseline_hits).all()
    pd.testing.assert_frame_equal(before.to_frame(), after.to_frame(), atol=1e-12, rtol=0)
    np.testing.assert_allclose(before.cell_errors, after.cell_errors, atol=1e-12)


def test_groups_add_up_and_their_names_do_not_matter(reliance, fitted, biased, unbiased):
    weights = reliance.sizes.sum(axis=1) / reliance.sizes.sum()
    assert reliance.group_drop @ weights == pytest.approx(reliance.drop)
    again = node_reliance(
        fitted,
        biased.transformer.transform(unbiased.images),
        unbiased.target,
        np.array(["z", "a"])[unbiased.style],
        ablate=True,
        n_repeats=3,
        transformer=biased.transformer,
        random_state=0,
    )
    assert (again.drop == reliance.drop).all()
    assert (again.worst_drop == reliance.worst_drop).all()
    assert (again.group_drop[:, ::-1] == reliance.group_drop).all()
    assert (again.ablated_hits[:, ::-1] == reliance.ablated_hits).all()


def test_frame_is_tidy(reliance):
    frame = reliance.to_frame()
    assert len(frame) == len(reliance.nodes) * (1 + 2 + 1)
    assert set(frame["scope"]) == {"overall", "group", "worst"}
    overall = frame[frame["scope"] == "overall"].set_index("node")["drop"]
    assert overall.to_dict() == pytest.approx(drops(reliance))
    assert (frame["accuracy"] - frame["ablated"] - frame["drop_ablated"]).abs().max() < 1e-12
    assert "ablated: overall" in reliance.to_text()
    assert reliance._repr_html_().count("<tr>") == 1 + len(reliance.nodes)


def test_pipelines_frozen_transformers_and_our_classifier_agree(biased):
    X, y = biased.table, biased.target
    classifier = HierarchicalMetricClassifier(random_state=0).fit(X, y)
    images = biased.images[:40]
    pipeline = make_pipeline(FrozenEstimator(biased.transformer), classifier)
    params = {"n_repeats": 1, "nodes": ["hair", "head"], "random_state": 0}
    by_images = node_reliance(pipeline, images, y[:40], **params)
    by_table = node_reliance(
        classifier, X.iloc[:40], y[:40], transformer=biased.transformer, **params
    )
    assert (by_images.swapped_hits == by_table.swapped_hits).all()
    assert (by_images.hits == by_table.hits).all()


def test_columns_in_another_order(fitted, biased):
    params = {"n_repeats": 1, "nodes": "hair", "transformer": biased.transformer, "random_state": 0}
    shuffled = biased.table.iloc[:, ::-1]
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(shuffled, biased.target)
    a = node_reliance(model, biased.table, biased.target, **params)
    b = node_reliance(model, shuffled, biased.target, **params)
    assert (a.swapped_hits == b.swapped_hits).all()


def test_wrong_arguments(fitted, biased):
    X, y, transformer = biased.table, biased.target, biased.transformer
    with pytest.raises(TypeError, match="transformer must be the fitted SegmentTreeTransformer"):
        node_reliance(fitted, X, y)
    search = GridSearchCV(make_pipeline(SegmentTreeTransformer(), LogisticRegression()), {})
    search.best_estimator_ = None
    with pytest.raises(TypeError, match="pass its best_estimator_"):
        node_reliance(search, X, y)
    with pytest.raises(TypeError, match="and a classifier, or such a classifier with"):
        node_reliance(make_pipeline(transformer), X, y)
    pipeline = make_pipeline(transformer, fitted)
    with pytest.raises(ValueError, match="leave it out"):
        node_reliance(pipeline, biased.images, y, transformer=transformer)
    small = LogisticRegression().fit(X.iloc[:, :3], y)
    with pytest.raises(ValueError, match="model was fitted on has 3 columns"):
        node_reliance(small, X, y, transformer=transformer)
    with pytest.raises(ValueError, match="neither scaled nor edited"):
        node_reliance(fitted, X * 2, y, transformer=transformer)
    with pytest.raises(ValueError, match="y must hold one class per sample, expected 160, got 3"):
        node_reliance(fitted, X, y[:3], transformer=transformer)
    with pytest.raises(ValueError, match="at least two samples"):
        node_reliance(fitted, X.iloc[:1], y[:1], transformer=transformer)
    with pytest.raises(ValueError, match="No node is named 'hat'"):
        node_reliance(fitted, X, y, nodes="hat", transformer=transformer)
    with pytest.raises(ValueError, match="nodes must name at least one node"):
        node_reliance(fitted, X, y, nodes=[], transformer=transformer)
    tree = SegmentTree.from_nested({"photo": {"sky": 0, "boat": 1}})
    with pytest.raises(ValueError, match=r"hits must have shape \(1, 2\), got \(1, 3\)"):
        NodeReliance(tree, [0], ("a",), sizes=[[1, 1]], hits=[[1, 1, 1]], swapped_hits=[[[[1, 1]]]])


def test_classes_that_the_model_does_not_know(fitted, biased):
    X, y, params = biased.table, biased.target, {"transformer": biased.transformer, "nodes": "hair"}
    changed = y.copy()
    changed[[2, 5]] = 7
    with pytest.raises(
        ValueError, match=r"y holds 7 at positions 2, 5 .* which the model does not"
    ):
        node_reliance(fitted, X, changed, **params)
    with pytest.raises(ValueError, match=r"y holds text such as .* the model are numbers"):
        node_reliance(fitted, X, y.astype(str), **params)
    with pytest.raises(ValueError, match=r"y has no value \(nan\) at position 2"):
        node_reliance(fitted, X, np.where(np.arange(len(y)) == 2, np.nan, y), **params)


def test_what_the_swap_itself_disturbs_is_not_counted_for_a_node(biased):
    class Areas(ClassifierMixin, BaseEstimator):
        """Right as long as the areas add up as they do in photos."""

        def fit(self, X, y):
            self.feature_names_in_, self.n_features_in_ = np.array(X.columns), X.shape[1]
            # rows are audited in the order of their contents
            order, _ = canonical_order(X.to_numpy(), np.asarray(y))
            self.truth_ = np.asarray(y)[order]
            return self

        def predict(self, X):
            whole = np.abs(X["portrait|area"].to_numpy() - 1) < 1e-4
            return np.where(whole, self.truth_, 1 - self.truth_)

    model = Areas().fit(biased.table, biased.target)
    found = node_reliance(
        model, biased.table, biased.target, transformer=biased.transformer, random_state=0
    )
    hair = found.nodes == found.tree.index("hair")
    assert found.drop[hair] > 0.5
    assert found.disturbance[hair] > 0.5
    assert not found.is_relied_on[found.nodes != found.tree.root].any()
    assert "not counted for the node" in found.to_text()


def test_nodes_that_carry_nothing_are_not_named_and_a_planted_one_is():
    named, n_silent, found = 0, 0, []
    for seed in range(3):
        data = make_portraits(
            120, signal=("hair",), strength=1.0, image_size=(30, 25), random_state=seed
        )
        transformer = SegmentTreeTransformer(tree=data.tree, descriptors=["color", "shape"])
        table = transformer.fit_transform(data.images)
        shuffled = np.random.default_rng(seed).permutation(data.target)
        for y in (data.target, shuffled):
            model = make_pipeline(StandardScaler(), LogisticRegression()).fit(table[:60], y[:60])
            reliance = node_reliance(
                model, table[60:], y[60:], transformer=transformer, random_state=0
            )
            hair = reliance.tree.index("hair")
            above = [hair, *reliance.tree.ancestors(hair)]
            silent = ~np.isin(reliance.nodes, above) | (y is shuffled)
            named += reliance.is_relied_on[silent].sum()
            n_silent += silent.sum()
            if y is not shuffled:
                found.append(bool(reliance.is_relied_on[reliance.nodes == hair].all()))
    assert all(found)
    assert named <= 0.05 * n_silent


def test_standard_error_is_that_of_audits_of_other_photos(biased, fitted):
    # many disjoint samples: the spread of the excess over them is what the error estimates
    n_repeats, excess, errors = 5, [], []
    data = make_portraits(
        600,
        signal=("hair", "clothes"),
        strength=0.15,
        noise=0.1,
        bias=0.95,
        missing=0.1,
        image_size=(30, 25),
        random_state=9,
    )
    table = biased.transformer.transform(data.images)
    for k in range(15):
        some = slice(40 * k, 40 * k + 40)
        found = node_reliance(
            fitted,
            table[some],
            data.target[some],
            nodes=["hair", "background"],
            n_repeats=n_repeats,
            transformer=biased.transformer,
            random_state=k,
        )
        excess.append(found.excess)
        errors.append(found.errors)
    ratio = np.mean(errors, axis=0) / np.std(excess, axis=0, ddof=1)
    assert (ratio > 0.6).all()
    assert (ratio < 2).all()


def test_columns_of_the_table_are_named_as_those_of_the_frame(reliance):
    ((_, heads, rows),) = reliance.tables()
    frame = reliance.to_frame().set_index(["scope", "node"])
    columns = {
        "overall": ("overall", "drop"),
        "excess": ("overall", "excess"),
        "excess in worst cell": ("worst", "excess"),
        "ablated: overall": ("overall", "drop_ablated"),
        "ablated: worst cell": ("worst", "drop_ablated"),
    }
    for row in rows:
        node = reliance.tree.paths[reliance.tree.index(row[0].strip())]
        for head, (scope, name) in columns.items():
            expected = points(-frame[name].to_dict()[scope, node])
            assert row[heads.index(head)] == expected, (node, head)
