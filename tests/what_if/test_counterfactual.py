"""The fewest parts that change a prediction, against trying all sets one by one."""

import json
import pickle
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hierseg_learn import SegmentedImages
from hierseg_learn.datasets import make_portraits
from hierseg_learn.transformer.part_editor import PartEditor
from hierseg_learn.what_if import AblatedClassifier, counterfactual
from hierseg_learn.what_if._counterfactual import SubsetSearch
from tests.random_features import RandomFeatures

from .conftest import make_model

ablate = AblatedClassifier.from_estimator


@pytest.fixture(scope="module", params=["lda", "waves", "linear"])
def two_signals(request):
    """Class in several parts, so that one part alone does not suffice."""
    learner = RandomFeatures() if request.param == "waves" else "lda"
    signal = ("hair", "clothes", "skin", "background")
    data = make_portraits(80, signal=signal, strength=1.0, random_state=1)
    decision = "linear" if request.param == "linear" else "neighbors"
    model = make_model(data.tree, ["color"], node_metric=learner, decision=decision)
    model.fit(data.images[:60], data.target[:60])
    return model, data.images[:60], data.images[60:]


def row_by_hand(model, train, x, donor, leaves):
    editor = PartEditor.from_transformer(model[0])
    table = model[0].transform(train)
    row = model[0].transform(x)
    rows = editor.swap(row.to_numpy(), table.to_numpy()[[donor]], [leaves])
    return row.__class__(rows, columns=row.columns)


def test_result_is_what_the_model_says(two_signals):
    model, train, queries = two_signals
    for i in range(6):
        x = queries[i : i + 1]
        found = counterfactual(model, x)
        editor = PartEditor.from_transformer(model[0])
        row = row_by_hand(model, train, x, found.donor, editor.leaves(found.nodes))
        np.testing.assert_allclose(found.row, row, rtol=1e-5, atol=1e-5)
        assert model[1].predict(row)[0] == found.new_prediction
        assert found.new_prediction != found.prediction == model.predict(x)[0]
        np.testing.assert_allclose(found.new_proba, model[1].predict_proba(row)[0])
        assert found.donor_class != found.prediction


def test_no_smaller_set_of_these_donors_does_it(two_signals):
    model, train, queries = two_signals
    tree = model[0].tree_
    sizes = []
    for i in range(4):
        x = queries[i : i + 1]
        found = counterfactual(model, x, max_donors=3)
        sizes.append(len(found.nodes))
        assert found.smallest
        table = model[0].transform(train)
        codes = model[1]._codes
        right = model[1].predict_proba(table).argmax(axis=1) == codes
        others = np.flatnonzero((codes != np.argmax(found.proba)) & right)
        row = model[0].transform(x).to_numpy()
        moved = model[1].transform(table.to_numpy()[others]) - model[1].transform(row)
        donors = others[np.argsort((moved**2).sum(axis=1))[:3]]
        assert found.donor in donors
        editor = PartEditor.from_transformer(model[0])
        for size in range(1, sizes[-1]):
            for donor in donors:
                for nodes in combinations(tree.leaves.tolist(), size):
                    row = row_by_hand(model, train, x, donor, editor.leaves(nodes))
                    assert model[1].predict(row)[0] == found.prediction
    assert max(sizes) > 1


def test_the_planted_part_is_found(model, train, test):
    names = []
    for i in range(10):
        found = counterfactual(model, test[0][i])
        names += [path.split("/")[-1] for path in found.paths]
        assert found.smallest
        picture, mask = found.compose(*test[0][i], *train[0][found.donor])
        composed = SegmentedImages([picture], [mask])
        assert model.predict(composed)[0] == found.new_prediction
    # 59 of 60 over the models of three other seeds; one image may be near a border by chance
    assert len(names) == 10
    assert names.count("hair") >= 9


def test_levels_and_kept_nodes(two_signals):
    model, _, queries = two_signals
    tree = model[0].tree_
    found = counterfactual(model, queries[0], level=1)
    assert set(tree.depths[list(found.nodes)]) == {1}
    found = counterfactual(model, queries[0], level=2, keep="head")
    assert not any("head" in path for path in found.paths)
    with pytest.raises(ValueError, match="leaves no node to swap"):
        counterfactual(model, queries[0], keep="portrait")


def test_targets():
    data = make_portraits(75, n_classes=3, signal=("hair",), strength=1.0, random_state=0)
    model = make_model(data.tree, ["color"]).fit(data.images, data.target)
    for target in {0, 1, 2} - {int(data.target[0])}:
        found = counterfactual(model, data.images[0], target)
        assert found.new_prediction == target == found.donor_class == data.target[found.donor]
    with pytest.raises(ValueError, match="what the model predicts for x already"):
        counterfactual(model, data.images[0], data.target[0])
    with pytest.raises(ValueError, match=r"one of the classes, \[0, 1, 2\], got 'cat'"):
        counterfactual(model, data.images[0], "cat")


