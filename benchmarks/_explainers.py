"""What the explainers of one fitted classifier say about the parts of an image."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import redirect_stderr
from dataclasses import dataclass
from io import StringIO

import numpy as np
import pandas as pd
from sklearn.utils import Bunch

from hierseg_learn import (
    HierarchicalMetricClassifier,
    SegmentedImages,
    SegmentTreeTransformer,
)
from hierseg_learn._exchange import PartExchange
from hierseg_learn.explain._shapley import all_coalitions

N_SAMPLES = 1000  # of SHAP and LIME

# How contributions of nodes become attributions of parts, chosen on validation images: which
# training rows of either class are contrasted, and what becomes of the columns of inner nodes.
CONTRASTS = {
    f"{whom}, {inner}": (n_neighbors, inner)
    for whom, n_neighbors in (("voters", None), ("class", "class"))
    for inner in ("leaves only", "inner nodes split")
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


def make_pull(fitted: Fitted, i: int, removal: str, donors: np.ndarray) -> Worth:
    """How much nearer the class mean of the prediction is than those of the other classes.

    The squared distances to two fixed points differ by a linear function of the row.
    """
    model, make = fitted.model, make_rows(fitted, i, removal, donors)
    means = model.prototypes_ @ model.components_.T
    code = fitted.code(i)
    away = means[code] - np.delete(means, code, axis=0).mean(axis=0)
    direction = 2 * away @ model.components_

    def pull(kept: np.ndarray) -> np.ndarray:
        return (make(kept) @ direction).mean(axis=1)

    return pull


def tabulated(worth: Worth, n_players: int) -> Worth:
    """Look all coalitions up in a table that is made once."""
    table = worth(all_coalitions(n_players))
    places = 1 << np.arange(n_players)
    return lambda kept: table[np.asarray(kept, dtype=int) @ places]


def draw_donors(fitted: Fitted, size: Bunch) -> tuple[np.ndarray, np.ndarray]:
    """Training rows for those who explain, and others for the judge; of every class the same."""
    rng = np.random.RandomState(0)
    mine, judges = [], []
    train = fitted.parts["train"]
    for label in fitted.model.classes_:
        drawn = rng.permutation(train[fitted.target[train] == label])
        mine.append(drawn[: size.n_donors])
        judges.append(drawn[size.n_donors : 2 * size.n_donors])
    return np.concatenate(mine), np.concatenate(judges)


# --- explainers: each gives attributions of the parts that an image has ---------------------------


def explain_contrast(fitted: Fitted, i: int, whom: str | None, inner: str) -> np.ndarray:
    """Contributions of the nodes to the contrast, as attributions of parts."""
    own = fitted.model.explain_contrast(
        fitted.table.iloc[[i]], n_neighbors=n_contrasted(fitted, whom)
    ).own
    return to_parts(fitted, i, own, inner)


def n_contrasted(fitted: Fitted, whom: str | None) -> int | None:
    """How many training rows of either class are contrasted: as many as vote, or whole classes."""
    if whom is None:
        return None
    return int(np.unique(fitted.target[fitted.parts["train"]], return_counts=True)[1].min())


def to_parts(fitted: Fitted, i: int, own: np.ndarray, inner: str) -> np.ndarray:
    """Leaves' own contributions; on demand with equal shares of those of the nodes above them."""
    players = fitted.players(i)
    nodes = fitted.leaves[players]
    if inner == "leaves only":
        return own[nodes]
    tree = fitted.model.tree_
    above = np.zeros((tree.n_nodes, len(nodes)))
    for node in range(tree.n_nodes):
        above[node] = np.isin(nodes, tree.subtree(node))
    n_below = above.sum(axis=1, keepdims=True)
    return own @ np.divide(above, n_below, out=np.zeros_like(above), where=n_below > 0)


def explain_prediction(fitted: Fitted, i: int, inner: str) -> np.ndarray:
    """Contributions of the nodes to the distance to those who vote."""
    return to_parts(fitted, i, fitted.model.explain_prediction(fitted.table.iloc[[i]]).own, inner)


def explain_pull(pull: Worth, n_players: int) -> np.ndarray:
    """Mean of what a part adds to none and to all others: 2 n + 2 coalitions.

    These are the Shapley values of every game without interactions of three parts or more.
    """
    single = np.eye(n_players, dtype=bool)
    kept = np.concatenate([single, ~single, [[False] * n_players, [True] * n_players]])
    scores = pull(kept)
    alone, without = scores[:n_players] - scores[-2], scores[-1] - scores[n_players:-2]
    return (alone + without) / 2


def explain_shap(worth: Worth, n_players: int, seed: int = 0) -> np.ndarray:
    """KernelSHAP over the presence of parts."""
    import shap

    explainer = shap.KernelExplainer(lambda Z: worth(Z > 0.5), np.zeros((1, n_players)), seed=seed)
    np.random.seed(seed)  # noqa: NPY002  (KernelSHAP draws from it)
    values = explainer.shap_values(
        np.ones((1, n_players)), nsamples=N_SAMPLES, l1_reg=False, silent=True
    )
    return np.asarray(values)[0]


def explain_lime(worth: Worth, n_players: int, seed: int = 0) -> np.ndarray:
    """LIME's explainer of images, on an image of one pixel per part."""
    from lime.lime_image import LimeImageExplainer

    # its progress bar cannot be switched off
    with redirect_stderr(StringIO()):
        explanation = LimeImageExplainer(random_state=seed).explain_instance(
            np.ones((1, n_players, 3)),
            lambda images: worth(images[:, 0, :, 0] > 0.5)[:, np.newaxis],
            labels=(0,),
            top_labels=None,
            hide_color=0,
            num_samples=N_SAMPLES,
            batch_size=N_SAMPLES,
            segmentation_fn=lambda image: np.arange(n_players)[np.newaxis],
        )
    values = np.zeros(n_players)
    for part, weight in explanation.local_exp[0]:
        values[part] = weight
    return values
