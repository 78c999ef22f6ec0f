"""Three kinds of evidence that tell a shortcut from an informative node.

References
----------
.. [1] G. Y. Zou, A. Donner. "Construction of confidence limits about effect measures: A general
   approach". Statistics in Medicine 27, 2008.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.stats import norm

from ..tree import SegmentTree
from ._groups import wilson_interval
from ._solo import MIN_ROWS, NodeTable, SoloNode, argmax_class

# a node is tested only if its solo accuracy would come by chance this rarely
MAX_P_VALUE = 0.01
# scores are clipped at so many standard deviations, so that one odd photo makes no correlation
CLIP = 3.0
# rows with both nodes that a correlation needs
MIN_PAIRS = 10
# a product of spreads below this is a rounding error
ROUNDING = 1e-9
# draws per permitted false positive, so that the threshold is not the largest draw
DRAWS = 5
# of intervals
LEVEL = 0.95


@dataclass(frozen=True)
class Evidence:
    """Result of one kind of test for every node; NaN where a node was not tested.

    Parameters
    ----------
    kind : {"context", "unlabeled", "unbiased"}
        The kind.
    value, expected, threshold : ndarray of shape (n_nodes,)
        Measured value, value of a node that is no shortcut, and value above which a node is
        flagged.
    p_value : ndarray of shape (n_nodes,)
        Probability that any of the tested nodes reaches the value by chance.
    z : ndarray of shape (n_nodes,)
        Distance from the expected value, in standard deviations of chance.
    low, high : ndarray of shape (n_nodes,)
        95% confidence interval of the value.
    partner : dict of int to int
        Nodes that no longer agree with one other node, but do with the rest. Either of the two may
        be spurious, so that neither is flagged.
    is_general : bool, default=False
        Whether most of the tested nodes exceed their threshold. The photos then differ in another
        way, such as the class proportions, and no node is flagged.

    See Also
    --------
    ShortcutReport : Puts several kinds together.

    Examples
    --------
    >>> from hierseg_learn.audit import Evidence
    >>> evidence = Evidence.empty("context", n_nodes=3)
    >>> evidence.p_value[1] = 1e-6
    >>> evidence.is_tested.tolist(), evidence.is_flagged(level=0.001).tolist()
    ([False, True, False], [False, True, False])
    """

    kind: str
    value: np.ndarray
    expected: np.ndarray
    threshold: np.ndarray
    p_value: np.ndarray
    z: np.ndarray
    low: np.ndarray
    high: np.ndarray
    partner: dict[int, int]
    is_general: bool = False

    @classmethod
    def empty(cls, kind: str, n_nodes: int) -> Evidence:
        """Return evidence without a tested node."""
        return cls(kind, *(np.full(n_nodes, np.nan) for _ in range(7)), partner={})

    def is_flagged(self, level: float) -> np.ndarray:
        """Nodes whose p-value is at most `level`: bool array of shape (n_nodes,)."""
        flags = (np.nan_to_num(self.p_value, nan=1.0) <= level) & (not self.is_general)
        flags[list(self.partner)] = False
        return flags

    @property
    def is_tested(self) -> np.ndarray:
        """Nodes that were tested: bool array of shape (n_nodes,)."""
        return np.isfinite(self.p_value)


def solo_p_values(solos: Sequence[SoloNode]) -> np.ndarray:
    """Probability of a solo accuracy as high by chance, (n_nodes,); NaN if not tested."""
    return norm.sf([_z(solo.accuracy, solo.null) for solo in solos])


def context_evidence(solos: Sequence[SoloNode], declared: np.ndarray, alpha: float) -> Evidence:
    """Test whether declared nodes, (n_nodes,) bool, predict the class better than chance."""
    evidence = Evidence.empty("context", len(solos))
    tested = [node for node in np.flatnonzero(declared) if solos[node].models]
    for node in tested:
        solo = solos[node]
        level = alpha / len(tested)
        z = _z(solo.accuracy, solo.null)
        evidence.value[node], evidence.expected[node] = solo.accuracy, solo.chance
        evidence.threshold[node] = solo.null.mean() + norm.isf(level) * solo.null.std(ddof=1)
        evidence.z[node] = z
        evidence.p_value[node] = min(1.0, len(tested) * norm.sf(z))
    return evidence


def unlabeled_evidence(
    solos: Sequence[SoloNode],
    partners: Sequence[SoloNode],
    tree: SegmentTree,
    new_scores: tuple[Sequence[np.ndarray], Sequence[np.ndarray]],
    alpha: float,
    n_permutations: int,
    seed: int,
) -> Evidence:
    """Test leaves on photos without labels, with scores (n_new, n_classes) for every node.

    A shortcut agrees with the informative leaves in training but not at the place of use, so its
    correlations with all others drop. Drops are weighted by the solo accuracy of the partner;
    partners are all nodes that neither contain the leaf nor are contained in it. A flagged leaf,
    its ancestors and its parts are no longer partners when the others are tested again.
    """
    evidence = Evidence.empty("unlabeled", len(solos))
    waiting = (solo_p_values(solos) < MAX_P_VALUE) & tree.is_leaf
    n_tested = int(waiting.sum())
    if not n_tested:
        return evidence
    drops = _correlation_drops(
        _joined(solos, new_scores[0]), _joined(partners, new_scores[1]), len(solos[0].scores),
        n_permutations, seed,
    )  # fmt: skip
    excess = [(p.accuracy - p.chance) / (1 - p.chance) for p in partners]
    worth = np.maximum(np.nan_to_num(excess), 0.0)
    related = _related(tree)
    level = norm.isf(alpha / n_tested)
    while True:
        weights = np.where(related, 0.0, worth)
        means = _mean_drops(drops, weights)
        center, spread = means[1:].mean(axis=0), means[1:].std(axis=0, ddof=1)
        z = np.divide(means[0] - center, spread, out=np.full(len(solos), np.nan), where=spread > 0)
        now = waiting & np.isfinite(z)
        for values, new in (
            (evidence.value, means[0]),
            (evidence.expected, np.zeros(len(solos))),
            (evidence.threshold, center + level * spread),
            (evidence.z, z),
            (evidence.p_value, np.minimum(1.0, n_tested * norm.sf(z))),
        ):
            values[waiting] = np.where(now, new, np.nan)[waiting]
        if not now.any() or z[now].max() <= level:
            is_general = n_tested > 2 and 2 * (n_tested - waiting.sum()) > n_tested
            return replace(evidence, is_general=bool(is_general))
        # The others lose their agreement with the shortcut, so its total drop is the largest; z
        # would not tell, since partners that agree with each other count as one.
        totals = worth * (weights * np.nan_to_num(drops[0])).sum(axis=1)
        worst = int(np.where(now & (z > level), totals, -np.inf).argmax())
        partner = _only_partner(drops, weights, worst, level)
        if partner is not None:
            evidence.partner[worst] = partner
        waiting[worst] = False
        worth[related[worst]] = 0.0


def unbiased_evidence(
    solos: Sequence[SoloNode],
    codes: np.ndarray,
    new_scores: Sequence[np.ndarray],
    new_codes: np.ndarray,
    root: int,
    alpha: float,
    seed: int,
) -> Evidence:
    """Test nodes on a few labeled photos without the bias, with scores (n_new, n_classes) each.

    With rows and photos shuffled within classes, the number of correct photos is hypergeometric.
    The interval of a drop combines Wilson's intervals of the classes [1]_.
    """
    evidence = Evidence.empty("unbiased", len(solos))
    is_informative = solo_p_values(solos) < MAX_P_VALUE
    is_informative[root] = False
    counts = {
        node: _right_by_class(solos[node], codes, new_scores[node], new_codes)
        for node in np.flatnonzero(is_informative)
    }
    counts = {node: count for node, count in counts.items() if len(count)}
    level = alpha / max(len(counts), 1)
    for node, count in counts.items():
        hits, n = count[:, 0], count[:, 1]
        shares = hits / n
        drop = float(np.mean(shares[:, 0] - shares[:, 1]))
        null = _shuffled_drops(hits, n, int(np.ceil(DRAWS / level)), seed)
        evidence.value[node], evidence.expected[node] = drop, 0.0
        evidence.z[node] = _z(drop, null)
        evidence.threshold[node] = np.quantile(null, 1 - level, method="higher")
        reached = (1 + np.sum(null >= drop - ROUNDING)) / (1 + len(null))
        evidence.p_value[node] = min(1.0, len(counts) * reached)
        low, high = wilson_interval(hits, n, LEVEL)
        below = (shares[:, 0] - low[:, 0]) ** 2 + (high[:, 1] - shares[:, 1]) ** 2
        above = (high[:, 0] - shares[:, 0]) ** 2 + (shares[:, 1] - low[:, 1]) ** 2
        evidence.low[node] = drop - np.sqrt(below.sum()) / len(n)
        evidence.high[node] = drop + np.sqrt(above.sum()) / len(n)
    return evidence


def fold_scores(solo: SoloNode, table: NodeTable, node: int, folds: np.ndarray) -> np.ndarray:
    """Scores of new rows, each by the model of its fold, (n_new, n_classes)."""
    scores = np.full((len(table), solo.scores.shape[1]), np.nan)
    for fold, model in enumerate(solo.models):
        here = np.flatnonzero(table.present[:, node] & (folds == fold))
        scores[here] = model.scores(table.of(node, here))
    return scores


def drop_ancestors(tree: SegmentTree, nodes: np.ndarray) -> np.ndarray:
    """Flag only nodes, (n_nodes,) bool, without a flagged node below, which they would contain."""
    above = [tree.ancestors(node) for node in np.flatnonzero(nodes)]
    kept = nodes.copy()
    kept[np.concatenate([np.array([], dtype=np.intp), *above])] = False
    return kept


def _z(value: float, null: np.ndarray) -> float:
    spread = null.std(ddof=1) if len(null) > 1 else np.nan
    return (value - null.mean()) / spread if spread > 0 else np.nan


def _related(tree: SegmentTree) -> np.ndarray:
    """Whether one of two nodes contains the other, (n_nodes, n_nodes) bool."""
    related = np.zeros((tree.n_nodes, tree.n_nodes), dtype=bool)
    for node in range(tree.n_nodes):
        related[node, tree.subtree(node)] = True
    return related | related.T


def _joined(solos: Sequence[SoloNode], new_scores: Sequence[np.ndarray]) -> np.ndarray:
    """Standardized scores of training rows and photos, (n_all, n_nodes, n_kinds)."""
    scores = np.stack([np.concatenate([s.scores, n]) for s, n in zip(solos, new_scores)], axis=1)
    # classes that are left out for a node have score minus infinity
    scores = np.where(np.isfinite(scores), scores, np.nan)
    if scores.shape[2] == 2:
        # the second score is the first with the other sign
        return _standard_scores(scores[..., :1] - scores[..., 1:])
    counts = np.maximum(np.isfinite(scores).sum(axis=2, keepdims=True), 1)
    return _standard_scores(scores - np.nansum(scores, axis=2, keepdims=True) / counts)


def _standard_scores(scores: np.ndarray) -> np.ndarray:
    known = np.isfinite(scores)
    counts = np.maximum(known.sum(axis=0), 1)
    centered = scores - np.nansum(scores, axis=0) / counts
    spread = np.sqrt(np.nansum(centered**2, axis=0) / counts)
    scaled = np.divide(centered, spread, out=np.zeros_like(centered), where=spread > 0)
    return np.where(known, np.clip(scaled, -CLIP, CLIP), np.nan)


def _correlation_drops(
    scores: np.ndarray, partners: np.ndarray, n_rows: int, n_permutations: int, seed: int
) -> np.ndarray:
    """Correlations with partners in training minus those in the photos, mean over the classes.

    Returns (1 + n_permutations, n_nodes, n_nodes): the measured ones, and those of shuffled rows.
    """
    rng = np.random.default_rng(seed)
    is_old = np.arange(len(scores)) < n_rows
    drops = np.zeros((1 + n_permutations, scores.shape[1], scores.shape[1]))
    for i in range(1 + n_permutations):
        member = is_old if i == 0 else rng.permutation(is_old)
        for k in range(scores.shape[2]):
            drops[i] += _correlations(scores[member, :, k], partners[member, :, k])
            drops[i] -= _correlations(scores[~member, :, k], partners[~member, :, k])
    return drops / scores.shape[2]


def _correlations(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Correlations of columns over the rows that have both, (n_a, n_b); NaN for too few rows."""
    known_a, known_b = (np.isfinite(x).astype(np.float64) for x in (a, b))
    a, b = np.nan_to_num(a), np.nan_to_num(b)
    n_pairs = known_a.T @ known_b
    sums_a, sums_b = a.T @ known_b, known_a.T @ b
    covariance = n_pairs * (a.T @ b) - sums_a * sums_b
    variance_a = n_pairs * ((a**2).T @ known_b) - sums_a**2
    variance_b = n_pairs * (known_a.T @ b**2) - sums_b**2
    scale = np.sqrt(np.maximum(variance_a, 0.0) * np.maximum(variance_b, 0.0))
    enough = (n_pairs >= MIN_PAIRS) & (scale > ROUNDING)
    return np.divide(covariance, scale, out=np.full_like(scale, np.nan), where=enough)


