"""The fewest parts that change a prediction when swapped with those of a training image."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from itertools import combinations
from math import comb
from typing import Any, NamedTuple

import numpy as np

from ..compositing.compose import compose_parts
from ..explain.explanation import plain
from ..explain.words import node_labels
from ..fitted.model import FittedModel
from ..tree import SegmentTree
from ..utils.labels import class_code
from ..utils.numbers import check_integer, percent
from ._explain_votes import find_players


@dataclass(frozen=True, eq=False, repr=False)
class Counterfactual:
    """Parts that change a prediction when swapped with those of a training image, if any do.

    Parameters
    ----------
    tree : SegmentTree
        The tree of the transformer.
    nodes : tuple of int
        The swapped nodes; empty if no swap that was tried changes the prediction.
    classes : ndarray of shape (n_classes,)
        All classes.
    proba : ndarray of shape (n_classes,)
        Probabilities of the classes before the swap.
    n_evaluations : int
        Number of swaps that were tried.
    smallest : bool
        Whether all smaller sets, with all donors considered, were tried in vain; if nothing was
        found, all sets of the allowed size.
    target : object, default=None
        The class that was asked for; None for any other class.
    donor : int, default=None
        Position of the donor among the training images; None if nothing was found, as in all
        that follow.
    donor_class : object, default=None
        Its class.
    new_proba : ndarray of shape (n_classes,), default=None
        Probabilities of the classes after the swap.
    row : DataFrame or ndarray of shape (1, n_columns), default=None
        The row with the swapped parts, as the classifier takes it.

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
    ...     classes=np.array(["motor", "sail"]),
    ...     proba=np.array([0.8, 0.2]),
    ...     n_evaluations=20,
    ...     smallest=True,
    ...     donor=17,
    ...     donor_class="sail",
    ...     new_proba=np.array([0.4, 0.6]),
    ... )
    >>> print(found.to_text())
    The prediction is motor (probability 80%).
    With boat of training image 17 (class sail) it would be sail (60%).
    No smaller swap with the training images considered changes it (20 swaps tried).
    """

    tree: SegmentTree
    nodes: tuple[int, ...]
    classes: np.ndarray
    proba: np.ndarray
    n_evaluations: int
    smallest: bool
    target: Any = None
    donor: int | None = None
    donor_class: Any = None
    new_proba: np.ndarray | None = None
    row: Any = None

    @property
    def found(self) -> bool:
        """Whether a swap that changes the prediction was found."""
        return bool(self.nodes)

    @property
    def paths(self) -> tuple[str, ...]:
        """Paths of the swapped nodes."""
        return tuple(self.tree.paths[node] for node in self.nodes)

    @property
    def prediction(self) -> Any:
        """The predicted class before."""
        return self.classes[self.proba.argmax()]

    @property
    def new_prediction(self) -> Any:
        """The predicted class after."""
        return self.classes[self.new_proba.argmax()] if self.found else self.prediction

    def to_text(self) -> str:
        """Describe the swap in words.

        Returns
        -------
        str
            Two or three sentences, one per line.
        """
        before = f"The prediction is {self.prediction} (probability {percent(self.proba.max())})."
        tried = f"({self.n_evaluations} swaps tried)."
        if not self.found:
            to = "" if self.target is None else f" to {self.target}"
            which = "of the allowed size" if self.smallest else "among those tried"
            return f"{before}\nNo swap {which} changes it{to} {tried}"
        *others, last = [self._name(node) for node in self.nodes]
        parts = f"{', '.join(others)} and {last}" if others else last
        after = (
            f"With {parts} of training image {self.donor} (class {self.donor_class}) it would be "
            f"{self.new_prediction} ({percent(self.new_proba.max())})."
        )
        limits = f"A smaller swap may change it, too {tried}"
        if self.smallest:
            limits = f"No smaller swap with the training images considered changes it {tried}"
        return "\n".join([before, after, limits])

    def to_dict(self) -> dict[str, Any]:
        """Everything but the row as plain Python values.

        Returns
        -------
        dict
        """
        names = ("donor", "donor_class", "prediction", "new_prediction", "target")
        return {
            "found": self.found,
            "paths": list(self.paths),
            **{name: plain(getattr(self, name)) for name in names},
            "classes": self.classes.tolist(),
            "proba": self.proba.tolist(),
            "new_proba": None if self.new_proba is None else self.new_proba.tolist(),
            "n_evaluations": self.n_evaluations,
            "smallest": self.smallest,
        }

    def compose(
        self, image: Any, mask: Any, donor_image: Any, donor_mask: Any
    ) -> tuple[np.ndarray, np.ndarray]:
        """Paste the donor's parts into the image.

        The composed image illustrates the swap and does not prove it: a donor's part is resized to
        fit where the receiver's was, while the table takes it with its own size and position.

        Parameters
        ----------
        image, mask, donor_image, donor_mask : array-like
            The explained image and training image number `donor`, with their label maps of part
            ids: the given ones, or what the transformer's ``segmenter_.segment`` returns.

        Returns
        -------
        image, mask : ndarray
            The image with the parts of the other one, and its label map.

        Raises
        ------
        ValueError, TypeError
            If nothing was found, or if images and label maps do not match.
        """
        if not self.found:
            raise ValueError("No swap was found, so there is nothing to compose.")
        return compose_parts(image, mask, donor_image, donor_mask, self.tree, self.nodes)

    def _name(self, node: int) -> str:
        return node_labels(self.tree)[node]

    def __repr__(self) -> str:
        if not self.found:
            return f"Counterfactual(none found for {self.prediction})"
        return (
            f"Counterfactual({self.prediction} to {self.new_prediction} with "
            f"{', '.join(self._name(node) for node in self.nodes)} of training image {self.donor})"
        )


# largest sets of which only those of promising players are tried; larger sets are grown
MAX_GUIDED = 3


class Found(NamedTuple):
    """A set of players that changes the prediction."""

    donor: int  # position among the donors
    players: np.ndarray  # (n_players,) bool: those that are swapped
    proba: np.ndarray  # (n_classes,): probabilities after the swap


class SubsetSearch:
    """Tries sets of players, small ones first; `differs` is (n_donors, n_players) bool."""

    def __init__(
        self,
        evaluate: Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]],
        wins: Callable[[np.ndarray], np.ndarray],
        differs: np.ndarray,
        max_evaluations: int,
    ) -> None:
        self._evaluate, self._wins, self._differs = evaluate, wins, differs
        self._left = max_evaluations
        self.n_evaluations = 0
        self.all_tried = 0  # size up to which all sets of all donors were tried in vain

    def run(self, max_size: int) -> Found | None:
        """Find a smallest set that wins, or None if no set that was tried does."""
        n_donors, n_players = self._differs.shape
        gains = np.full((n_donors, n_players), -np.inf)
        for size in range(1, max_size + 1):
            donors, sets, complete = self._sets_of(size, gains)
            complete &= self.all_tried == size - 1
            if not len(sets):
                self.all_tried = max_size if complete else self.all_tried
                break
            found, lead = self._try(donors, sets)
            if complete and found is None:
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
            # as many donors as the budget allows, the nearest come first
            n_donors = max(1, int((counts.cumsum() <= self._left).sum()))
            complete = n_donors == len(counts)
        else:
            # the other half of the budget is for growing sets
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
        """For every donor add the best player until a set wins, then drop needless players."""
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
        """Try all sets with one player more, or one less."""
        candidates = np.flatnonzero(self._differs[donor] & ~players if add else players)
        sets = np.repeat(players[np.newaxis], len(candidates), axis=0)
        sets[np.arange(len(candidates)), candidates] = add
        if not len(sets) or len(sets) > self._left:
            return None, None, sets
        found, lead = self._try(np.full(len(sets), donor), sets)
        return found, lead, sets

    def _try(self, donors: np.ndarray, sets: np.ndarray) -> tuple[Found | None, np.ndarray]:
        """Evaluate sets; the winner with the largest probability, then the largest lead."""
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
    """Find the fewest parts that change a prediction when swapped with those of a training image.

    The search runs on the table: swapped parts come from the row of a real training image, and
    every node above them is recomputed. Donors are training images of the target class that the
    model classifies correctly, nearest first, and then the others. Sets are tried by size: every
    single part of every donor, then every pair, and so on as long as `max_evaluations` allows; then
    pairs and triples of the parts whose single swap shifts the distances, or with linear
    discriminants the log-odds, most towards the target; and at last, donor by donor, one part after
    the other.

    Parameters
    ----------
    model : Pipeline, HierarchicalMetricClassifier or AblatedClassifier
        A fitted Pipeline of a SegmentTreeTransformer and a HierarchicalMetricClassifier, such a
        classifier on the table of `transformer`, or either with ablated parts.
    x : one image, or one row of the table if `model` is a classifier
        An array, ``images[i]`` of SegmentedImages, or a collection of one.
    target : object, default=None
        The class to reach; None takes any other than the predicted one.
    transformer : SegmentTreeTransformer, default=None
        For a classifier: the fitted transformer whose table it was fitted on.
    level : int, default=None
        Depth of the nodes that are swapped, 1 for the children of the root; a leaf higher up
        stands for itself. None swaps leaves.
    keep : int, str or list of int and str, default=()
        Nodes that stay as they are, with everything below them.
    max_donors : int, default=10
        Number of training images to take parts from.
    max_nodes : int, default=None
        Largest number of nodes in a set; None allows all.
    max_evaluations : int, default=5000
        Largest number of sets that are tried, over all donors.

    Returns
    -------
    result : Counterfactual
        Its `found` is False if no set that was tried changes the prediction; larger limits may
        help.

    Raises
    ------
    ValueError, TypeError
        If the model or an argument is invalid, or `target` is predicted already.

    See Also
    --------
    AblatedClassifier : The model without some parts.

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
    >>> result = counterfactual(model, X[0])
    >>> result.found, result.paths
    (True, ('portrait/person/head/hair',))
    """
    fitted = FittedModel.from_estimator(model, transformer, needs="parts", explains=True)
    check_integer(max_donors, "max_donors")
    check_integer(max_evaluations, "max_evaluations")
    editor, codes, classes = fitted.editor, fitted.codes, fitted.classifier.classes_
    row = fitted.one_row(x)
    proba = fitted.predict_proba(row)[0]
    old = int(proba.argmax())
    wanted = None if target is None else class_code(target, "target", classes)
    if wanted == old:
        raise ValueError(
            f"target={target!r} is what the model predicts for x already; expected another class."
        )
    nodes = find_players(fitted, level, keep)
    max_nodes = len(nodes) if max_nodes is None else check_integer(max_nodes, "max_nodes")
    max_nodes = min(max_nodes, len(nodes))
    below = np.stack([editor.leaves(int(node)) for node in nodes])

    table = fitted.training_rows()
    targets = _nearest(fitted, row, table, codes != old if wanted is None else codes == wanted)
    foils = _nearest(fitted, row, table, codes == old)
    # those that are classified correctly first: swapping all parts with one of them suffices
    wrong = fitted.predict_proba(table[targets]).argmax(axis=1) != codes[targets]
    donors = targets[np.argsort(wrong, kind="stable")][:max_donors]
    # The neighbors are those of the row before any swap, so that the lead of a swap is a
    # difference of contributions.
    n_neighbors = fitted.classifier.n_neighbors_
    sides = [table[rows[:n_neighbors]] for rows in (targets, foils)]
    leaf_presence = editor.presence_columns[editor.tree.leaves]
    differs = table[np.ix_(donors, leaf_presence)] + row[:, leaf_presence] > 0

    def swap(which: np.ndarray, sets: np.ndarray) -> np.ndarray:
        return editor.swap(row, table[donors[which]], sets @ below)

    def evaluate(which: np.ndarray, sets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        rows = swap(which, sets)
        if fitted.classifier.decision_ == "linear":
            log_proba = fitted.predict_log_proba(rows)
            others = np.delete(log_proba, old, axis=1) if wanted is None else log_proba[:, [wanted]]
            return fitted.predict_proba(rows), others.max(axis=1) - log_proba[:, old]
        to_target, to_foil = (_squared_distances(fitted, rows, side).mean(axis=1) for side in sides)
        return fitted.predict_proba(rows), to_foil - to_target

    def wins(probas: np.ndarray) -> np.ndarray:
        predicted = probas.argmax(axis=1)
        return predicted != old if wanted is None else predicted == wanted

    search = SubsetSearch(evaluate, wins, differs @ below.T, max_evaluations)
    found = search.run(max_nodes)
    size = max_nodes + 1 if found is None else found.players.sum()
    result = Counterfactual(
        tree=editor.tree,
        nodes=(),
        classes=classes,
        proba=proba,
        n_evaluations=search.n_evaluations,
        smallest=bool(search.all_tried >= size - 1),
        target=None if wanted is None else classes[wanted],
    )
    if found is None:
        return result
    return replace(
        result,
        nodes=tuple(int(node) for node in nodes[found.players]),
        donor=int(fitted.classifier._positions(donors[found.donor])),
        donor_class=classes[codes[donors[found.donor]]],
        new_proba=found.proba,
        row=fitted.to_table(swap(np.array([found.donor]), found.players[np.newaxis])),
    )


def _nearest(
    fitted: FittedModel, row: np.ndarray, table: np.ndarray, chosen: np.ndarray
) -> np.ndarray:
    """Positions of the chosen training rows, (n_rows,) bool, nearest first."""
    candidates = np.flatnonzero(chosen)
    squared = _squared_distances(fitted, row, table[candidates])[0]
    return candidates[np.argsort(squared, kind="stable")]


def _squared_distances(fitted: FittedModel, rows: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Squared distances in the root metric, (n_rows, n_others)."""
    a, b = fitted.embed(rows), fitted.embed(others)
    return ((a[:, np.newaxis] - b) ** 2).sum(axis=-1)
