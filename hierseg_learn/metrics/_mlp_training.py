"""Training of multilayer perceptrons by losses over the pairs and triplets of a batch, on torch."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from scipy.linalg import helmert

from ..kernels.dispatch import AUTO_CUDA_VALUES
from ._training import DECAY, SQUARE_DECAY, Batches, NeighborScore, choose_last

if TYPE_CHECKING:
    import torch

LOSSES = ("triplet", "nca", "snr")
MININGS = ("batch_hard", "all")
MARGINS = {"triplet": 1.0, "nca": 0.0, "snr": 0.5}
TINY = 1e-12


class Layer(NamedTuple):
    """One layer of a perceptron."""

    weights: np.ndarray  # (n_inputs, n_outputs) float32
    intercepts: np.ndarray  # (n_outputs,) float32


@dataclass(frozen=True)
class Network:
    """A perceptron whose hidden layers are blocks, each over columns of its own."""

    widths: list[int]  # columns of every block, which follow each other
    hidden: list[list[Layer]]  # hidden layers of every block
    output: Layer  # over the last hidden layers of all blocks, side by side

    def arrays(self) -> list[np.ndarray]:
        """All weights and intercepts, in turn."""
        layers = [layer for block in self.hidden for layer in block]
        return [array for layer in [*layers, self.output] for array in layer]

    def replaced(self, arrays: list[np.ndarray]) -> Network:
        """The same with other weights and intercepts."""
        pairs = zip(arrays[::2], arrays[1::2], strict=True)
        layers = [Layer(*pair) for pair in pairs]
        places = np.cumsum([0, *map(len, self.hidden)]).tolist()
        hidden = [layers[start:stop] for start, stop in pairwise(places)]
        return Network(self.widths, hidden, layers[-1])


class Trained(NamedTuple):
    """Result of the training."""

    network: Network  # chosen by its score, or the last one
    best_score: float | None  # its score
    n_iter: int  # epochs
    loss_curve: list[float]  # mean loss of every epoch


@dataclass(frozen=True)
class Training:
    """How a perceptron is trained."""

    loss: str
    mining: str
    margin: float
    activation: str
    alpha: float
    learning_rate: float
    max_iter: int
    n_iter_no_change: int
    tol: float
    device: str
    report: Callable[[int, float, float | None], None]

    def run(
        self,
        start: Network,
        rows: np.ndarray,
        codes: np.ndarray,
        batches: Batches,
        score: NeighborScore | None,
    ) -> Trained:
        """Minimize the loss by Adam [1]_ with a step that falls to zero along a cosine.

        Shapes: `rows` (n_samples, n_features) float32, `codes` (n_samples,) int.

        References
        ----------
        .. [1] D. P. Kingma, J. Ba. "Adam: A Method for Stochastic Optimization". ICLR 2015,
           algorithm 1.
        """
        import torch

        with _single_thread():
            return self._run(torch, start, rows, codes, batches, score)

    def _run(
        self,
        torch: Any,
        start: Network,
        rows: np.ndarray,
        codes: np.ndarray,
        batches: Batches,
        score: NeighborScore | None,
    ) -> Trained:
        def send(array: np.ndarray) -> torch.Tensor:
            return torch.from_numpy(np.ascontiguousarray(array)).to(self.device)

        table, classes = send(rows), send(codes)
        values = [send(array.copy()).requires_grad_() for array in start.arrays()]
        moments = [(torch.zeros_like(value), torch.zeros_like(value)) for value in values]
        asked = None if score is None else [send(score.queries), send(score.references)]

        def evaluate() -> float:
            with torch.no_grad():
                found = [self._embed(start, values, some) for some in asked]
            return score.of_embedded(*(to_metric(z.cpu().numpy(), self.loss) for z in found))

        def network() -> Network:
            return start.replaced([value.detach().cpu().numpy().copy() for value in values])

        begun = None if score is None else evaluate()
        trace = [(network(), begun)]
        record, record_iter = np.inf if score is None else begun, 0
        losses, n_steps = [], self.max_iter * batches.n_batches
        for epoch in range(self.max_iter):
            total = 0.0
            for batch in range(batches.n_batches):
                indices = send(batches.next())
                value = self._step(torch, start, values, table[indices], classes[indices])
                if value is None:
                    continue
                loss, gradients = value
                total += loss
                step = epoch * batches.n_batches + batch + 1
                self._move(torch, values, gradients, moments, step, n_steps)
            losses.append(total / batches.n_batches)
            if not np.isfinite(losses[-1]):
                break
            if score is None:
                self.report(epoch + 1, losses[-1], None)
                trace = [(network(), None)]
                if losses[-1] < record - self.tol:
                    record, record_iter = losses[-1], epoch
            else:
                found = evaluate()
                self.report(epoch + 1, losses[-1], found)
                trace = [*(old for old in trace if old[1] > found), (network(), found)]
                if found > record + self.tol:
                    record, record_iter = found, epoch
            if epoch - record_iter >= self.n_iter_no_change:
                break
        return Trained(*choose_last(trace, score, begun), len(losses), losses)

    def _step(
        self,
        torch: Any,
        network: Network,
        values: list[torch.Tensor],
        rows: torch.Tensor,
        classes: torch.Tensor,
    ) -> tuple[float, list[torch.Tensor]] | None:
        """Return the loss of a batch and its gradients; None where the batch has no pairs."""
        same = classes[:, None] == classes[None]
        positive = same & ~torch.eye(len(classes), dtype=torch.bool, device=same.device)
        known = positive.any(dim=1) & ~same.all(dim=1)
        if not bool(known.any()):
            return None
        embedded = self._embed(network, values, rows)
        loss = self._loss(embedded, positive, ~same, known)
        penalty = sum((weights**2).sum() for weights in values[::2])
        loss = loss + 0.5 * self.alpha / len(rows) * penalty
        return float(loss.detach()), torch.autograd.grad(loss, values)

    def _loss(
        self,
        embedded: torch.Tensor,
        positive: torch.Tensor,
        negative: torch.Tensor,
        known: torch.Tensor,
    ) -> torch.Tensor:
        if self.loss == "nca":
            return neighbor_loss(embedded, positive, known)
        distances = snr_matrix(embedded) if self.loss == "snr" else pair_matrix(embedded)
        mine = hardest_triplets if self.mining == "batch_hard" else all_triplets
        return mine(distances[known], positive[known], negative[known], self.margin)

    def _embed(
        self, network: Network, values: list[torch.Tensor], rows: torch.Tensor
    ) -> torch.Tensor:
        """Embed rows by a network with other weights and intercepts."""
        import torch

        activate = {"logistic": torch.sigmoid, "tanh": torch.tanh, "relu": torch.relu}.get(
            self.activation, lambda inputs: inputs
        )
        blocks, place = [], 0
        for columns, layers in zip(rows.split(network.widths, 1), network.hidden, strict=True):
            for _ in layers:
                columns = activate(torch.addmm(values[place + 1], columns, values[place]))
                place += 2
            blocks.append(columns)
        return torch.addmm(values[-1], torch.cat(blocks, dim=1), values[-2])

    def _move(
        self,
        torch: Any,
        values: list[torch.Tensor],
        gradients: list[torch.Tensor],
        moments: list[tuple[torch.Tensor, torch.Tensor]],
        step: int,
        n_steps: int,
    ) -> None:
        """Take a step of Adam; torch's own takes seconds to import."""
        fade = 0.5 * (1 + np.cos(np.pi * (step - 1) / n_steps))
        size = fade * self.learning_rate / (1 - DECAY**step)
        unbias = 1 - SQUARE_DECAY**step
        with torch.no_grad():
            for value, gradient, (first, second) in zip(values, gradients, moments, strict=True):
                first.mul_(DECAY).add_(gradient, alpha=1 - DECAY)
                second.mul_(SQUARE_DECAY).addcmul_(gradient, gradient, value=1 - SQUARE_DECAY)
                value.sub_(size * first / ((second / unbias).sqrt() + 1e-8))