def _mean_drops(drops: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Mean over partners, (n_labelings, n_nodes), with weights (n_nodes, n_nodes)."""
    known = np.where(np.isfinite(drops[0]), weights, 0.0)
    total = known.sum(axis=1)
    sums = np.einsum("pvu,vu->pv", np.nan_to_num(drops), known)
    return np.divide(sums, total, out=np.full_like(sums, np.nan), where=total > 0)


def _only_partner(drops: np.ndarray, weights: np.ndarray, node: int, level: float) -> int | None:
    """Partner without which a leaf would not be flagged, if there is one."""
    strongest = int(np.argmax(weights[node] * np.nan_to_num(drops[0, node])))
    rest = weights.copy()
    rest[node, strongest] = 0.0
    means = _mean_drops(drops, rest)[:, node]
    z = _z(means[0], means[1:])
    return None if z > level else strongest


def _right_by_class(
    solo: SoloNode, codes: np.ndarray, new_scores: np.ndarray, new_codes: np.ndarray
) -> np.ndarray:
    """Correct predictions and rows, of training and of enough photos: (n_classes, 2, 2) int."""
    counts = []
    guesses = argmax_class(solo.scores, solo.classes), argmax_class(new_scores, solo.classes)
    for code in solo.classes:
        own = [g[c == code] for g, c in zip(guesses, (codes, new_codes))]
        known = [g[g >= 0] for g in own]
        if len(known[1]) >= MIN_ROWS:
            counts.append([[int(np.sum(g == code)) for g in known], [len(g) for g in known]])
    return np.array(counts, dtype=np.int64).reshape(-1, 2, 2)


def _shuffled_drops(hits: np.ndarray, n: np.ndarray, n_draws: int, seed: int) -> np.ndarray:
    """Drops of the balanced accuracy with training rows and photos shuffled, (n_draws,)."""
    rng = np.random.default_rng(seed)
    total = np.zeros(n_draws)
    for (old, new), (n_old, n_new) in zip(hits, n):
        right = old + new
        drawn = rng.hypergeometric(right, n_old + n_new - right, n_new, size=n_draws)
        total += (right - drawn) / n_old - drawn / n_new
    return total / len(n)
