"""Which parts would have to be those of another image for another prediction."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import combinations
from math import comb
from typing import Any

import numpy as np

from ..compositing.compose import compose_parts
from ..fitted.model import FittedModel, one_row
from ..tree import SegmentTree
from ..utils.labels import class_code
from ..utils.numbers import percent
from ._ablation import open_model
from ._explain_votes import check_count, find_players


@dataclass(frozen=True, eq=False, repr=False)
class Counterfactual:
    """Parts which, exchanged with those of a training image, change a prediction.

    Parameters
    ----------
    tree : SegmentTree
        The tree of the transformer.
    nodes : tuple of int
        The exchanged nodes.
    donor : int
        Position of the donor among the training images.
    donor_class : object
        Its class.
    classes : ndarray of shape (n_classes,)
        All classes.
    proba, new_proba : ndarray of shape (n_classes,)
        Probabilities of the classes before and after.
    n_evaluations : int
        How many sets were tried.
    smallest : bool
        Whether all smaller sets of all donors that were looked at were tried, and failed.
    row : DataFrame or ndarray of shape (1, n_columns)
        The row with the exchanged parts, as the classifier takes it.

    Attributes
    ----------
    paths : tuple of str
        Paths of the exchanged nodes.
    prediction, new_prediction : object
        The predicted class before and after.

    See Also
    --------
    counterfactual : Finds one.

    Examples
    --------
    >>> import numpy as np
    >>> from hierseg_learn.tree import SegmentTree
    >>> from hierseg_learn.what_if import Counterfactual
    >>> found = Counterfactual(
    ...     SegmentTree.from_nested({"photo": {"sky": 0, "boat": 1}}),
    ...     nodes=(1,),
    ...     donor=17,
    ...     donor_class="sail",
    ...     classes=np.array(["motor", "sail"]),
    ...     proba=np.array([0.8, 0.2]),
    ...     new_proba=np.array([0.4, 0.6]),
    ...     n_evaluations=20,
    ...     smallest=True,
    ...     row=np.zeros((1, 4)),
    ... )
    >>> print(found.to_text())
    The prediction is motor (probability 80%).
    With boat of training image 17 (class sail) it would be sail (60%).
    No smaller exchange with the training images looked at does that (20 exchanges tried).
    """

    tree: SegmentTree
    nodes: tuple[int, ...]
    donor: int
    donor_class: Any
    classes: np.ndarray
    proba: np.ndarray
    new_proba: np.ndarray
    n_evaluations: int
    smallest: bool
    row: Any

    @property
    def paths(self) -> tuple[str, ...]:
        """Paths of the exchanged nodes."""
        return tuple(self.tree.paths[node] for node in self.nodes)

    @property
    def prediction(self) -> Any:
        """The predicted class before."""
        return self.classes[self.proba.argmax()]

    @property
    def new_prediction(self) -> Any:
        """The predicted class after."""
        return self.classes[self.new_proba.argmax()]

    def to_text(self) -> str:
        """Say in words what would have to be exchanged.

        Returns
        -------
        str
            Three sentences, one per line.
        """
        names = [self._name(node) for node in self.nodes]
        parts = " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
        tried = f"({self.n_evaluations} exchanges tried)."
        return "\n".join(
            [
                f"The prediction is {self.prediction} (probability {percent(self.proba.max())}).",
                f"With {parts} of training image {self.donor} (class {self.donor_class}) it would "
                f"be {self.new_prediction} ({percent(self.new_proba.max())}).",
                f"No smaller exchange with the training images looked at does that {tried}"
                if self.smallest
                else f"A smaller exchange may do that, too {tried}",
            ]
        )

    def to_dict(self) -> dict[str, Any]:
        """Everything but the row as plain Python values.

        Returns
        -------
        dict
        """
        return {
            "paths": list(self.paths),
            "donor": self.donor,
            "donor_class": _plain(self.donor_class),
            "prediction": _plain(self.prediction),
            "new_prediction": _plain(self.new_prediction),
            "classes": self.classes.tolist(),
            "proba": self.proba.tolist(),
            "new_proba": self.new_proba.tolist(),
            "n_evaluations": self.n_evaluations,
            "smallest": self.smallest,
        }

    def compose(
        self, image: Any, mask: Any, donor_image: Any, donor_mask: Any
    ) -> tuple[np.ndarray, np.ndarray]:
        """Paste the donor's parts into the picture.

        The picture illustrates the exchange and is no proof of it: a donor's part is resized to
        stand where the receiver's stood, while the table takes it with its own size and place.

        Parameters
        ----------
        image, donor_image : array-like of shape (h, w) or (h, w, 3)
            The explained image, and training image number `donor`; each of its own size.
        mask, donor_mask : array-like of shape (h, w), integer
            Their label maps of part ids: the given ones, or what the transformer's
            ``segmenter_.segment`` returns. -1, and 255 in uint8, belong to no part.

        Returns
        -------
        image : ndarray of the shape and dtype of `image`
            The composed picture; pixels that no exchange concerns are as they were.
        mask : ndarray of shape (h, w), dtype of `mask`
            Its label map.

        Raises
        ------
        ValueError, TypeError
            If an image and its mask do not fit, or the images are of different kinds.
        """
        return compose_parts(image, mask, donor_image, donor_mask, self.tree, self.nodes)

    def _name(self, node: int) -> str:
        name = self.tree.names[node]
        return name if self.tree.names.count(name) == 1 else self.tree.paths[node]

    def __repr__(self) -> str:
        return (
            f"Counterfactual({self.prediction} to {self.new_prediction} with "
            f"{', '.join(self._name(node) for node in self.nodes)} of training image {self.donor})"
        )


def _plain(label: Any) -> Any:
    return label.item() if isinstance(label, np.generic) else label


# largest sets that are chosen from promising players only; beyond, sets are grown
MAX_GUIDED = 3


@dataclass(frozen=True)
class Found:
    """A set of players that changes the prediction."""

    donor: int  # position among the donors
    players: np.ndarray  # (n_players,) bool: which are exchanged
    proba: np.ndarray  # (n_classes,): probabilities after the exchange


class SubsetSearch:
    """Tries sets of players, small ones first, and counts what it tried.

    Shapes: `differs` (n_donors, n_players) bool.
    """

    def __init__(
        self,
        evaluate: Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]],
        wins: Callable[[np.ndarray], np.ndarray],
        differs: np.ndarray,
        max_evaluations: int,
    ) -> None:
        self._evaluate = evaluate
        self._wins = wins
        self._differs = differs
        self._left = max_evaluations
        self.n_evaluations = 0
        self.all_tried = 0

    def run(self, max_size: int) -> Found | None:
        """Find a smallest set.

        Returns none if no set that was tried wins. `all_tried` then, and before, is the size up to
        which no set of any donor was left out.
        """
        n_donors, n_players = self._differs.shape
        gains = np.full((n_donors, n_players), -np.inf)
        for size in range(1, max_size + 1):
            donors, sets, complete = self._sets_of(size, gains)
            if not len(sets):
                break
            found, lead = self._try(donors, sets)
            if complete and self.all_tried == size - 1 and found is None:
                self.all_tried = size
            if found is not None:
                return found
            if size == 1:
                gains[donors, sets.argmax(axis=1)] = lead
        return self._grow(gains, max_size)

    def _sets_of(self, size: int, gains: np.ndarray) -> tuple[np.ndarray, np.ndarray, bool]:
        """Sets of one size, donor after donor: all of them, or those of the promising players."""
        counts = self._differs.sum(axis=1)
        n_donors, most = self._differs.shape
        if size == 1:
            # as many donors as fit, the nearest come first
            n_donors = max(1, int((counts.cumsum() <= self._left).sum()))
            complete = n_donors == len(counts)
        else:
            # half of what is left, so that something is left to grow sets with
            budget = self._left // 2
            complete = sum(comb(int(count), size) for count in counts) <= budget
            if not complete and size > MAX_GUIDED:
                most = 0
            while most and sum(comb(min(int(count), most), size) for count in counts) > budget:
                most -= 1
        donors, chosen = [], []
        for donor in range(n_donors):
            players = np.flatnonzero(self._differs[donor])
            players = players[np.argsort(-gains[donor, players], kind="stable")][:most]
            for subset in combinations(np.sort(players).tolist(), size):
                donors.append(donor)
                chosen.append(subset)
        sets = np.zeros((len(chosen), self._differs.shape[1]), dtype=bool)
        if chosen:
            np.put_along_axis(sets, np.array(chosen), True, axis=1)
        return np.array(donors, dtype=int), sets, complete

    def _grow(self, gains: np.ndarray, max_size: int) -> Found | None:
        """For every donor add the best player until the prediction changes, then drop some."""
        best = None
        for donor in np.argsort(-gains.max(axis=1), kind="stable"):
            players = np.zeros(self._differs.shape[1], dtype=bool)
            players[gains[donor].argmax()] = np.isfinite(gains[donor]).any()
            most = max_size if best is None else best.players.sum() - 1
            while players.sum() < most:
                found, lead, sets = self._try_changes(donor, players, add=True)
                if found is not None:
                    best = self._shrink(found)
                    break
                if lead is None:
                    break
                players = sets[lead.argmax()]
            if self._left <= 0:
                break
        return best

    def _shrink(self, found: Found) -> Found:
        while found.players.sum() > 1:
            smaller, _, _ = self._try_changes(found.donor, found.players, add=False)
            if smaller is None:
                break
            found = smaller
        return found

    def _try_changes(
        self, donor: int, players: np.ndarray, *, add: bool
    ) -> tuple[Found | None, np.ndarray | None, np.ndarray]:
        """Try a set with one player more, or one less."""
        candidates = np.flatnonzero(self._differs[donor] & ~players if add else players)
        sets = np.repeat(players[np.newaxis], len(candidates), axis=0)
        sets[np.arange(len(candidates)), candidates] = add
        if not len(sets) or len(sets) > self._left:
            return None, None, sets
        found, lead = self._try(np.full(len(sets), donor), sets)
        return found, lead, sets

    def _try(self, donors: np.ndarray, sets: np.ndarray) -> tuple[Found | None, np.ndarray]:
        """Evaluate sets; the best of those that win, by its probabilities, then by its lead."""
        proba, lead = self._evaluate(donors, sets)
        self._left -= len(sets)
        self.n_evaluations += len(sets)
        wins = np.flatnonzero(self._wins(proba))
        if not len(wins):
            return None, lead
        # ties go to the nearest donor, which comes first
        order = np.lexsort((donors[wins], -lead[wins], -proba[wins].max(axis=1).round(12)))
        best = wins[order[0]]
        return Found(int(donors[best]), sets[best], proba[best]), lead


def counterfactual(
    model: Any,
    x: Any,
    target: Any = None,
    *,
    transformer: Any = None,
    level: int | None = None,
    keep: int | str | Iterable[int | str] = (),
    max_donors: int = 10,
    max_nodes: int | None = None,
    max_evaluations: int = 5000,
) -> Counterfactual:
    """Find the fewest parts which, exchanged with those of a training image, change a prediction.

    The search runs on the table: exchanged parts come from the row of a real training image, and
    every node above them is made anew. Donors are training images of the target class, the nearest
    first, those that the model itself takes for it before all others. Sets are tried by size: every
    single part of every donor, then every pair, and so on as long as that fits into
    `max_evaluations`; beyond, pairs and triples of the parts whose single exchange shifts the
    distances most towards the target, and at last, donor by donor, one part after the other.

    Parameters
    ----------
    model : Pipeline, HierarchicalMetricClassifier or AblatedClassifier
        A fitted Pipeline of a SegmentTreeTransformer and a HierarchicalMetricClassifier, such a
        classifier on the table of `transformer`, or either without some parts.
    x : one image, or one row of the table if `model` is a classifier
        An array, ``images[i]`` of SegmentedImages, or a collection of one.
    target : object, default=None
        The class that is wanted; None takes any other than the predicted one.
    transformer : SegmentTreeTransformer, default=None
        For a classifier: the fitted transformer whose table it was fitted on.
    level : int, default=None
        Depth of the nodes that are exchanged, 1 for the children of the root; a leaf higher up
        stands for itself. None exchanges leaves.
    keep : int, str or list of int and str, default=()
        Nodes that stay as they are, with everything below them.
    max_donors : int, default=10
        Number of training images to take parts from.
    max_nodes : int, default=None
        Most nodes in a set; None allows all.
    max_evaluations : int, default=5000
        Most sets that are tried, over all donors.

    Returns
    -------
    found : Counterfactual
        The exchanged nodes, the donor, both predictions; and the composed picture on request.

    Raises
    ------
    LookupError
        If no set that was tried changes the prediction.
    ValueError, TypeError
        If the model or an argument is not what it should be, or `target` is predicted already.

    See Also
    --------
    ablate_nodes : The model without some parts.

    Examples
    --------
    >>> from sklearn.pipeline import make_pipeline
    >>> from hierseg_learn import HierarchicalMetricClassifier, SegmentTreeTransformer
    >>> from hierseg_learn.datasets import make_portraits
    >>> from hierseg_learn.what_if import counterfactual
    >>> portraits = make_portraits(80, signal=("hair",), strength=1.0, random_state=0)
    >>> X, y = portraits.images, portraits.target
    >>> model = make_pipeline(
    ...     SegmentTreeTransformer(tree=portraits.tree, descriptors=["color", "lbp"]),
    ...     HierarchicalMetricClassifier(random_state=0),
    ... ).fit(X, y)
    >>> found = counterfactual(model, X[0])
    >>> found.paths
    ('portrait/person/head/hair',)
    >>> donor = X[found.donor]
    >>> picture, mask = found.compose(*X[0], *donor)
    >>> picture.shape, picture.dtype
    ((48, 40, 3), dtype('uint8'))
    """
    fitted, to_rows = open_model(model, transformer)
    for name, value in (("max_donors", max_donors), ("max_evaluations", max_evaluations)):
        check_count(value, name)
    row = one_row(fitted, x, "x", to_rows)
    proba = fitted.proba(row)[0]
    old = int(proba.argmax())
    wanted = _code(fitted, target, old)
    nodes = find_players(fitted, level, keep)
    max_nodes = len(nodes) if max_nodes is None else check_count(max_nodes, "max_nodes")
    below = np.stack([fitted.exchange.leaves(int(node)) for node in nodes])

    table = fitted.training_rows()
    donors = _donors(fitted, row, table, wanted, old)[:max_donors]
    lead_of = _lead(fitted, row, table, wanted, old)
    leaf_presence = fitted.presence_columns()[fitted.tree.leaves]
    there = table[np.ix_(donors, leaf_presence)] + row[:, leaf_presence] > 0

    def exchanged(which: np.ndarray, sets: np.ndarray) -> np.ndarray:
        return fitted.exchange.exchange(row, table[donors[which]], sets @ below)

    def evaluate(which: np.ndarray, sets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        rows = exchanged(which, sets)
        return fitted.proba(rows), lead_of(rows)

    def wins(probas: np.ndarray) -> np.ndarray:
        codes = probas.argmax(axis=1)
        return codes != old if wanted is None else codes == wanted

    search = SubsetSearch(evaluate, wins, there @ below.T, max_evaluations)
    found = search.run(min(max_nodes, len(nodes)))
    classes = fitted.classifier.classes_
    if found is None:
        goal = "anything else" if wanted is None else classes[wanted]
        raise LookupError(
            f"No exchange of up to {max_nodes} of {len(nodes)} nodes with one of {len(donors)} "
            f"training images turns the prediction {classes[old]} into {goal}; "
            f"{search.n_evaluations} were tried. Raise max_donors, max_nodes or max_evaluations."
        )
    donor = int(donors[found.donor])
    return Counterfactual(
        tree=fitted.tree,
        nodes=tuple(int(node) for node in nodes[found.players]),
        donor=donor,
        donor_class=classes[fitted.codes[donor]],
        classes=classes,
        proba=proba,
        new_proba=found.proba,
        n_evaluations=search.n_evaluations,
        smallest=bool(search.all_tried >= found.players.sum() - 1),
        row=fitted.to_table(exchanged(np.array([found.donor]), found.players[np.newaxis])),
    )


def _code(fitted: FittedModel, target: Any, old: int) -> int | None:
    """Position of the target among the classes."""
    if target is None:
        return None
    code = class_code(target, "target", fitted.classifier.classes_)
    if code == old:
        raise ValueError(
            f"target={target!r} is what the model predicts for x already; expected another class."
        )
    return code


def _nearest(
    fitted: FittedModel, row: np.ndarray, table: np.ndarray, wanted: int | None, old: int
) -> np.ndarray:
    """Training rows of the wanted class, or of any but the old one, nearest first."""
    candidates = np.flatnonzero(_is_wanted(fitted.codes, wanted, old))
    squared = _squared(fitted, row, table[candidates])[0]
    return candidates[np.argsort(squared, kind="stable")]


def _donors(
    fitted: FittedModel, row: np.ndarray, table: np.ndarray, wanted: int | None, old: int
) -> np.ndarray:
    """Those of them first that the model gives their class: to be all of one of them is enough."""
    candidates = _nearest(fitted, row, table, wanted, old)
    codes = fitted.proba(table[candidates]).argmax(axis=1)
    return candidates[np.argsort(codes != fitted.codes[candidates], kind="stable")]


def _lead(
    fitted: FittedModel, row: np.ndarray, table: np.ndarray, wanted: int | None, old: int
) -> Any:
    """How much nearer rows are to wanted classes than to the old one: a contrast of distances.

    Both sets of neighbors are those of the row before any exchange, so that the contrast of an
    exchange is a difference of contributions.
    """
    n_neighbors = fitted.classifier.n_neighbors
    sides = [
        table[_nearest(fitted, row, table, wanted, old)[:n_neighbors]],
        table[_nearest(fitted, row, table, old, -1)[:n_neighbors]],
    ]

    def lead(rows: np.ndarray) -> np.ndarray:
        towards, away = (_squared(fitted, rows, side).mean(axis=1) for side in sides)
        return away - towards

    return lead


def _is_wanted(codes: np.ndarray, wanted: int | None, old: int) -> np.ndarray:
    return codes != old if wanted is None else codes == wanted


def _squared(fitted: FittedModel, rows: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Squared distances in the root metric, (n_rows, n_others)."""
    a, b = (side.astype(np.float64) @ fitted.components().T for side in (rows, others))
    return ((a[:, np.newaxis] - b) ** 2).sum(axis=-1)