def pair_matrix(Z: torch.Tensor) -> torch.Tensor:
    """Euclidean distances of the rows of Z, (n_samples, n_samples)."""
    import torch

    return torch.cdist(Z, Z, compute_mode="donot_use_mm_for_euclid_dist")


def snr_matrix(Z: torch.Tensor) -> torch.Tensor:
    """Signal-to-noise distances of the rows of Z, as queries, to the rows of Z.

    Rows are taken about their mean, since a constant that all have in common is no signal.
    """
    signals = (Z - Z.mean(dim=0)).var(dim=1, correction=0)
    centered = Z - Z.mean(dim=1, keepdim=True)
    noise = pair_matrix(centered) ** 2 / Z.shape[1]
    return noise / signals.clamp_min(TINY)[:, None]


def neighbor_loss(Z: torch.Tensor, positive: torch.Tensor, known: torch.Tensor) -> torch.Tensor:
    """Mean of minus the log-probability that a row picks one of its class as its neighbor [1]_.

    Shapes: `Z` (n_samples, n_components), `positive` (n_samples, n_samples) bool, `known`
    (n_samples,) bool: rows that have both kinds of others.

    References
    ----------
    .. [1] J. Goldberger, S. Roweis, G. Hinton, R. Salakhutdinov. "Neighbourhood Components
       Analysis". NIPS 2004, equation (6).
    """
    import torch

    scores = -(pair_matrix(Z) ** 2)
    itself = torch.eye(len(Z), dtype=torch.bool, device=Z.device)
    everyone = scores.masked_fill(itself, -torch.inf)[known].logsumexp(dim=1)
    return (everyone - scores[known].masked_fill(~positive[known], -torch.inf).logsumexp(1)).mean()


