"""The finder: right where there is something to find, quiet where there is not."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.metrics import balanced_accuracy_score

from hierseg_learn import SegmentTreeTransformer
from hierseg_learn.audit import Evidence, ShortcutReport, find_shortcuts
from hierseg_learn.tree import SegmentTree
from tests.audit.conftest import SHORTCUT as BACKGROUND
from tests.audit.toys import NODES, SHORTCUT, toy_table
from tests.tables import named_table

KINDS = ("context", "unlabeled", "unbiased")


# The centers of the classes come from the seed, so training and place of use share it.
def biased_pair(kind, seed, n_classes=2, bias=0.95, weights=None):
    X, y, _ = toy_table(300, bias, seed, n_classes, weights=weights)
    rows = {"context": {"context": "sky"}}
    if kind != "context":
        new, labels, _ = toy_table(300, 1 / n_classes, seed, n_classes, weights=weights)
        rows["unlabeled"] = {"unlabeled": new[150:]}
        rows["unbiased"] = {"unbiased": (new[150:230], labels[150:230])}
    return X, y, rows[kind]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n_classes", [2, 4])
def test_finds_the_planted_node_and_no_other(kind, n_classes):
    X, y, given_ = biased_pair(kind, 3, n_classes)
    report = find_shortcuts(X, y, random_state=0, **given_)
    assert report.flagged == (SHORTCUT,)
    assert report.to_frame().index[0] == SHORTCUT
    assert report.kinds == (kind,)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("weights", [None, (0.85, 0.15)])
def test_nothing_is_flagged_without_bias(kind, weights):
    for seed in range(4):
        X, y, given_ = biased_pair(kind, seed, bias=0.5, weights=weights)
        assert find_shortcuts(X, y, random_state=0, **given_).flagged == ()


def test_false_positives_come_as_often_as_alpha_says():
    """The p-value of a node that says nothing is uniform, whatever the balance of the classes."""
    p_values = []
    for seed in range(60):
        X, y, _ = toy_table(90, 0.5, seed, weights=(0.7, 0.3))
        X = X[[name for name in X.columns if name.startswith("photo/sky")]]
        report = find_shortcuts(X, y, context="photo/sky", n_permutations=60, random_state=seed)
        p_values.append(report.to_frame().loc["photo/sky", "p_value"])
    assert np.mean(np.array(p_values) < 0.2) == pytest.approx(0.2, abs=0.15)
    assert np.mean(p_values) == pytest.approx(0.5, abs=0.12)


def test_threshold_is_a_little_above_the_binomial_one():
    """Folds share training rows, so rows of different folds err together."""
    X, y, _ = toy_table(400, 0.5, 0)
    own = [f"{SHORTCUT}|lab_{k}" for k in range(4)]
    X[own] = np.random.default_rng(0).normal(size=(400, 4))
    report = find_shortcuts(X, y, context="sky", random_state=0)
    threshold = report.to_frame().loc[SHORTCUT, "threshold"]
    binomial = 0.5 + 1.5 / np.sqrt(400)
    assert binomial - 0.01 < threshold < binomial + 0.05


def test_without_evidence_only_candidates():
    X, y, _ = toy_table(200, 1.0, 0)
    report = find_shortcuts(X, y, random_state=0)
    assert report.flagged == ()
    assert report.kinds == ()
    assert set(report.candidates) == set(NODES) - {"photo"}
    assert "cannot tell a shortcut from an informative node" in report.certainty
    assert report.to_frame()["p_value"].isna().all()


def test_context_below_a_declared_node_is_tested_and_nothing_else():
    X, y, _ = toy_table(300, 0.5, 1)
    report = find_shortcuts(X, y, context="photo/boat", random_state=0)
    # Both parts are predictive; the whole consists of them.
    assert set(report.flagged) == {"photo/boat/hull", "photo/boat/sail"}
    assert report.to_frame().loc["photo/boat", "p_value"] < 0.001
    assert np.isnan(report.to_frame().loc[SHORTCUT, "p_value"])


def test_geometry_and_presence_do_not_flag():
    X, y, _ = toy_table(200, 0.5, 0)
    assert find_shortcuts(X, y, context="sky", random_state=0).flagged == ()
    everything = find_shortcuts(X, y, context="sky", appearance_only=False, random_state=0)
    assert everything.flagged == (SHORTCUT,)
    # absent in most rows of one class, filled with the mean: a fact about presence
    absent = (y == 1) & (np.arange(200) % 8 > 0)
    X.loc[absent, "photo/sky|presence"] = 0
    X.loc[absent, [f"photo/sky|lab_{k}" for k in range(4)]] = 9.0
    assert find_shortcuts(X, y, context="sky", random_state=0).flagged == ()
    X.loc[absent, [f"photo/sky|lab_{k}" for k in range(4)]] = np.nan
    assert find_shortcuts(X, y, context="sky", random_state=0).flagged == ()


@settings(max_examples=5, deadline=None)
@given(st.permutations(range(35)), st.sampled_from([("b", "a"), (7, -1), ("x", "y")]))
def test_order_of_columns_and_names_of_classes_do_not_matter(order, names):
    X, y, given_ = biased_pair("unlabeled", 3)
    params = {"context": "sky", "n_permutations": 40, "random_state": 0, **given_}
    before = find_shortcuts(X, y, **params)
    after = find_shortcuts(X.iloc[:, list(order)], np.array(names)[y], **params)
    assert before.flagged == after.flagged
    old, new = before.to_frame(), after.to_frame().loc[before.to_frame().index]
    for name in ("solo_accuracy", "value", "threshold", "p_value"):
        np.testing.assert_allclose(old[name], new[name], atol=1e-8)


@pytest.mark.parametrize("kind", KINDS)
def test_order_of_rows_does_not_matter(kind):
    X, y, given_ = biased_pair(kind, 3)
    photos = [np.zeros((20 + k, 20 + k % 3)) for k in np.random.default_rng(1).integers(0, 9, 300)]
    params = {"n_permutations": 40, "random_state": 0}
    before = find_shortcuts(X, y, images=photos, **params, **given_)
    rng = np.random.default_rng(0)
    for order in (np.arange(len(X))[::-1], rng.permutation(len(X))):
        if kind == "unlabeled":
            given_ = {kind: given_[kind].iloc[rng.permutation(len(given_[kind]))]}
        if kind == "unbiased":
            new = rng.permutation(len(given_[kind][1]))
            given_ = {kind: (given_[kind][0].iloc[new], given_[kind][1][new])}
        images = [photos[i] for i in order]
        after = find_shortcuts(X.iloc[order], y[order], images=images, **params, **given_)
        assert before.flagged == after.flagged
        pd.testing.assert_frame_equal(before.to_frame(), after.to_frame(), atol=1e-12, rtol=0)
        metadata = before.metadata.to_frame(), after.metadata.to_frame()
        pd.testing.assert_frame_equal(*metadata, atol=1e-12, rtol=0)


def test_other_class_proportions_flag_nothing():
    X, y, _ = toy_table(300, 0.9, 3, cue=0.95)
    new, labels, _ = toy_table(600, 0.9, 3, cue=0.95)
    one_class = new[labels == 0][:150]
    report = find_shortcuts(X, y, unlabeled=one_class, random_state=0)
    assert report.flagged == ()
    assert "differ in another way" in report.certainty


def test_with_one_partner_only_it_is_unknown_which_of_the_two_is_spurious():
    X, y, given_ = biased_pair("unlabeled", 3)
    two = [name for name in X.columns if name.startswith(("photo/sky|", "photo/boat/hull|"))]
    report = find_shortcuts(X[two], y, unlabeled=given_["unlabeled"][two], random_state=0)
    assert report.flagged == ()
    results = report.to_frame()["result"]
    assert (results[["photo/sky", "photo/boat/hull"]] == "one of two").all()
    assert "one of two nodes is spurious" in report.to_text()
    assert "there is no evidence which of the two" in report.certainty
    # with the declaration it is clear
    sure = find_shortcuts(
        X[two], y, unlabeled=given_["unlabeled"][two], context="sky", random_state=0
    )
    assert sure.flagged == ("photo/sky",)
    assert "one of two" not in set(sure.to_frame()["result"])


def test_several_kinds_share_alpha():
    X, y, unlabeled = biased_pair("unlabeled", 3)
    _, _, unbiased = biased_pair("unbiased", 3)
    report = find_shortcuts(X, y, context="sky", random_state=0, **unlabeled, **unbiased)
    assert report.kinds == KINDS
    assert report.flagged == (SHORTCUT,)


def test_solo_accuracy_is_that_of_a_discriminant():
    """On plain columns the cross-fitted node classifier does what scikit-learn's does."""
    X, y, _ = toy_table(400, 0.9, 5)
    new, labels, _ = toy_table(400, 0.9, 5)
    own = [f"{SHORTCUT}|lab_{k}" for k in range(4)]
    model = LinearDiscriminantAnalysis(priors=[0.5, 0.5]).fit(X[own], y)
    expected = balanced_accuracy_score(labels, model.predict(new[own]))
    report = find_shortcuts(X, y, random_state=0)
    assert report.to_frame().loc[SHORTCUT, "solo_accuracy"] == pytest.approx(expected, abs=0.03)


