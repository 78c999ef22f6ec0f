"""Fitted classifiers to be explained, and their predictions for rows without some parts."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from _harness import Progress, load_ccp_parts
from sklearn.utils import Bunch

from hierseg_learn import HierarchicalMetricClassifier, SegmentedImages, SegmentTreeTransformer
from hierseg_learn.datasets import make_portraits
from hierseg_learn.fitted.model import take_apart
from hierseg_learn.transformer.exchange import PartExchange
from hierseg_learn.what_if._explain_votes import map_coalitions

N_CLASSES, N_NEIGHBORS, NOISE = 3, 15, 0.1
# How strongly styles show; set on validation portraits so that accuracy is .90 to .97.
STRENGTHS = {
    "background": 0.3,
    "hair": 0.3,
    "skin": 0.3,
    "eyes": 0.25,
    "mouth": 0.55,
    "neck": 0.32,
    "clothes": 0.22,
}

Worth = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Fitted:
    """A fitted classifier, the table, and where its rows come from.

    Parameters
    ----------
    name : str
        Of the data, or the planted part.
    images : SegmentedImages
    table : DataFrame
    target : ndarray
    parts : dict of str to ndarray
        Rows to train with, to choose by, and to report on.
    transformer, model : estimators
    """

    name: str
    images: SegmentedImages
    table: pd.DataFrame
    target: np.ndarray
    parts: dict[str, np.ndarray]
    transformer: SegmentTreeTransformer
    model: HierarchicalMetricClassifier

    @property
    def leaves(self) -> np.ndarray:
        """Nodes that are parts."""
        return self.model.tree_.leaves

    def row(self, i: int) -> np.ndarray:
        """One row of the table, (1, n_columns)."""
        return self.table.to_numpy()[[i]]

    def code(self, i: int) -> int:
        """Position of the predicted class."""
        return int(self.predict_proba(self.row(i)).argmax())

    def predict_proba(self, rows: np.ndarray) -> np.ndarray:
        """Shares of the votes for rows of the table."""
        return self.model.predict_proba(pd.DataFrame(rows, columns=self.table.columns))

    def right(self, part: str) -> np.ndarray:
        """Correctly classified rows."""
        rows = self.parts[part]
        return rows[self.model.predict(self.table.iloc[rows]) == self.target[rows]]

    def accuracy(self, part: str) -> float:
        """Share of correctly classified rows."""
        return len(self.right(part)) / len(self.parts[part])

    def players(self, i: int) -> np.ndarray:
        """Positions of the parts that the image has."""
        presence = [f"{self.model.tree_.path(leaf)}|presence" for leaf in self.leaves]
        return np.flatnonzero(self.table[presence].iloc[i].to_numpy() > 0)


# --- data and models ------------------------------------------------------------------------------


def fit_portraits(part: str, n_images: tuple[int, int, int], seed: int) -> Fitted:
    """Fit portraits whose class depends on one part only; another seed gives other portraits."""
    data = make_portraits(
        sum(n_images),
        n_classes=N_CLASSES,
        signal=(part,),
        strength=STRENGTHS[part],
        noise=NOISE,
        random_state=seed,
    )
    stops = np.cumsum(n_images)
    parts = dict(zip(("train", "validation", "test"), np.split(np.arange(stops[-1]), stops[:-1])))
    return fit(part, data, parts)


def fit_photos(say: Progress) -> Fitted | None:
    """Fit the photos; a fifth of the training split is kept for choosing."""
    try:
        data = load_ccp_parts()
    except SystemExit:
        sys.stderr.write("ccp_parts is left out.\n")
        return None
    shuffled = np.random.RandomState(0).permutation(data.train)
    n_choosing = len(shuffled) // 5
    parts = {
        "train": np.sort(shuffled[n_choosing:]),
        "validation": np.sort(shuffled[:n_choosing]),
        "test": data.test,
    }
    fitted = fit("ccp_parts", data, parts)
    say(f"fitted ccp_parts: accuracy {fitted.accuracy('test'):.3f}")
    return fitted


def fit(name: str, data: Bunch, parts: dict[str, np.ndarray]) -> Fitted:
    """Fit transformer and classifier on the training rows, and describe all others."""
    transformer = SegmentTreeTransformer(tree=data.tree)
    train = transformer.fit_transform(data.images[parts["train"]])
    table = transformer.transform(data.images)
    model = fit_model(train, data.target[parts["train"]])
    return Fitted(name, data.images, table, np.asarray(data.target), parts, transformer, model)


def fit_model(table: pd.DataFrame, y: np.ndarray, seed: int = 0) -> HierarchicalMetricClassifier:
    """Fit the classifier that is explained."""
    model = HierarchicalMetricClassifier(n_neighbors=N_NEIGHBORS, device="cpu", random_state=seed)
    return model.fit(table, y)


# --- removal --------------------------------------------------------------------------------------


def make_rows(fitted: Fitted, i: int, removal: str, donors: np.ndarray) -> Worth:
    """Return a function from kept parts to rows of the table.

    The function takes (n_coalitions, n_players) bool and returns (n_coalitions, n_copies,
    n_columns): one copy if parts are muted, one per donor if they are exchanged.
    """
    exchange = PartExchange.from_transformer(fitted.transformer)
    row, players = fitted.row(i), fitted.players(i)
    n_parts = len(fitted.leaves)

    def rows(kept: np.ndarray) -> np.ndarray:
        removed = np.zeros((len(kept), n_parts), dtype=bool)
        removed[:, players] = ~kept
        if removal == "mute":
            return exchange.mute(np.repeat(row, len(kept), axis=0), removed)[:, np.newaxis]
        given = np.tile(fitted.table.to_numpy()[donors], (len(kept), 1))
        swapped = np.repeat(removed, len(donors), axis=0)
        return exchange.exchange(row, given, swapped).reshape(len(kept), len(donors), -1)

    return rows


def make_worth(fitted: Fitted, i: int, removal: str, donors: np.ndarray) -> Worth:
    """Share of the votes for the predicted class, by kept parts."""
    code, make = fitted.code(i), make_rows(fitted, i, removal, donors)

    def worth(kept: np.ndarray) -> np.ndarray:
        rows = make(np.asarray(kept, dtype=bool))
        proba = fitted.predict_proba(rows.reshape(-1, rows.shape[-1]))[:, code]
        return proba.reshape(rows.shape[:2]).mean(axis=1)

    return worth


def tabulated_worth(fitted: Fitted, i: int, removal: str, donors: np.ndarray) -> Worth:
    """As `make_worth`, by a table of all coalitions that is made node by node, once."""
    model = take_apart(fitted.model, fitted.transformer)
    players = np.zeros((len(fitted.players(i)), len(fitted.leaves)), dtype=bool)
    players[np.arange(len(players)), fitted.players(i)] = True
    given = [None] if removal == "mute" else [fitted.row(donor) for donor in donors]
    decide, code = fitted.model._decide(), fitted.code(i)
    table = np.mean(
        [
            decide.proba_of_mapped(map_coalitions(model, fitted.row(i), donor, players))[:, code]
            for donor in given
        ],
        axis=0,
    )
    places = 1 << np.arange(len(players))
    return lambda kept: table[np.asarray(kept, dtype=int) @ places]


def draw_donors(fitted: Fitted, n_donors: int) -> tuple[np.ndarray, np.ndarray]:
    """Donors for the explainers and others for the evaluation, equally many of every class."""
    rng = np.random.RandomState(0)
    mine, judges = [], []
    train = fitted.parts["train"]
    for label in fitted.model.classes_:
        drawn = rng.permutation(train[fitted.target[train] == label])
        mine.append(drawn[:n_donors])
        judges.append(drawn[n_donors : 2 * n_donors])
    return np.concatenate(mine), np.concatenate(judges)