def hardest_triplets(
    distances: torch.Tensor, positive: torch.Tensor, negative: torch.Tensor, margin: float
) -> torch.Tensor:
    """Mean hinge of every anchor's farthest positive and nearest negative [1]_.

    All are (n_anchors, n_samples); every anchor has both.

    References
    ----------
    .. [1] A. Hermans, L. Beyer, B. Leibe. "In Defense of the Triplet Loss for Person
       Re-Identification". arXiv:1703.07737, 2017, equation (5).
    """
    import torch

    farthest = distances.masked_fill(~positive, -torch.inf).amax(dim=1)
    nearest = distances.masked_fill(~negative, torch.inf).amin(dim=1)
    return (farthest - nearest + margin).clamp_min(0).mean()


def all_triplets(
    distances: torch.Tensor, positive: torch.Tensor, negative: torch.Tensor, margin: float
) -> torch.Tensor:
    """Mean hinge of all triplets that violate the margin, counted through sorted distances [1]_.

    All are (n_anchors, n_samples). No list of triplets is made: the negatives that are nearer than
    a positive and the margin are a prefix of the sorted ones.

    References
    ----------
    .. [1] A. Hermans, L. Beyer, B. Leibe. "In Defense of the Triplet Loss for Person
       Re-Identification". arXiv:1703.07737, 2017, equation (6), and section 3.2 for the mean.
    """
    import torch

    near = distances.masked_fill(~negative, torch.inf).sort(dim=1).values
    sums = near.masked_fill(torch.isinf(near), 0.0).cumsum(dim=1)
    sums = torch.nn.functional.pad(sums, (1, 0))
    reach = distances + margin
    counts = torch.searchsorted(near.detach(), reach.detach().contiguous())
    excess = (counts * reach - sums.gather(1, counts))[positive]
    return excess.sum() / counts[positive].sum().clamp_min(1)


def to_metric(Z: np.ndarray, loss: str) -> np.ndarray:
    """Rows in the space whose Euclidean distance is the metric that a loss learns.

    The variance of a difference over the components is the squared length of its centered vector.
    """
    return Z @ helmert(Z.shape[-1]).T.astype(Z.dtype) if loss == "snr" else Z


def find_device(device: str, n_values: int) -> str:
    """Return "cpu" or "cuda" for a `device` parameter and the numbers in a table."""
    try:
        import torch
    except ImportError as error:
        raise ImportError(
            "MLPMetric is trained by PyTorch, which is not installed: pip install "
            "hierseg-learn[deep]. A fitted one predicts without it."
        ) from error
    if device == "cpu" or (device == "auto" and n_values < AUTO_CUDA_VALUES):
        return "cpu"
    if torch.cuda.is_available():
        return "cuda"
    if device == "cuda":
        raise RuntimeError("device='cuda' was asked for, but PyTorch finds no CUDA device.")
    return "cpu"


class _Limit:
    """Number of trainings that need torch on one thread, and its number of threads before."""

    lock = threading.Lock()
    depth = 0
    before = 1


@contextmanager
def _single_thread() -> Iterator[None]:
    """Run torch on one thread, since bits depend on their number; several threads may enter."""
    import torch

    with _Limit.lock:
        if _Limit.depth == 0:
            _Limit.before = torch.get_num_threads()
        _Limit.depth += 1
    torch.set_num_threads(1)
    try:
        yield
    finally:
        with _Limit.lock:
            _Limit.depth -= 1
            if _Limit.depth == 0:
                torch.set_num_threads(_Limit.before)