def test_images_and_arrays_with_a_transformer(biased, unbiased):
    params = {"context": "background", "transformer": biased.transformer, "random_state": 0}
    by_table = find_shortcuts(biased.table, biased.target, **params)
    by_images = find_shortcuts(biased.images, biased.target, **params)
    by_array = find_shortcuts(biased.table.to_numpy(), biased.target, **params)
    assert by_table.flagged == by_images.flagged == by_array.flagged == (BACKGROUND,)
    assert by_table.to_frame().equals(by_images.to_frame())
    fair = find_shortcuts(unbiased.table, unbiased.target, context="background", random_state=0)
    assert fair.flagged == ()


def test_says_what_it_found():
    X, y, given_ = biased_pair("unbiased", 3)
    report = find_shortcuts(X, y, random_state=0, **given_)
    text = report.to_text()
    assert text.startswith("Flagged: sky predicts the class and should not.")
    assert "0.1%" in report.certainty
    row = report.to_frame().loc[SHORTCUT]
    assert row["low"] < row["value"] < row["high"]
    assert row["value"] > row["threshold"]
    assert row["result"] == "flagged"
    html = report._repr_html_()
    assert html.count("<tr>") == 1 + len(NODES) + 1 + len(report.metadata.facts)
    # a table without photos says what it cannot say
    assert "Not checked, missing from the input: height, width" in text
    assert "ShortcutReport(1 flagged, evidence: unbiased)" in repr(report)
    json.dumps(report.flagged)


