"""Losses of perceptrons against loops over all pairs and triplets."""

from itertools import product

import numpy as np
import pytest
from numpy.testing import assert_allclose

from hierseg_learn.metrics import snr_distance
from hierseg_learn.metrics._mlp_training import (
    all_triplets,
    hardest_triplets,
    neighbor_loss,
    pair_matrix,
    snr_matrix,
    to_metric,
)

CODES = np.array([0, 0, 0, 1, 1, 2, 2, 2, 2, 3])


@pytest.fixture
def torch():
    return pytest.importorskip("torch", reason="needs torch")


@pytest.fixture
def batch(torch):
    Z = torch.from_numpy(np.random.default_rng(0).standard_normal((len(CODES), 3)))
    same = torch.from_numpy(CODES[:, None] == CODES)
    positive = same & ~torch.eye(len(CODES), dtype=torch.bool)
    return Z.requires_grad_(), positive, ~same, positive.any(dim=1)


def distances_of(Z):
    Z = Z.detach().numpy()
    return np.linalg.norm(Z[:, None] - Z, axis=-1)


def triplets():
    n = range(len(CODES))
    for a, p, x in product(n, n, n):
        if a != p and CODES[a] == CODES[p] and CODES[a] != CODES[x]:
            yield a, p, x


@pytest.mark.parametrize("margin", [0.2, 1.0, 5.0])
def test_all_triplets_that_violate_the_margin(margin, batch):
    Z, positive, negative, known = batch
    D = distances_of(Z)
    excess = np.array([D[a, p] - D[a, x] + margin for a, p, x in triplets()])
    found = all_triplets(pair_matrix(Z)[known], positive[known], negative[known], margin)
    assert_allclose(found.item(), excess[excess > 0].mean())


def test_all_triplets_far_apart_have_no_loss(torch, batch):
    _, positive, negative, known = batch
    Z = torch.from_numpy(10.0 * CODES[:, None] * np.ones(3)).requires_grad_()
    loss = all_triplets(pair_matrix(Z)[known], positive[known], negative[known], 1.0)
    assert loss.item() == 0
    assert not torch.autograd.grad(loss, Z)[0].any()


def test_the_hardest_triplet_of_every_anchor(batch):
    Z, positive, negative, known = batch
    D, expected = distances_of(Z), []
    for a in np.flatnonzero(known.numpy()):
        far = max(D[a, p] for p in np.flatnonzero(CODES[a] == CODES) if p != a)
        near = D[a, CODES[a] != CODES].min()
        expected.append(max(far - near + 0.5, 0))
    found = hardest_triplets(pair_matrix(Z)[known], positive[known], negative[known], 0.5)
    assert_allclose(found.item(), np.mean(expected))


def test_neighbors_drawn_at_random(batch):
    Z, positive, _, known = batch
    D, expected = distances_of(Z) ** 2, []
    for a in np.flatnonzero(known.numpy()):
        others = np.delete(np.arange(len(CODES)), a)
        weights = np.exp(-D[a, others])
        expected.append(-np.log(weights[CODES[others] == CODES[a]].sum() / weights.sum()))
    assert_allclose(neighbor_loss(Z, positive, known).item(), np.mean(expected))


def test_signal_to_noise_is_that_of_the_package(batch):
    Z = batch[0]
    values = Z.detach().numpy()
    about = values - values.mean(axis=0)
    assert_allclose(snr_matrix(Z).detach().numpy(), snr_distance(about, about), atol=1e-9)


def test_noise_is_the_squared_distance_of_the_metric(batch):
    values = batch[0].detach().numpy()
    differences = to_metric(values, "snr")[:, None] - to_metric(values, "snr")
    noise = (values[:, None] - values).var(axis=-1)
    assert_allclose(np.sum(differences**2, axis=-1), noise * values.shape[1], atol=1e-12)
    assert to_metric(values, "nca") is values


@pytest.mark.parametrize("name", ["all", "hard", "nca", "snr"])
def test_gradients(name, torch, batch):
    Z, positive, negative, known = batch

    def loss(Z):
        if name == "nca":
            return neighbor_loss(Z, positive, known)
        distances = snr_matrix(Z) if name == "snr" else pair_matrix(Z)
        mine = hardest_triplets if name == "hard" else all_triplets
        return mine(distances[known], positive[known], negative[known], 0.7)

    assert torch.autograd.gradcheck(loss, (Z,), eps=1e-7, atol=1e-4)
