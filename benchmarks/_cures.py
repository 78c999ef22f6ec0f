"""Methods that remove a bias from the training rows, with and without known groups."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from _biased_data import NODE, BiasedData, fill_like
from imblearn.over_sampling import SMOTE, RandomOverSampler

from hierseg_learn.sampling import SegmentSwapSampler
from hierseg_learn.transformer.exchange import PartExchange

Rows = tuple[pd.DataFrame, np.ndarray]
N_SMOTE_NEIGHBORS = 5


class Impossible(Exception):
    """A cure that cannot be applied to these rows, and why."""


@dataclass(frozen=True)
class Task:
    """Training rows of one seed and one bias.

    Parameters
    ----------
    data : BiasedData
        Where they are from.
    table : DataFrame of shape (n_train, n_columns)
        NaN where a part is missing.
    y, groups : ndarray of shape (n_train,)
        Classes, and kinds of background.
    seed : int
        Of everything that is drawn.
    """

    data: BiasedData
    table: pd.DataFrame
    y: np.ndarray
    groups: np.ndarray
    seed: int

    def cells(self) -> np.ndarray:
        """Cell of class and group of every row."""
        return 2 * self.y + self.groups

    def require_cells(self, at_least: int = 1) -> None:
        """Raise where a cell has fewer rows."""
        counts = np.bincount(self.cells(), minlength=4)
        if counts.min() < at_least:
            raise Impossible(f"a cell has {counts.min()} rows, needs {at_least}")


def keep(task: Task) -> Rows:
    return task.table, task.y


def oversample(task: Task) -> Rows:
    """Draw rows of small cells again until all cells are equally large."""
    task.require_cells()
    sampler = RandomOverSampler(random_state=task.seed)
    places, _ = sampler.fit_resample(np.arange(len(task.y))[:, np.newaxis], task.cells())
    return take(task, places[:, 0])


def smote(task: Task) -> Rows:
    """Interpolate between rows of small cells; needs two rows in each."""
    task.require_cells(2)
    n_neighbors = min(N_SMOTE_NEIGHBORS, np.bincount(task.cells(), minlength=4).min() - 1)
    sampler = SMOTE(k_neighbors=int(n_neighbors), random_state=task.seed)
    table, cells = sampler.fit_resample(fill_like(task.table, task.table), task.cells())
    return table, cells // 2


def reweight(task: Task) -> Rows:
    """Draw as many rows as there are, each with a chance of one over the size of its cell."""
    task.require_cells()
    weights = 1 / np.bincount(task.cells())[task.cells()]
    rng = np.random.RandomState(task.seed)
    return take(task, rng.choice(len(task.y), len(task.y), p=weights / weights.sum()))


def take(task: Task, places: np.ndarray) -> Rows:
    return task.table.iloc[places].reset_index(drop=True), task.y[places]


def mute(data: BiasedData, table: pd.DataFrame) -> pd.DataFrame:
    """Ablate the spurious node, also in all nodes above it."""
    exchange = PartExchange.from_transformer(data.transformer)
    rows = exchange.mute(table.to_numpy(), exchange.leaves(NODE))
    return pd.DataFrame(rows, columns=table.columns)


def swap(n_copies: int, nodes: Any = NODE) -> Callable[[Task], Rows]:
    """Exchange nodes on the table."""

    def cure(task: Task) -> Rows:
        sampler = SegmentSwapSampler(
            nodes, transformer=task.data.transformer, n_copies=n_copies, random_state=task.seed
        )
        return sampler.fit_resample(task.table, task.y)

    return cure


def swap_images(task: Task) -> Rows:
    """Swap the spurious node between the images themselves, and describe the results."""
    sampler = SegmentSwapSampler(
        NODE, tree=task.data.transformer.tree_, n_copies=0, random_state=task.seed
    )
    images, y = sampler.fit_resample(task.data.train_images(task.groups), task.y)
    return task.data.transformer.transform(images), y


def swap_found(**evidence: Any) -> Callable[[Task], Rows]:
    """Swap the nodes that the audit flags; none if it flags none."""

    def cure(task: Task) -> Rows:
        known = dict(evidence)
        if known.pop("unlabeled", False):
            # photos from the place of use; what is tested later is among them, its classes are not
            known["unlabeled"] = fill_like(task.data.test_table()[0], task.table)
        sampler = SegmentSwapSampler(
            "auto",
            shortcut_params=known,
            transformer=task.data.transformer,
            n_copies=0,
            random_state=task.seed,
        )
        return sampler.fit_resample(task.table, task.y)

    return cure


@dataclass(frozen=True)
class Cure:
    """One row of the table of results.

    Parameters
    ----------
    name : str
        What is done.
    resample : callable
        Training rows from a task.
    mutes : bool
        Whether the spurious node is ablated in training and test rows.
    biases : tuple of float, default=None
        Where it is tried; None tries it everywhere.
    """

    name: str
    resample: Callable[[Task], Rows] = keep
    mutes: bool = False
    biases: tuple[float, ...] | None = None


NO_CURE = "no cure"
CURES = [
    Cure(NO_CURE),
    Cure("RandomOverSampler, groups known", oversample),
    Cure("SMOTE, groups known", smote),
    Cure("reweighting, groups known", reweight),
    Cure("node muted", mutes=True),
    Cure("exchange, rows added", swap(1)),
    Cure("exchange, rows replaced", swap(0)),
    Cure("exchange, node found: context declared", swap_found(context=NODE)),
    Cure("exchange, node found: unlabeled photos", swap_found(unlabeled=True)),
]
ON_IMAGES = Cure("exchange on images, rows replaced", swap_images)
BLOCK_CURES = [
    Cure(NO_CURE),
    Cure("node muted", mutes=True),
    Cure("exchange, whole node", swap(0)),
    Cure("exchange, guilty block", swap(0, {NODE: ["color"]})),
]