def test_ablated_models_and_tables(model, test, two_signals):
    model2, _, queries = two_signals
    ablated = ablate(model2, "clothes")
    found = counterfactual(ablated, queries[1])
    assert not any("clothes" in path for path in found.paths)
    assert ablated.classifier_.predict(found.row)[0] == found.new_prediction
    table = model[0].transform(test[0])
    by_image = counterfactual(model, test[0][3])
    by_row = counterfactual(model[1], table.iloc[3], transformer=model[0])
    assert by_row.to_dict() == by_image.to_dict()


def test_words_dict_pickle(model, test):
    found = counterfactual(model, test[0][0])
    text = found.to_text()
    assert f"training image {found.donor}" in text
    assert str(found.new_prediction) in text
    assert "No smaller swap" in text
    assert json.loads(json.dumps(found.to_dict()))["paths"] == list(found.paths)
    assert pickle.loads(pickle.dumps(found)).to_text() == text
    assert "hair" in repr(found)


def test_nothing_found(model, test):
    result = counterfactual(model, test[0][0], keep="hair", max_donors=2)
    assert not result.found
    assert result.paths == ()
    assert result.smallest
    assert result.new_prediction == result.prediction == model.predict(test[0][:1])[0]
    assert result.donor is result.row is result.new_proba is None
    text = result.to_text()
    assert f"No swap of the allowed size changes it ({result.n_evaluations} swaps" in text
    assert json.loads(json.dumps(result.to_dict()))["found"] is False
    assert "none found" in repr(result)
    with pytest.raises(ValueError, match="No swap was found"):
        result.compose(*test[0][0], *test[0][1])
    few = counterfactual(model, test[0][0], 1 - result.prediction, keep="hair", max_evaluations=8)
    assert not few.smallest
    assert f"among those tried changes it to {few.target}" in few.to_text()


@pytest.mark.parametrize("name", ["max_donors", "max_nodes", "max_evaluations", "level"])
@pytest.mark.parametrize("value", [0, 1.5, True])
def test_wrong_counts(model, test, name, value):
    with pytest.raises(ValueError, match=rf"{name} must be an integer of at least 1, got {value}"):
        counterfactual(model, test[0][0], **{name: value})


def game(seed, n_donors, n_players, threshold):
    """Weights of players by donor; a set wins when they add up."""
    rng = np.random.default_rng(seed)
    weights = rng.integers(0, 4, (n_donors, n_players))
    seen = []

    def evaluate(donors, sets):
        seen.extend(zip(donors.tolist(), map(tuple, sets.tolist())))
        lead = (weights[donors] * sets).sum(axis=1).astype(float)
        won = lead >= threshold
        return np.stack([~won, won], axis=1).astype(float), lead

    return weights, evaluate, lambda proba: proba.argmax(axis=1) == 1, seen


games = given(
    seed=st.integers(0, 2**16),
    n_donors=st.integers(1, 3),
    n_players=st.integers(1, 7),
    threshold=st.integers(1, 14),
    budget=st.integers(1, 400),
)


@settings(deadline=None, max_examples=150)
@games
def test_search(seed, n_donors, n_players, threshold, budget):
    weights, evaluate, wins, seen = game(seed, n_donors, n_players, threshold)
    search = SubsetSearch(evaluate, wins, np.ones(weights.shape, dtype=bool), budget)
    found = search.run(n_players)
    # the game is additive: the heaviest players make the smallest sets
    heaviest = np.sort(weights, axis=1)[:, ::-1].cumsum(axis=1).max(axis=0)
    best = np.flatnonzero(heaviest >= threshold)
    assert search.n_evaluations == len(seen) <= max(budget, n_players)
    if found is None:
        assert not len(best) or budget < 400
        assert search.all_tried <= n_players
        return
    size = found.players.sum()
    assert (weights[found.donor] * found.players).sum() >= threshold
    assert size >= best[0] + 1
    if search.all_tried >= size - 1:
        assert size == best[0] + 1
    if budget >= n_donors * 2**n_players * 2:
        assert search.all_tried >= size - 1


def test_parts_that_both_lack_are_not_tried():
    _, evaluate, wins, seen = game(0, 2, 4, 100)
    differs = np.array([[True, False, True, False], [False, False, True, True]])
    SubsetSearch(evaluate, wins, differs, 1000).run(4)
    assert not any(np.any(~differs[donor] & players) for donor, players in seen)
