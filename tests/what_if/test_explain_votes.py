"""Votes by part, against asking the model about every set of parts."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from hierseg_learn import HierarchicalMetricClassifier, SegmentTreeTransformer
from hierseg_learn.explain import shapley_values
from hierseg_learn.transformer.part_editor import PartEditor
from hierseg_learn.what_if import AblatedClassifier, explain_votes
from tests.random_features import RandomFeatures

from .conftest import make_model

ablate = AblatedClassifier.from_estimator


@pytest.fixture(scope="module", params=["uniform", "distance", "prototypes", "linear", "waves"])
def any_model(request, portraits, train):
    means = request.param in ("prototypes", "linear")
    params = {"decision": request.param} if means else {}
    if request.param == "distance":
        params = {"weights": "distance", "combination": "projection"}
    if request.param == "waves":
        params = {"node_metric": RandomFeatures(), "combination": "projection"}
    return make_model(portraits.tree, **params).fit(*train)


def by_hand(model, x, donors, code):
    """Shapley values of the leaves that are there, one row of the table per coalition."""
    editor = PartEditor.from_transformer(model[0])
    table = model[0].transform(x)
    row = table.to_numpy()
    leaves = model[0].tree_.leaves
    presence = [table.columns.get_loc(f"{model[0].tree_.paths[leaf]}|presence") for leaf in leaves]
    there = np.flatnonzero(row[0, presence])
    given = None if donors is None else model[0].transform(donors).to_numpy()

    def worth(kept):
        out = np.zeros((len(kept), len(leaves)), dtype=bool)
        out[:, there] = ~kept
        if given is None:
            rows = [editor.ablate(np.repeat(row, len(kept), axis=0), out)]
        else:
            rows = [editor.swap(row, donor[np.newaxis], out) for donor in given]
        frames = [type(table)(made, columns=table.columns) for made in rows]
        return np.mean([model[1].predict_proba(frame)[:, code] for frame in frames], axis=0)

    return leaves[there], shapley_values(worth, len(there))


@pytest.mark.parametrize("n_donors", [0, 3])
def test_shapley_values_of_the_votes(any_model, train, test, n_donors):
    donors = train[0][:n_donors] if n_donors else None
    for i in range(4):
        x = test[0][i : i + 1]
        explanation = explain_votes(any_model, x, donors=donors)
        code = int(any_model.predict_proba(x)[0].argmax())
        players, expected = by_hand(any_model, x, donors, code)
        assert explanation.label == any_model.predict(x)[0]
        assert explanation.players.tolist() == players.tolist()
        assert_allclose(explanation.direct[players], expected, atol=1e-5)
        assert not np.delete(explanation.direct, players).any()
        assert_allclose(explanation.proba[1], any_model.predict_proba(x)[0, code], atol=1e-5)


def test_values_of_all_classes_cancel(model, test):
    x = test[0][:1]
    direct = [explain_votes(model, x, label).direct for label in model.classes_]
    assert_allclose(np.sum(direct, axis=0), 0, atol=1e-12)


def test_a_coarser_level_explains_the_same_votes(model, test):
    x = test[0][:1]
    fine, coarse = explain_votes(model, x), explain_votes(model, x, level=1)
    assert_allclose(fine.proba, coarse.proba)
    assert len(coarse.players) < len(fine.players)
    assert set(coarse.tree.depths[coarse.players].tolist()) == {1}


def test_own_parts_as_donors_change_nothing(model, test):
    x = test[0][2:3]
    explanation = explain_votes(model, x, donors=x)
    assert explanation.proba[0] == explanation.proba[1]
    assert not explanation.direct.any()
    assert "No part changes it" in explanation.to_text()


def test_a_part_that_is_ablated_already_is_no_player(model, test):
    ablated = ablate(model, "hair")
    explanation = explain_votes(ablated, test[0][:1])
    hair = explanation.tree.index("hair")
    assert hair not in explanation.players
    assert not explanation.present[hair]
    assert_allclose(explanation.proba[1], ablated.predict_proba(test[0][:1]).max())


def test_table_and_images_say_the_same(model, test):
    x = test[0][:1]
    row = model[0].transform(x)
    of_row = explain_votes(model[1], row, transformer=model[0])
    assert of_row.direct.tolist() == explain_votes(model, x).direct.tolist()


def test_the_planted_part_brings_most_votes(model, test):
    right = np.flatnonzero(model.predict(test[0]) == test[1])[:10]
    direct = [explain_votes(model, test[0][i]).to_frame()["direct"] for i in right]
    # without any part the votes may be for the class already
    best = [votes.idxmax() for votes in direct if votes.max() > 0]
    assert len(best) >= 5
    assert np.mean([path.endswith("/hair") for path in best]) >= 0.8


def test_wrong_input(model, portraits, train, test):
    x = test[0][:1]
    with pytest.raises(ValueError, match="target must be one of the classes"):
        explain_votes(model, x, "nobody")
    with pytest.raises(ValueError, match="level must be an integer of at least 1, got 0"):
        explain_votes(model, x, level=0)
    with pytest.raises(ValueError, match="x must be one image"):
        explain_votes(model, test[0][:2])
    with pytest.raises(TypeError, match="transformer must be the fitted"):
        explain_votes(model[1], model[0].transform(x))


def test_too_many_parts():
    rng = np.random.default_rng(0)
    masks = np.tile(np.arange(20).reshape(4, 5), (12, 1, 1))
    images = rng.random((12, 4, 5))
    tree = {"photo": {f"part{i}": i for i in range(20)}}
    transformer = SegmentTreeTransformer(tree=tree, descriptors=["color"])
    table = transformer.fit_transform(images, segments=masks)
    model = HierarchicalMetricClassifier().fit(table, np.arange(12) % 2)
    with pytest.raises(ValueError, match="x has 20 nodes to ablate or swap, expected 1 to 16"):
        explain_votes(model, table.iloc[:1], transformer=transformer)
