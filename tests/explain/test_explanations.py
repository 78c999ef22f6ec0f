"""Numbers of explanations: they add up, and come out as table and dict."""

import json
import pickle
from dataclasses import FrozenInstanceError

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from hierseg_learn.explain import PairExplanation, PredictionExplanation
from tests.explain.games import voted
from tests.strategies import segment_trees

VOTE = {
    "prediction": 1,
    "classes": [0, 1],
    "proba": [0.5, 0.5],
    "neighbors": [4, 9],
    "neighbor_classes": [1, 0],
    "squared_distances": [5, 5],
    "vote_weights": [1, 3],
}


@st.composite
def pairs(draw):
    """An explanation over any tree, with contributions of both signs."""
    tree = draw(segment_trees(any_order=True))
    whole = st.integers(-50, 100)
    direct = draw(st.lists(whole, min_size=len(tree), max_size=len(tree)))
    direct[draw(st.integers(0, len(direct) - 1))] += max(1 - sum(direct), 0)
    return PairExplanation(tree, direct)


@given(pairs())
def test_every_level_adds_up_to_the_squared_distance(explanation):
    tree, direct, total = explanation.tree, explanation.direct, explanation.total
    assert_allclose(explanation.squared_distance, direct.sum())
    assert_allclose(total[tree.root], direct.sum())
    above = 0.0
    for nodes in tree.levels():
        assert_allclose(total[nodes].sum() + above, explanation.squared_distance)
        above += direct[nodes].sum()
    for node in tree.bottom_up():
        assert_allclose(total[node], direct[tree.subtree(node)].sum())
    assert_allclose(explanation.distance**2, explanation.squared_distance)


@given(pairs())
def test_contributions_are_by_path_in_the_order_of_the_tree(explanation):
    frame = explanation.to_frame()
    assert list(frame.columns) == ["direct", "total", "share", "present_a", "present_b"]
    assert frame.index.tolist() == list(explanation.tree.paths)
    assert frame.index.name == "node"
    assert_allclose(frame["direct"].sum(), explanation.squared_distance)
    assert_allclose(frame["share"], frame["total"] / np.maximum(frame["direct"], 0).sum())
    assert frame["present_a"].isna().all()


def test_contributions_are_a_copy(pair):
    frame = pair.to_frame()
    frame.loc["photo", "direct"] = 99
    assert pair.squared_distance == 10
    with pytest.raises(ValueError, match="read-only"):
        pair.direct[0] = 1
    with pytest.raises(FrozenInstanceError):
        pair.direct = np.zeros(5)


def test_presence_columns(tree):
    pair = PairExplanation(tree, np.ones(5), present_a=[1] * 5, present_b=[1, 0, 1, 1, 1])
    frame = pair.to_frame()
    assert frame["present_a"].tolist() == [True] * 5
    assert frame["present_b"].tolist() == [True, False, True, True, True]


@pytest.mark.parametrize(
    "direct", [[0.0] * 5, [1.0, -1.0, 1e-17, 0.0, 0.0], [3.0, -3.0, 0, 0, -1e-15]]
)
def test_shares_of_no_distance_are_zero(tree, direct):
    pair = PairExplanation(tree, direct)
    assert pair.squared_distance == pytest.approx(0)
    assert pair.to_frame()["share"].tolist() == [0.0] * 5
    assert "do not differ" in pair.to_text()


def test_very_small_distances_keep_their_shares(tree):
    assert PairExplanation(tree, [0, 1e-30, 0, 0, 0]).share.tolist() == [0, 1, 0, 1, 1]


def test_prediction_explains_the_weighted_mean(prediction, tree):
    assert prediction.squared_distances.tolist() == [10, 30, 0]
    assert prediction.squared_distance == 0.5 * 10 + 0.25 * 30
    assert_allclose(prediction.direct, np.array([1, 2, 5, 1, 1]) * 1.25)
    frame = prediction.to_frame()
    assert list(frame.columns) == ["direct", "total", "share", "present"]
    assert frame["total"]["photo/person"] == 10
    votes = prediction.votes
    assert votes.index.tolist() == [12, 7, 40]
    assert votes["weight"].tolist() == [0.5, 0.25, 0.25]
    assert votes["neighbor_class"].tolist() == ["cat", "dog", "cat"]


@given(segment_trees(), st.data())
def test_one_neighbor_is_a_pair(tree, data):
    direct = data.draw(st.lists(st.integers(0, 9), min_size=len(tree), max_size=len(tree)))
    vote = {**VOTE, "neighbors": [4], "neighbor_classes": [1], "vote_weights": [0.1]}
    del vote["squared_distances"]
    prediction = voted(tree, [direct], **vote)
    pair = PairExplanation(tree, direct)
    assert_allclose(prediction.direct, pair.direct)
    assert_allclose(prediction.share, pair.share)


def test_dicts_survive_json(pair, prediction, tree):
    for explanation in (pair, prediction):
        plain = explanation.to_dict()
        assert json.loads(json.dumps(plain)) == plain
        assert [node["path"] for node in plain["nodes"]] == list(tree.paths)
        assert sum(node["direct"] for node in plain["nodes"]) == plain["squared_distance"]
    assert prediction.to_dict()["prediction"] == "cat"
    assert pair.to_dict()["nodes"][0]["present_a"] is None


def test_pickle(pair, prediction):
    for explanation in (pair, prediction):
        assert pickle.loads(pickle.dumps(explanation)).to_dict() == explanation.to_dict()


