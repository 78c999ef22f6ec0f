"""Choice of the defaults: one change at a time, on training photos only.

Five folds of the training photos of ccp_parts, of 2,000 training photos of cifar10_dev (spatial
pyramid) and of generated portraits. In addition to the accuracy: the share of the contributions in
the direct columns of inner nodes, which describe several parts at once and are therefore less
specific, and the share of negative contributions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from _harness import (
    Progress,
    parse_arguments,
    print_table,
    record,
    workers,
)
from _models import (
    accuracy_of_masks,
    describe,
    fill_missing,
    fit_tree,
    inner_columns,
    merge_tables,
    select,
)
from _training_photos import (
    CCP,
    EVERYWHERE,
    PORTRAITS,
    folds,
    loaders,
    rows_of_changes,
    settings_of_folds,
    summarize,
)
from joblib import delayed
from sklearn.utils import Bunch

from hierseg_learn import HierarchicalMetricClassifier, SegmentTreeTransformer
from hierseg_learn.descriptors import PatchDictionary, ShapeDescriptor
from hierseg_learn.metrics import ProjectionCombination, ShrinkageLDA

NAME = "defaults"
PATCHES = {"n_atoms": 64, "n_patches": 30_000}
SHAPE_BINS = (4, 20)
# other decisions than what held-out rows choose
VOTES = [
    {"n_neighbors": 5},
    {"n_neighbors": 15},
    {"n_neighbors": 25},
    {"n_neighbors": 5, "weights": "distance"},
    {"n_neighbors": 15, "weights": "distance"},
    {"n_neighbors": 25, "weights": "distance"},
    {"decision": "prototypes"},
    {"decision": "linear"},
]
# held-out photos per fold whose explanations are looked at
N_EXPLAINED = 30
# descriptors in every table, of which a variant takes its choice
POOLED = r"presence|area|(lab|grad|lbp|shape)_.*"


@dataclass(frozen=True)
class Variant:
    """One change of the defaults.

    Parameters
    ----------
    name : str
        What is changed.
    params : dict
        Parameters of the classifier.
    columns : str
        Pattern of the descriptors that it takes.
    inner : bool
        Whether inner nodes describe their own pixels.
    data : tuple of str
        Where it is tried.
    """

    name: str
    params: dict[str, Any] = field(default_factory=dict)
    columns: str = POOLED
    inner: bool = True
    data: tuple[str, ...] = EVERYWHERE


def without(pattern: str, also: str = "") -> str:
    """Return the pattern of the pooled descriptors but some, and perhaps of others."""
    return rf"(?!{pattern})({POOLED}{also and '|' + also})"


VARIANTS = [
    Variant("defaults"),
    Variant("describe_inner=False", inner=False),
    Variant("combination='projection'", {"combination": "projection"}),
    Variant("combination='logistic'", {"combination": "logistic"}),
    Variant("combination='scatter'", {"combination": "scatter"}),
    Variant("combination='weighted'", {"combination": "weighted"}),
    Variant(
        "combination cv=5", {"combination": ProjectionCombination(cv=5)}, data=(CCP, PORTRAITS)
    ),
    Variant("n_extra_directions=0", {"node_metric": ShrinkageLDA(n_extra_directions=0)}),
    Variant("node_metric='nca'", {"node_metric": "nca"}, data=(CCP, PORTRAITS)),
    Variant("without color histograms", columns=without(r"lab_hist")),
    Variant("without lbp", columns=without(r"lbp_"), data=(CCP, PORTRAITS)),
    Variant("without vertical profile", columns=without(r"shape_row_hist"), data=(CCP, PORTRAITS)),
    *[
        Variant(
            f"vertical profile of {n} bins",
            columns=without(r"shape_", rf"bins{n}_.*"),
            data=(CCP, PORTRAITS),
        )
        for n in SHAPE_BINS
    ],
    Variant("with patches", columns=rf"{POOLED}|patch_.*"),
    Variant("patches, without lbp", columns=without(r"lbp_", r"patch_.*"), data=(CCP, PORTRAITS)),
    Variant(
        "patches, without lbp, color histograms",
        columns=without(r"lbp_|lab_hist", r"patch_.*"),
        data=(CCP, PORTRAITS),
    ),
]


def main(argv: Sequence[str] | None = None) -> None:
    arguments = parse_arguments(__doc__, argv)
    quick = arguments.quick
    patches = {"n_atoms": 8, "n_patches": 500} if quick else PATCHES
    say = Progress()
    results = {}
    for name, load in loaders(quick).items():
        data = load()
        table = describe_once(data, arguments.jobs)
        say(f"described {len(data.target)} photos of {name}")
        splits = folds(data, quick)
        run = partial(run_fold, name, data, table, patches)
        found = []
        for fold in workers(arguments.jobs)(
            delayed(run)(*split, fold) for fold, split in enumerate(splits)
        ):
            found.append(fold)
            say(f"{name}: fold {len(found)} of {len(splits)}")
        results[name] = summarize(found, splits)
        shares = {"inner_share": "inner", "negative_share": "negative"}
        print_table(rows_of_changes(results[name], **shares), name)
        question = __doc__.partition("\n")[0]
        record(arguments, NAME, question, settings(patches, results), {"data": results})


def describe_once(data: Bunch, jobs: int) -> pd.DataFrame:
    """Everything that learns nothing: the default descriptors, and other vertical profiles."""
    profiles = [(f"bins{n}", ShapeDescriptor(n, prefix=f"bins{n}")) for n in SHAPE_BINS]
    transformer = SegmentTreeTransformer(
        tree=data.tree, descriptors=["color", "gradients", "lbp", "shape", *profiles], n_jobs=jobs
    )
    return describe(transformer, data.images)


def run_fold(
    name: str,
    data: Bunch,
    table: pd.DataFrame,
    patches: dict,
    train: np.ndarray,
    test: np.ndarray,
    seed: int,
) -> dict[str, dict[str, float]]:
    """Accuracy of all variants in one fold, and how readable their explanations are."""
    dictionary = SegmentTreeTransformer(
        tree=data.tree, descriptors=[("patches", PatchDictionary(**patches, random_state=seed))]
    )
    learned = [
        describe(dictionary, data.images[train]),
        dictionary.transform(data.images[test]),
    ]
    rows = table.iloc[np.concatenate([train, test])].reset_index(drop=True)
    rows = merge_tables([rows, pd.concat(learned, ignore_index=True)])
    rows = fill_missing(rows, np.arange(len(train)))
    is_inner = inner_columns(rows)
    y, truth = data.target[train], data.target[test]
    found = {}
    for variant in VARIANTS:
        if name not in variant.data:
            continue
        taken = select(rows, variant.columns)
        if not variant.inner:
            taken &= ~is_inner | select(rows, r"presence|area")
        used = rows.loc[:, taken]
        known, asked = used.iloc[: len(train)], used.iloc[len(train) :]
        model = fit_tree(known, y, **variant.params)
        found[variant.name] = {
            "accuracy": float((model.predict(asked) == truth).mean()),
            **readability(model, asked.iloc[:N_EXPLAINED]),
        }
        if variant is VARIANTS[0]:
            for vote in VOTES:
                predicted = fit_tree(known, y, **{**variant.params, **vote}).predict(asked)
                found[vote_name(vote)] = {"accuracy": float((predicted == truth).mean())}
    if data.tree is not None:
        pooled = rows.loc[:, select(rows, POOLED)]
        known, asked = pooled.iloc[: len(train)], pooled.iloc[len(train) :]
        found |= accuracy_of_masks(known, y, asked, truth)
    return found


def readability(model: HierarchicalMetricClassifier, rows: pd.DataFrame) -> dict[str, float]:
    """Mean shares of the contributions of inner nodes' own columns, and of negative ones."""
    inner, negative = [], []
    for i in range(len(rows)):
        explanation = model.explain_prediction(rows.iloc[[i]])
        sizes = np.abs(explanation.direct)
        inner.append(sizes[~explanation.tree.is_leaf].sum() / sizes.sum())
        negative.append(sizes[explanation.direct < 0].sum() / sizes.sum())
    return {"inner_share": float(np.mean(inner)), "negative_share": float(np.mean(negative))}


def vote_name(vote: dict[str, Any]) -> str:
    """Name of a way to vote."""
    return ", ".join(f"{key}={value!r}" for key, value in vote.items())


def settings(patches: dict, results: dict[str, Any]) -> dict[str, Any]:
    """Return what has to be known to run it again."""
    return {
        **settings_of_folds(list(results)),
        "patches": patches,
        "n_explained_per_fold": N_EXPLAINED,
        "random_state": 0,
    }


if __name__ == "__main__":
    main()
