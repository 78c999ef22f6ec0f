"""Votes of neighbors, the nearest prototype, and the score of a metric."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.special import softmax
from sklearn.metrics import log_loss
from sklearn.neighbors import KNeighborsClassifier

from hierseg_learn.classifier.votes import (
    SCORE_NEIGHBORS,
    Embedding,
    Neighbors,
    NeighborScore,
    Order,
    Prototypes,
    mean_contributions,
)
from hierseg_learn.kernels import get_backend
from hierseg_learn.metrics import VoteCalibration
from hierseg_learn.table.layout import read_layout

LAYOUT = read_layout({"t": {"a": [0, 1], "b": [2]}}, None, 3)
L = np.array([[1.0, 0.0, 2.0], [0.0, 3.0, 0.0]])
X = np.array([[0.0, 0, 0], [1, 0, 0], [2, 0, 0], [4, 0, 0], [0, 1, 0]])
CODES = np.array([0, 0, 1, 1, 2])


def neighbors(weights="uniform", n_neighbors=3, *, rows=X, codes=CODES):
    embedding = Embedding.of(L, rows, rows.mean(axis=0))
    order = Order(np.arange(len(rows)), np.arange(3))
    calibration = VoteCalibration(n_neighbors, np.full(3, 1 / 3))
    return Neighbors(
        LAYOUT, rows, embedding, codes, order, calibration, weights, get_backend("cpu")
    )


def votes_of(decision, rows):
    return decision.votes(decision.queries(rows))


def test_distances_and_votes_by_hand():
    query = np.array([[1.5, 0.0, 0.0]])
    squared, indices = neighbors().search(query, 5)
    assert indices.tolist() == [[1, 2, 0, 3, 4]]
    assert squared.tolist() == [[0.25, 0.25, 2.25, 6.25, 11.25]]
    assert_allclose(neighbors().proba(query), [[2 / 3, 1 / 3, 0]])
    # inverse distances 2, 2 and 2/3
    assert_allclose(neighbors("distance").proba(query), [[4 / 7, 3 / 7, 0]])
    assert_allclose(neighbors(lambda d: d).proba(query), [[2 / 2.5, 0.5 / 2.5, 0]])
    votes = votes_of(neighbors("distance"), query)
    assert votes.indices.tolist() == [[1, 2, 0]]
    assert votes.codes.tolist() == [[0, 1, 0]]
    assert_allclose(votes.weights, [[3 / 7, 3 / 7, 1 / 7]])


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (np.zeros_like, "weight above 0 .* only zeros for row 0"),
        (
            lambda d: np.full(d.shape, np.nan),
            "missing or infinite ones, such as nan for neighbor 0",
        ),
        (lambda d: np.where(d > d[:, :1], np.inf, 1.0), "such as inf for neighbor 2 of row 0"),
        (lambda d: 1 - d, "negative ones, such as -0.5 for neighbor 2 of row 0"),
    ],
)
def test_weights_that_cannot_vote_are_refused(make, words):
    with pytest.raises(ValueError, match=f"weights must return .*{words}"):
        neighbors(make).proba(np.array([[1.5, 0.0, 0.0]]))


def test_weights_that_are_no_numbers_are_refused():
    with pytest.raises(TypeError, match="weights must return numbers"):
        neighbors(lambda d: d.astype(str)).proba(X[:1])


@pytest.mark.parametrize("factor", [1e-150, 1e-9, 1e9, 1e140])
def test_votes_by_distance_have_no_unit(factor):
    rng = np.random.default_rng(0)
    rows, queries = rng.standard_normal((20, 3)), rng.standard_normal((6, 3))
    codes = rng.integers(0, 3, 20)
    expected = neighbors("distance", rows=rows, codes=codes).proba(queries)
    found = neighbors("distance", rows=rows * factor, codes=codes).proba(queries * factor)
    assert_allclose(found, expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("weights", "shape"),
    [
        (lambda d: d[:, 0], r"\(4,\)"),
        (lambda d: 1.0, r"\(\)"),
        (lambda d: d[:, :2], r"\(4, 2\)"),
    ],
)
def test_weights_of_another_shape_are_refused(weights, shape):
    with pytest.raises(ValueError, match=rf"weights must return .* \(4, 3\), got {shape}"):
        neighbors(weights).proba(X[:4])


def test_the_weights_of_one_row_are_those_of_many():
    seen = []

    def weights(distances):
        seen.append(distances.shape)
        return 1 / (1 + distances)

    found = neighbors(weights).proba(X + 0.1)
    votes = votes_of(neighbors(weights), X[:1] + 0.1)
    assert seen == [(5, 3), (1, 3)]
    assert_allclose(np.bincount(votes.codes[0], votes.weights[0], minlength=3), found[0])


def test_prototypes_by_hand():
    prototypes = np.array([[0.5, 0, 0], [3, 0, 0], [0, 1, 0]])
    order = Order(np.arange(3), np.arange(3))
    decision = Prototypes(L, LAYOUT, prototypes, order, np.zeros(3), center=np.ones(3))
    query = np.array([[1.5, 0.0, 0.0]])
    scores = np.array([[-0.5, -1.125, -5.625]])
    assert_allclose(decision.proba(query), softmax(scores, axis=1))
    tempered = Prototypes(L, LAYOUT, prototypes, order, np.arange(3.0), 2.0, center=np.ones(3))
    assert_allclose(tempered.proba(query), softmax(scores / 2 + np.arange(3), axis=1))
    votes = votes_of(decision, query)
    assert votes.indices.tolist() == votes.codes.tolist() == [[0, 1, 2]]
    assert votes.weights.tolist() == [[1, 0, 0]]


@pytest.mark.parametrize("apart", [0.0, 1e-9, 1e-4, 1.0])
def test_distances_are_exact_however_near_rows_are(apart):
    rng = np.random.default_rng(0)
    rows = 1e3 * rng.standard_normal((200, 3))
    decision = neighbors(rows=rows, codes=np.zeros(200, dtype=int))
    queries = rows[:150] + apart * rng.standard_normal((150, 3))
    indices = np.stack([np.arange(150), np.arange(20, 170)], axis=1)
    which = np.array([149, 3, 3])
    expected = (((queries[:, None] - rows[indices]) @ L.T) ** 2).sum(axis=-1)
    asked = decision.queries(queries)
    found = decision.squared_distances(asked, indices)
    assert_allclose(found, expected, rtol=1e-9)
    chosen = decision.squared_distances(asked, indices[which], which)
    assert_allclose(chosen, expected[which], rtol=1e-9)
    weights = np.array([[1.0, 0.0], [0.3, 0.7], [-1.0, 1.0]] * 50)
    # many rows are summed without their pairs, few with them
    many = mean_contributions(decision, asked, indices, weights)
    sides = [[asked[i : i + 50], indices[i : i + 50], weights[i : i + 50]] for i in (0, 50, 100)]
    few = np.concatenate([mean_contributions(decision, *side) for side in sides])
    size = np.abs(few).sum(axis=1, keepdims=True)
    assert (np.abs(many - few) <= 1e-9 * size).all()
    assert_allclose(few.sum(axis=1), (weights * expected).sum(axis=1), rtol=1e-6)


@pytest.mark.parametrize("n_references", [40, 7])
def test_the_score_is_that_of_scikit_learn(n_references):
    rng = np.random.default_rng(0)
    codes = np.arange(n_references) % 3
    references = rng.standard_normal((n_references, 4)) + codes[:, None]
    query_codes = rng.integers(0, 3, 50)
    queries = rng.standard_normal((50, 4)) + query_codes[:, None]
    reference = KNeighborsClassifier(min(SCORE_NEIGHBORS, n_references)).fit(references, codes)
    found = NeighborScore(get_backend("cpu")).report(references, codes, queries, query_codes)
    assert found == reference.score(queries, query_codes)
    one = NeighborScore(get_backend("cpu"), n_neighbors=1).report
    assert one(references, codes, references, codes) == 1


GRID = {
    "uniform": "uniform",
    "none": None,
    "distance": "distance",
    "inverse": lambda d: 1 / (1e-3 + d),
    "some zero": lambda d: (d <= d.min(axis=1, keepdims=True)).astype(float),
    "integers": lambda d: np.arange(d.shape[1], 0, -1) * np.ones(d.shape, dtype=int),
    "tiny": lambda d: np.full(d.shape, 1e-300),
    "huge": lambda d: np.full(d.shape, 1e300),
}


@pytest.mark.parametrize("n_neighbors", [1, 3, 30])
@pytest.mark.parametrize("weights", GRID.values(), ids=GRID)
def test_probabilities_are_those_of_scikit_learn(weights, n_neighbors):
    rng = np.random.default_rng(0)
    rows, codes = rng.standard_normal((30, 3)), rng.integers(0, 3, 30)
    rows[10:13] = rows[10] + 1e-3 * np.arange(3)[:, None]
    queries = np.concatenate([rng.standard_normal((20, 3)), rows[:12]])
    reference = KNeighborsClassifier(n_neighbors, weights=weights, algorithm="brute")
    with np.errstate(over="ignore"):
        expected = reference.fit(rows @ L.T, codes).predict_proba(queries @ L.T)
    found = neighbors(weights, n_neighbors, rows=rows, codes=codes).proba(queries)
    if np.isfinite(expected).all() and expected.sum(axis=1).all():
        assert_allclose(found, expected, atol=1e-12)
    assert (found >= 0).all()
    assert (found <= 1).all()
    assert np.abs(found.sum(axis=1) - 1).max() <= 4 * np.finfo(float).eps
    log_loss(rng.integers(0, 3, 32), found, labels=[0, 1, 2])


def test_the_score_weighs_classes():
    """As if the rows of a class, and what is asked about it, came several times."""
    rng = np.random.default_rng(0)
    codes, asked = np.repeat([0, 1], [40, 12]), np.repeat([0, 1], [9, 7])
    references = rng.standard_normal((52, 2)) + codes[:, None]
    queries = rng.standard_normal((16, 2)) + asked[:, None]
    backend = get_backend("cpu")
    weighted = NeighborScore(backend, np.array([1.0, 3.0]), n_neighbors=52)
    reference = NeighborScore(backend, n_neighbors=76)
    twice = np.r_[np.arange(40), np.tile(np.arange(40, 52), 3)]
    again = np.r_[np.arange(9), np.tile(np.arange(9, 16), 3)]
    for one, other in ((weighted, reference), (weighted.report, reference.report)):
        assert one(references, codes, queries, asked) == pytest.approx(
            other(references[twice], codes[twice], queries[again], asked[again])
        )


@pytest.mark.parametrize("accuracy", [False, True])
def test_only_ratios_of_the_weights_of_classes_count(accuracy):
    rng = np.random.default_rng(0)
    codes, asked = np.repeat([0, 1], [40, 12]), np.repeat([0, 1], [9, 7])
    references = rng.standard_normal((52, 2)) + codes[:, None]
    asks = references, codes, rng.standard_normal((16, 2)) + asked[:, None], asked
    for weights, same in (([1.0, 3.0], [100.0, 300.0]), ([7.0, 7.0], None)):
        scores = [
            NeighborScore(get_backend("cpu"), w and np.array(w), accuracy=accuracy)(*asks)
            for w in (weights, same)
        ]
        assert scores[0] == pytest.approx(scores[1])


def test_weights_may_be_lists_and_booleans():
    query = np.array([[1.5, 0.0, 0.0]])
    assert_allclose(neighbors(lambda d: d.tolist()).proba(query), [[2 / 2.5, 0.5 / 2.5, 0]])
    assert_allclose(neighbors(lambda d: d < 1).proba(query), [[0.5, 0.5, 0]])


def test_several_rows_that_are_met_exactly_decide_together():
    rows = np.repeat(X, 2, axis=0)
    codes = np.array([0, 1, 0, 0, 1, 2, 1, 1, 2, 2])
    reference = KNeighborsClassifier(4, weights="distance").fit(rows @ L.T, codes)
    found = neighbors("distance", 4, rows=rows, codes=codes).proba(X[:3])
    assert_allclose(found, reference.predict_proba(X[:3] @ L.T))
    assert_allclose(found, [[0.5, 0.5, 0], [1, 0, 0], [0, 0.5, 0.5]])


@pytest.mark.parametrize("weights", ["uniform", "distance"])
def test_all_who_tie_share_the_last_places(weights):
    rows = np.zeros((9, 3))
    rows[:, 0] = [0, 1, 1, 1, 1, 2, 2, 2, 2]
    codes = np.array([2, 0, 1, 1, 1, 0, 0, 0, 0])
    # one is nearer; two places are left for the four that tie
    query = np.array([[0.25, 0.0, 0.0]])
    shares = np.array([0.25, 0.75, 0])
    last = 2 if weights == "uniform" else 2 * 0.25 / 0.75
    expected = (np.array([0, 0, 1]) + last * shares) / (1 + last)
    for order in (np.arange(9), np.arange(9)[::-1]):
        decision = neighbors(weights, 3, rows=rows[order], codes=codes[order])
        assert_allclose(decision.proba(query), [expected])
        votes = votes_of(decision, query)
        assert sorted(order[votes.indices[0]]) == [0, 1, 2, 3, 4]
        assert_allclose(np.bincount(votes.codes[0], votes.weights[0], minlength=3), expected)


def test_of_classes_that_are_level_the_nearer_one_wins():
    rows = np.zeros((4, 3))
    rows[:, 0] = [1, -1.2, 2, -2.2]
    decision = neighbors(n_neighbors=4, rows=rows, codes=np.array([1, 0, 1, 0]))
    proba = decision.proba(np.zeros((1, 3)))
    assert proba.argmax() == 1
    assert_allclose(proba, [[0.5, 0.5, 0]])


def test_choices_are_scored_by_the_log_loss_of_the_votes():
    rng = np.random.default_rng(0)
    codes, asked = np.arange(30) % 3, np.arange(9) % 3
    references = rng.standard_normal((30, 2)) + codes[:, None]
    queries = rng.standard_normal((9, 2)) + asked[:, None]
    votes = KNeighborsClassifier(15).fit(references, codes).predict_proba(queries) * 15
    # one vote by chance
    expected = np.log((votes[np.arange(9), asked] + 1 / 3) / 16).mean()
    score = NeighborScore(get_backend("cpu"))
    assert score(references, codes, queries, asked) == pytest.approx(expected)
    # of a class that no reference has, too
    assert np.isfinite(score(references, codes, queries, asked + 1))


@pytest.mark.parametrize("order", [[0, 1, 2], [2, 1, 0]])
def test_the_score_counts_all_ties_and_shares_what_is_level(order):
    score = NeighborScore(get_backend("cpu")).report
    codes = np.repeat([0, 1, 2], [40, 20, 20])
    codes = np.concatenate([codes[codes == code] for code in order])
    same = np.zeros((80, 2), dtype=np.float32)
    assert score(same, codes, same, codes) == 0.5
    half = codes[codes > 0]
    assert score(same[:40], half, same[:40], half) == 0.5
    spread = np.arange(80, dtype=np.float32)[:, None] * np.ones(2, dtype=np.float32)
    assert score(spread, codes, spread, codes) > 0.7