def test_wrong_arguments():
    X, y, _ = toy_table(60, 0.5, 0)
    with pytest.raises(ValueError, match="y must hold one class per sample, expected 60"):
        find_shortcuts(X, y[:3])
    with pytest.raises(ValueError, match="two classes of 5 rows"):
        find_shortcuts(X, np.zeros(60))
    with pytest.raises(ValueError, match="did you mean 'sky'"):
        find_shortcuts(X, y, context="skye")
    with pytest.raises(ValueError, match="context must name at least one node"):
        find_shortcuts(X, y, context=[])
    with pytest.raises(ValueError, match=r"unlabeled has no column .* of the training table"):
        find_shortcuts(X, y, unlabeled=X.iloc[:, 1:])
    with pytest.raises(TypeError, match="unbiased must be a pair"):
        find_shortcuts(X, y, unbiased=X)
    with pytest.raises(ValueError, match="holds the class 5, which is not in y"):
        find_shortcuts(X, y, unbiased=(X, np.full(60, 5)))
    with pytest.raises(ValueError, match="NaN or infinity in row 3, in a column of 'photo/sky'"):
        find_shortcuts(X.assign(**{"photo/sky|lab_0": np.where(X.index == 3, np.nan, 0)}), y)
    with pytest.raises(TypeError, match="X is images"):
        find_shortcuts([np.zeros((4, 4))] * 3, y[:3])
    with pytest.raises(TypeError, match="transformer must be a fitted SegmentTreeTransformer"):
        find_shortcuts(X, y, transformer=object())
    with pytest.raises(ValueError, match="not fitted"):
        find_shortcuts(X, y, transformer=SegmentTreeTransformer())
    with pytest.raises(ValueError, match="'alpha' parameter"):
        find_shortcuts(X, y, alpha=0)


def test_a_node_that_a_whole_fold_lacks():
    X, y = named_table(40, 2)
    present = np.arange(40) < 11
    X["photo/sky|presence"] = present.astype(float)
    X.loc[~present, [name for name in X if name.startswith("photo/sky|d_")]] = 0.0
    for seed in range(5):
        assert find_shortcuts(X, y, cv=8, n_permutations=20, random_state=seed).flagged == ()


@pytest.mark.parametrize("is_general", [True, False])
@pytest.mark.parametrize("turned", [True, False])
def test_figures_of_a_flagged_node_are_those_it_is_flagged_for(is_general, turned):
    # the other kind has the larger z, and flags nothing: photos of another kind, or a skewed chance
    evidence = []
    for kind, value, z, p_value in (("unlabeled", 0.1, 9.0, 0.02), ("context", 0.9, 5.0, 1e-5)):
        found = Evidence.empty(kind, 3)
        found.value[1], found.z[1], found.p_value[1] = value, z, p_value
        evidence.append(found)
    if is_general:
        evidence[0].p_value[1] = 1e-9
        evidence[0] = replace(evidence[0], is_general=True)
    report = ShortcutReport(
        SegmentTree.from_nested({"photo": {"sky": 0, "boat": 1}}),
        solo_accuracy=np.full(3, 0.9),
        chance=np.full(3, 0.5),
        solo_p_value=np.zeros(3),
        evidence=tuple(evidence[::-1] if turned else evidence),
        is_flagged=np.array([False, True, False]),
        alpha=0.001,
        n_rows=100,
    )
    row = report.to_frame().loc[report.tree.paths[1]]
    assert row[["evidence", "value", "z", "p_value", "result"]].tolist() == [
        "context", 0.9, 5.0, 1e-5, "flagged",
    ]  # fmt: skip
