"""Training photos on which defaults are chosen; no test photo is among them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from _harness import data_folder, load_ccp_parts, load_cifar10_dev, repeated_cv_interval
from sklearn.model_selection import StratifiedKFold
from sklearn.utils import Bunch

from hierseg_learn.datasets import make_portraits

N_SPLITS, SEED = 5, 0
N_CIFAR, N_PORTRAITS, PORTRAIT_SIZE = 2000, 300, (24, 20)
CCP, CIFAR, PORTRAITS = "ccp_parts", "cifar10_dev", "portraits"
EVERYWHERE = (CCP, CIFAR, PORTRAITS)

Split = tuple[np.ndarray, np.ndarray]


def loaders(quick: bool) -> dict[str, Callable[[], Bunch]]:
    """Return what loads every data set, a few portraits for a smoke run."""
    if quick:
        return {PORTRAITS: partial(take_portraits, 36)}
    for name in (CCP, CIFAR):
        data_folder(name)  # better to end now than after the portraits
    return {PORTRAITS: take_portraits, CCP: take_ccp_parts, CIFAR: take_cifar10_dev}


def take_portraits(n_samples: int = N_PORTRAITS) -> Bunch:
    """Portraits of three classes, noisy enough that not all are classified correctly."""
    data = make_portraits(
        n_samples,
        n_classes=3,
        signal={"hair": "color", "clothes": "texture"},
        missing=0.3,
        strength=0.5,
        noise=0.08,
        image_size=PORTRAIT_SIZE,
        random_state=SEED,
    )
    return Bunch(images=data.images, target=data.target, tree=data.tree)


def take_ccp_parts() -> Bunch:
    """Take the training photos of ccp_parts."""
    data = load_ccp_parts()
    return Bunch(images=data.images[data.train], target=data.target[data.train], tree=data.tree)


def take_cifar10_dev() -> Bunch:
    """Take some training photos of cifar10_dev, as many of every class."""
    data = load_cifar10_dev()
    rng = np.random.default_rng(SEED)
    classes = np.unique(data.target)
    chosen = [
        rng.permutation(data.train[data.target[data.train] == code])[: N_CIFAR // len(classes)]
        for code in classes
    ]
    chosen = np.sort(np.concatenate(chosen))
    return Bunch(images=data.images[chosen], target=data.target[chosen], tree=None)


def folds(data: Bunch, quick: bool, most: int = N_SPLITS) -> list[Split]:
    """Return folds of the photos, or the first of them; one for a smoke run."""
    splitter = StratifiedKFold(N_SPLITS, shuffle=True, random_state=SEED)
    splits = splitter.split(np.zeros(len(data.target)), data.target)
    return list(splits)[: 1 if quick else most]


def summarize(
    found: Sequence[dict[str, dict[str, float]]], splits: Sequence[Split]
) -> dict[str, dict[str, Any]]:
    """Means over the folds, and differences to the first entry with corrected intervals."""
    n_train, n_test = (np.mean([len(rows) for rows in part]) for part in zip(*splits))
    interval: Callable[..., dict] = partial(repeated_cv_interval, n_train=n_train, n_test=n_test)
    base = np.array([next(iter(fold.values()))["accuracy"] for fold in found])
    summary = {}
    for name, first in found[0].items():
        values = {key: np.array([fold[name][key] for fold in found]) for key in first}
        summary[name] = {
            "accuracy": {**interval(values["accuracy"]), "folds": values["accuracy"]},
            "difference": interval(values["accuracy"] - base),
            **{key: values[key].mean() for key in first if key != "accuracy"},
        }
    return summary


def rows_of_changes(summary: dict[str, dict[str, Any]], **more: str) -> list[dict[str, Any]]:
    """Rows of the printed table: accuracies, differences, and more numbers by their titles."""
    return [
        {
            "change": name,
            "accuracy": entry["accuracy"]["mean"],
            "less defaults": entry["difference"]["mean"],
            "low": entry["difference"]["low"],
            "high": entry["difference"]["high"],
            **{title: entry.get(key) for key, title in more.items()},
        }
        for name, entry in summary.items()
    ]


def settings_of_folds(names: Sequence[str]) -> dict[str, Any]:
    """Return what has to be known to draw the same folds."""
    return {
        "data": list(names),
        "cv": {"n_splits": N_SPLITS, "random_state": SEED},
        "n_cifar": N_CIFAR,
        "n_portraits": N_PORTRAITS,
        "interval": "95%, t, variance corrected after Nadeau and Bengio (2003)",
    }