def test_integer_classes(tree):
    vote = {**VOTE, "prediction": np.int64(1), "classes": np.array([0, 1])}
    plain = PredictionExplanation(tree, np.ones(5), **vote).to_dict()
    assert plain["prediction"] == 1
    json.dumps(plain)


@pytest.mark.parametrize(
    ("direct", "options", "message"),
    [
        ([1.0] * 4, {}, r"direct must have shape \(5,\), got shape \(4,\)"),
        ([[1.0] * 4], {}, r"direct must have shape \(1, 5\), got shape \(1, 4\)"),
        ([np.nan] * 5, {}, "direct must hold finite numbers, got nan"),
        ([1.0] * 5, {"present_a": [1] * 5}, "present_b is None, but the other"),
        (
            [1.0] * 5,
            {"present_a": [1] * 5, "present_b": [1, 0]},
            r"present_b must have shape \(5,\), got shape \(2,\)",
        ),
        (
            [1.0] * 5,
            {"present_a": [0.3] * 5, "present_b": [1] * 5},
            "present_a must hold one bool",
        ),
    ],
)
def test_wrong_pairs(tree, direct, options, message):
    with pytest.raises(ValueError, match=message):
        PairExplanation(tree, direct, **options)


def test_wrong_types(tree):
    with pytest.raises(TypeError, match=r"tree must be a SegmentTree, got .* of type dict"):
        PairExplanation({}, [1.0])
    with pytest.raises(TypeError, match="direct must hold numbers, got dtype"):
        PairExplanation(tree, list("abcde"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"proba": [1.0]}, r"proba must have shape \(2,\), got shape \(1,\)"),
        ({"neighbors": [1]}, r"neighbors must have shape \(2,\), got shape \(1,\)"),
        (
            {"neighbor_classes": [1, 2]},
            r"neighbor_classes holds 2, which is not in classes=\[0, 1\]",
        ),
        ({"prediction": 3}, "prediction holds 3, which is not in classes"),
        ({"vote_weights": [0, 0]}, "vote_weights must hold weights of at least 0"),
        ({"vote_weights": [-1, 2]}, "vote_weights must hold weights of at least 0"),
        ({"vote_weights": [np.inf, 2]}, "vote_weights must hold finite numbers, got inf"),
        ({"present": [1]}, r"present must have shape \(5,\), got shape \(1,\)"),
        (
            {"decision": "rows"},
            "decision must be 'neighbors', 'prototypes' or 'linear', got",
        ),
        ({"classes": []}, r"classes must have shape \(n_classes,\), got shape \(0,\)"),
    ],
)
def test_wrong_predictions(tree, options, message):
    with pytest.raises(ValueError, match=message):
        PredictionExplanation(tree, np.ones(5), **{**VOTE, **options})


@pytest.mark.parametrize(
    ("direct", "squared", "message"),
    [
        (np.ones(4), [5, 5], r"direct must have shape \(5,\), got shape \(4,\)"),
        (np.ones(5), [[5, 5]], r"squared_distances must have shape \(n_neighbors,\), got"),
        (np.ones(5), [], r"squared_distances must have shape \(n_neighbors,\), got"),
        (np.ones(5), [5, 9], "direct must sum to the mean of squared_distances, .* 8, got 5"),
        (np.ones((1, 5)), [[5, 5]], r"vote_weights must have shape \(1, 2\), got"),
    ],
)
def test_wrong_distances_of_neighbors(tree, direct, squared, message):
    with pytest.raises(ValueError, match=message):
        PredictionExplanation(tree, direct, **{**VOTE, "squared_distances": squared})


def test_a_batch_of_pairs_holds_single_ones(tree):
    direct = np.array([[1.0, 2.0, 5.0, 1.0, 1.0], [0.0, -1.0, 3.0, 0.0, 0.0]])
    batch = PairExplanation(tree, direct, name_a=["p", "q"], name_b=[3, 4])
    assert len(batch) == 2
    for i, one in enumerate(batch):
        assert (
            one.to_dict()
            == PairExplanation(tree, direct[i], name_a="pq"[i], name_b=f"sample {3 + i}").to_dict()
        )
        assert_allclose(batch.share[i], one.share)
        assert batch.squared_distance[i] == one.squared_distance
    frame = batch.to_frame()
    assert frame["a"].tolist() == ["p"] * 5 + ["q"] * 5
    assert_allclose(frame["direct"], direct.ravel())
    assert repr(batch[::-1]) == "PairExplanation(2 samples, 5 nodes)"
    for write in (batch.to_text, batch.plot):
        with pytest.raises(ValueError, match="are of one sample, got a batch of 2"):
            write()
    with pytest.raises(TypeError, match="of a single sample has no length"):
        len(batch[0])


def test_a_batch_of_predictions_is_checked(tree):
    fields = {name: [value] * 2 for name, value in VOTE.items() if name != "classes"}
    batch = PredictionExplanation(tree, np.ones((2, 5)), classes=[0, 1], **fields)
    assert batch[1].to_dict() == PredictionExplanation(tree, np.ones(5), **VOTE).to_dict()
    with pytest.raises(ValueError, match=r"proba must have shape \(2, 2\)"):
        PredictionExplanation(
            tree, np.ones((2, 5)), classes=[0, 1], **{**fields, "proba": [0.5, 0.5]}
        )
