"""Accuracy gained by parts, and by their tree, on real photos with part masks.

655 street photos in five classes of lower garment. The tree of node metrics is compared with the
same learner on the same columns without a tree, with the columns of the whole image alone, with
histograms of oriented gradients and a linear SVM, and with the masks alone, without pixel values.
All learners use the same splits, and all learned components, including dictionaries of patches, are
learned from training photos.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from _harness import (
    Progress,
    load_ccp_parts,
    load_portraits,
    paired_test_interval,
    parse_arguments,
    print_table,
    record,
    repeated_cv_interval,
    workers,
)
from _models import (
    INNER_FOLDS,
    MASKS_ONLY,
    N_NEIGHBORS,
    OUTLINES_ONLY,
    SHRINKAGES,
    SVM_COSTS_SCALED,
    WHOLE_AND_MASKS,
    describe,
    fill_missing,
    fit_tree,
    hog_features,
    merge_tables,
    predict_flat,
    predict_hog_svm,
    predict_linear_svm,
    predict_majority,
    predict_masks_only,
    predict_outlines_only,
    predict_searched_lda,
    predict_tree,
    predict_whole_and_masks,
    root_columns,
    select,
)
from joblib import delayed
from sklearn.metrics import accuracy_score, balanced_accuracy_score, recall_score
from sklearn.model_selection import RepeatedStratifiedKFold
from sklearn.utils import Bunch

from hierseg_learn import SegmentTreeTransformer
from hierseg_learn.descriptors import PatchDictionary
from hierseg_learn.segmentation import PyramidSegmenter

NAME = "ccp_parts"
N_SPLITS, N_REPEATS, SEED = 5, 3, 0
PATCHES = {"n_atoms": 64, "n_patches": 30_000}
# of the photo for HOG, about the shape of a standing person
HOG_SHAPE, HOG_CELL, HOG_COSTS = (128, 64), 8, (0.001, 0.01, 0.1)

# The first is the headline; it was chosen on the training split by bench_defaults.py.
DESCRIPTOR_SETS = {
    "patches": ("color", "gradients", "patches", "shape"),
    "default": ("color", "gradients", "lbp", "shape"),
}
TABLE_LEARNERS = {
    "tree": predict_tree,
    "flat": predict_flat,
    "flat, shrinkage searched": predict_searched_lda,
    WHOLE_AND_MASKS: predict_whole_and_masks,
}
HEADLINE = "tree | patches"
BASELINES = [
    "flat | patches",
    "flat, shrinkage searched | patches",
    "flat, linear SVM | patches",
    "whole image | patches",
    f"{WHOLE_AND_MASKS} | patches",
    "tree | default",
    "flat | default",
    "flat, shrinkage searched | default",
    "whole image | default",
    f"{WHOLE_AND_MASKS} | default",
    MASKS_ONLY,
    OUTLINES_ONLY,
    "HOG + linear SVM",
]


def main(argv: Sequence[str] | None = None) -> None:
    arguments = parse_arguments(__doc__, argv)
    data = load_portraits(48, image_size=(24, 20)) if arguments.quick else load_ccp_parts()
    n_splits, n_repeats = (2, 1) if arguments.quick else (N_SPLITS, N_REPEATS)
    patches = {"n_atoms": 8, "n_patches": 500} if arguments.quick else PATCHES
    say = Progress()
    shared = describe_once(data, arguments.jobs)
    say(f"described {len(data.target)} photos of {data.name}")
    folds = RepeatedStratifiedKFold(
        n_splits=n_splits, n_repeats=n_repeats, random_state=SEED
    ).split(np.zeros(len(data.target)), data.target)
    tables = make_tables(data, shared, patches, data.train, data.test, SEED)
    predicted = run_split(data, shared, tables, data.train, data.test)
    results = {
        "test": summarise_test(data.target[data.test], predicted),
        "explained": explain(data, tables["patches"], arguments.pictures),
        "whole_image_without_tree": shared.largest_difference,
    }
    show("Test photos", results["test"])
    say("test photos")
    splits = list(folds)
    run = partial(run_fold, data, shared, patches)
    found = workers(arguments.jobs)(
        delayed(run)(train, test, SEED + 1 + fold) for fold, (train, test) in enumerate(splits)
    )
    predictions = []
    for predicted in found:
        predictions.append(predicted)
        n_done = len(predictions)
        say(f"fold {n_done} of {len(splits)}")
        if n_done % n_splits:
            continue
        results["repeated_cv"] = summarise_cv(data, splits[:n_done], predictions)
        show(f"Cross-validation, repeats: {n_done // n_splits}", results["repeated_cv"])
        question = __doc__.partition("\n")[0]
        record(arguments, NAME, question, settings(data, n_done // n_splits, patches), results)


def describe_once(data: Bunch, jobs: int) -> Bunch:
    """Descriptors that learn nothing: of the parts, of the whole image, HOG."""
    free = [name for name in DESCRIPTOR_SETS["default"] if name != "patches"]
    table = describe(
        SegmentTreeTransformer(tree=data.tree, descriptors=free, n_jobs=jobs), data.images
    )
    # The root sums up its parts, so its columns should be those of the image without any tree.
    whole = describe(
        SegmentTreeTransformer(PyramidSegmenter(n_levels=1), descriptors=free, n_jobs=jobs),
        data.images.images,
    )
    difference = np.abs(whole.to_numpy() - root_columns(table).to_numpy()).max()
    hogs = hog_features(data.images.images, HOG_SHAPE, HOG_CELL)
    return Bunch(table=table, hogs=hogs, largest_difference=float(difference))


def run_fold(
    data: Bunch, shared: Bunch, patches: dict, train: np.ndarray, test: np.ndarray, seed: int
) -> dict[str, np.ndarray]:
    """Describe and predict the test photos of one fold."""
    tables = make_tables(data, shared, patches, train, test, seed)
    return run_split(data, shared, tables, train, test)


def run_split(
    data: Bunch,
    shared: Bunch,
    tables: dict[str, pd.DataFrame],
    train: np.ndarray,
    test: np.ndarray,
) -> dict[str, np.ndarray]:
    """Predictions of all learners for the test photos of one split."""
    y = data.target[train]
    predicted = {}
    for set_name, table in tables.items():
        rows, asked = table.iloc[train], table.iloc[test]
        for name, predict in TABLE_LEARNERS.items():
            predicted[f"{name} | {set_name}"] = predict(rows, y, asked)
        if set_name == "patches":
            predicted["flat, linear SVM | patches"] = predict_linear_svm(rows, y, asked)
        whole = predict_flat(root_columns(rows), y, root_columns(asked))
        predicted[f"whole image | {set_name}"] = whole
    predicted[MASKS_ONLY] = predict_masks_only(rows, y, asked)
    predicted[OUTLINES_ONLY] = predict_outlines_only(rows, y, asked)
    predicted["HOG + linear SVM"] = predict_hog_svm([shared.hogs], HOG_COSTS, train, y, test)
    predicted["majority class"] = predict_majority(y, len(test))
    return predicted


def make_tables(
    data: Bunch, shared: Bunch, patches: dict, train: np.ndarray, test: np.ndarray, seed: int
) -> dict[str, pd.DataFrame]:
    """One table per set of descriptors, of which the rows `train` and `test` are filled."""
    learned = describe_patches(data, patches, train, test, seed)
    tables = {
        "default": shared.table,
        "patches": merge_tables([shared.table.loc[:, ~select(shared.table, r"lbp_.*")], learned]),
    }
    return {name: fill_missing(tables[name], train) for name in DESCRIPTOR_SETS}


def describe_patches(
    data: Bunch, patches: dict, train: np.ndarray, test: np.ndarray, seed: int
) -> pd.DataFrame:
    """Activations of a dictionary learned from the photos `train`; rows of other photos are NaN."""
    dictionary = PatchDictionary(**patches, random_state=seed)
    transformer = SegmentTreeTransformer(
        tree=data.tree, descriptors=[("patches", dictionary)], missing="nan"
    )
    rows = transformer.fit_transform(data.images[train])
    table = pd.DataFrame(
        np.nan, index=range(len(data.target)), columns=rows.columns, dtype=np.float32
    )
    table.iloc[train] = rows.to_numpy()
    table.iloc[test] = transformer.transform(data.images[test]).to_numpy()
    return table


def summarise_cv(
    data: Bunch,
    splits: Sequence[tuple[np.ndarray, np.ndarray]],
    predictions: Sequence[dict[str, np.ndarray]],
) -> dict[str, Any]:
    """Scores per fold, their means, and differences to the headline with corrected intervals.

    For the headline model, also the recall of every class.
    """
    n_train = np.mean([len(train) for train, _ in splits])
    n_test = np.mean([len(test) for _, test in splits])
    scores = {}
    for name in predictions[0]:
        truths = [(data.target[test], p[name]) for (_, test), p in zip(splits, predictions)]
        scores[name] = {
            "accuracy": [accuracy_score(*pair) for pair in truths],
            "balanced_accuracy": [balanced_accuracy_score(*pair) for pair in truths],
        }
    best = scores[HEADLINE]
    differences = {
        name: {
            kind: repeated_cv_interval(np.subtract(best[kind], scores[name][kind]), n_train, n_test)
            for kind in ("accuracy", "balanced_accuracy")
        }
        for name in BASELINES
    }
    summary = {
        name: {
            kind: {**repeated_cv_interval(values, n_train, n_test), "folds": values}
            for kind, values in kinds.items()
        }
        for name, kinds in scores.items()
    }
    recalls = [
        recall_score(data.target[test], p[HEADLINE], average=None)
        for (_, test), p in zip(splits, predictions)
    ]
    recall = dict(zip(data.target_names, np.mean(recalls, axis=0)))
    return {"scores": summary, "differences": differences, "recall": recall}


def summarise_test(truth: np.ndarray, predicted: dict[str, np.ndarray]) -> dict[str, Any]:
    """Scores on the test photos, and differences to the headline."""
    scores = {
        name: {
            "accuracy": {"mean": accuracy_score(truth, labels)},
            "balanced_accuracy": {"mean": balanced_accuracy_score(truth, labels)},
        }
        for name, labels in predicted.items()
    }
    right = predicted[HEADLINE] == truth
    differences = {
        name: {"accuracy": paired_test_interval(right, predicted[name] == truth)}
        for name in BASELINES
    }
    return {"scores": scores, "differences": differences}


def show(title: str, summary: dict[str, dict]) -> None:
    """Print scores and differences."""
    print_table(score_rows(summary["scores"]), title)
    print_table(difference_rows(summary["differences"]), f"{HEADLINE} less ...")


def score_rows(scores: dict[str, dict]) -> list[dict[str, Any]]:
    """Rows of the printed table."""
    return [
        {
            "learner": name,
            "accuracy": kinds["accuracy"]["mean"],
            "balanced": kinds["balanced_accuracy"]["mean"],
        }
        for name, kinds in scores.items()
    ]


def difference_rows(differences: dict[str, dict]) -> list[dict[str, Any]]:
    """Rows of the printed table."""
    return [{"learner": name, **kinds["accuracy"]} for name, kinds in differences.items()]


def explain(data: Bunch, table: pd.DataFrame, folder: Any) -> list[dict[str, Any]]:
    """Explain the first test photo of every class in the index, and draw it."""
    from _pictures import draw_explanations

    model = fit_tree(table.iloc[data.train], data.target[data.train])
    chosen = [
        data.test[np.flatnonzero(data.target[data.test] == code)[0]]
        for code in range(len(data.target_names))
    ]
    cutter = SegmentTreeTransformer(tree=data.tree, descriptors="shape")
    cutter.fit(data.images[data.train])
    cases = []
    for photo in chosen:
        explanation = model.explain_prediction(table.iloc[[photo]])
        votes = explanation.votes
        agreeing = votes[votes["neighbor_class"] == explanation.prediction]
        mate = data.train[agreeing["squared_distance"].idxmin()]
        cases.append(
            Bunch(
                explanation=explanation,
                images=[data.images[i].image for i in (photo, mate)],
                label_maps=cutter.label_maps(data.images[[photo, mate]]),
                truth=data.target_names[data.target[photo]],
                prediction=data.target_names[explanation.prediction],
                ids=[data.ids[photo], data.ids[mate]],
            )
        )
    draw_explanations(cases, folder / f"{NAME.removesuffix('_parts')}_explanations.png")
    return [
        {
            "photo": case.ids[0],
            "true": case.truth,
            "predicted": case.prediction,
            "nearest": case.ids[1],
            "share": dict(zip(case.explanation.tree.paths, case.explanation.share)),
            "direct_share": dict(zip(case.explanation.tree.paths, case.explanation.direct_share)),
        }
        for case in cases
    ]


def settings(data: Bunch, n_repeats: int, patches: dict) -> dict[str, Any]:
    """Return what has to be known to run it again."""
    return {
        "data": data.name,
        "n_photos": len(data.target),
        "n_train": len(data.train),
        "n_test": len(data.test),
        "classes": list(data.target_names),
        "cv": {"n_splits": N_SPLITS, "n_repeats": n_repeats, "random_state": SEED},
        "interval": "95%, t, variance corrected after Nadeau and Bengio (2003)",
        "headline": HEADLINE,
        "descriptor_sets": DESCRIPTOR_SETS,
        "patches": patches,
        "n_neighbors": N_NEIGHBORS,
        "weights": "uniform",
        "random_state": 0,
        "inner_folds": INNER_FOLDS,
        "searched_shrinkages": SHRINKAGES,
        "searched_svm_costs": {"HOG": HOG_COSTS, "descriptors": SVM_COSTS_SCALED},
        "hog": {"shape": HOG_SHAPE, "cell": HOG_CELL},
    }


if __name__ == "__main__":
    main()
