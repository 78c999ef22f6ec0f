"""Search for the smallest set of parts whose exchange changes a prediction."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations
from math import comb

import numpy as np

# largest sets that are chosen from promising players only; beyond, sets are grown
MOST_GUIDED = 3


@dataclass(frozen=True)
class Found:
    """A set of players that changes the prediction.

    Parameters
    ----------
    donor : int
        Position among the donors.
    players : ndarray of shape (n_players,), bool
        Which are exchanged.
    proba : ndarray of shape (n_classes,)
        Probabilities after the exchange.
    """

    donor: int
    players: np.ndarray
    proba: np.ndarray


class SubsetSearch:
    """Tries sets of players, small ones first, and counts what it tried.

    Parameters
    ----------
    evaluate : callable
        ``evaluate(donors, players)`` for positions of donors, (n,) int, and sets, (n, n_players)
        bool, returns the probabilities of the classes, (n, n_classes), and a lead, (n,): the
        larger, the nearer the row is to a change.
    wins : callable
        ``wins(proba)`` says which rows, (n, n_classes), have the prediction that is sought: (n,)
        bool.
    differs : ndarray of shape (n_donors, n_players), bool
        Where an exchange would change anything: elsewhere the part is absent on both sides.
    max_evaluations : int
        Most sets that are tried. All sets of one size are tried as long as they fit; then, for
        every donor, those of its most promising players, and at last one player after the other.
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

        Parameters
        ----------
        max_size : int
            Most players in a set.

        Returns
        -------
        Found or None
            None if no set that was tried wins. `all_tried` then, and before, is the size up to
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
            if not complete and size > MOST_GUIDED:
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
