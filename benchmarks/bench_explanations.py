"""How faithful contributions are beside SHAP and LIME, and how long each of them takes.

The same fitted classifier and the same segments for all. Every explainer says what the parts of an
image account for; deletion and insertion then ask the classifier itself, by two removals of a part
that recompute all columns above it: *mute* (the pixels become unlabelled) and *exchange* (the part
of other training images takes its place; mean over some of them). SHAP and LIME explain the share
of the votes under the very removal by which they are judged, but with other donors. Portraits have
their signal planted in one part, each part in turn; ccp_parts are real photos.

Needs the packages shap and lime besides hierseg_learn.
"""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from _explainers import (
    CONTRASTS,
    N_SAMPLES,
    Fitted,
    Worth,
    draw_donors,
    explain_contrast,
    explain_lime,
    explain_prediction,
    explain_pull,
    explain_shap,
    make_pull,
    make_worth,
    n_contrasted,
    tabulated,
    to_parts,
)
from _harness import Progress, load_ccp_parts, parse_arguments, print_table, record
from sklearn.utils import Bunch

from hierseg_learn import (
    HierarchicalMetricClassifier,
    SegmentedImages,
    SegmentTreeTransformer,
)
from hierseg_learn.datasets import make_portraits
from hierseg_learn.explain._deletion import curve_area, deletion_curve, insertion_curve
from hierseg_learn.explain._faithfulness import (
    completeness_error,
    noise_stability,
    pointing_game,
    randomization_check,
)
from hierseg_learn.explain._shapley import shapley_values

NAME = "explanations"
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
N_TRAIN, N_VALIDATION, N_TEST = 400, 100, 200
N_DONORS = 3  # of every class
# what is judged by deletion and insertion, per set of images
N_JUDGED, N_JUDGED_PHOTOS, N_CHOOSING = 30, 100, 15
N_TIMED, N_REPEATED, N_NOISY = 3, 5, 5
N_RANDOMISED = 40
PIXEL_NOISE = 2.0  # of 255
REMOVALS = ("mute", "exchange")


def main(argv: Sequence[str] | None = None) -> None:
    arguments = parse_arguments(__doc__.partition("\n")[0], argv)
    missing = [name for name in ("shap", "lime") if not can_import(name)]
    if missing:
        raise SystemExit(f"bench_explanations.py needs {' and '.join(missing)}; pip install them.")
    warnings.filterwarnings("ignore", module="shap|lime")
    say = Progress()
    size = sizes(arguments.quick)
    fitted = []
    for part in size.planted:
        fitted.append(fit_portraits(part, size))
        say(f"fitted {part}: accuracy {fitted[-1].accuracy('test'):.3f}")
    photos = None if arguments.quick else fit_photos(say)
    everything = fitted + ([photos] if photos else [])
    chosen, validation = choose_contrast(everything, size, say)
    print_table(
        [{"contrast": name, **row} for name, row in validation.items()],
        f"Validation images: insertion less deletion area; chosen: {chosen}",
    )
    results: dict[str, Any] = {"chosen": chosen, "validation": validation}
    results["accuracy"] = {f.name: {p: f.accuracy(p) for p in f.parts} for f in everything}
    groups = {"portraits": fitted, **({"ccp_parts": [photos]} if photos else {})}
    results["areas"] = {}
    for name, group in groups.items():
        for removal in REMOVALS:
            found = judge(group, removal, chosen, size, say)
            results["areas"][f"{name}, {removal}"] = found
            print_table(area_rows(found), f"Deletion and insertion: {name}, {removal}")
    results["localisation"] = localise(fitted, chosen, say)
    print_table(results["localisation"], "Planted part has the largest attribution, test images")
    results["completeness_and_repeats"] = repeat(everything, size, say)
    print_table(results["completeness_and_repeats"], "Completeness error, and two runs")
    results["time"] = [row for name in groups for row in measure_time(groups[name][0], size)]
    say("measured times")
    print_table(results["time"], "Median seconds per explanation")
    results["stability"] = stability(fitted, size)
    print_table(results["stability"], f"Pixel noise of {PIXEL_NOISE} / 255")
    results["randomisation"] = randomise(fitted, say)
    print_table(results["randomisation"], "Rank correlation: permuted labels, other seed")
    record(arguments, NAME, __doc__.partition("\n")[0], settings(size), results)


def can_import(name: str) -> bool:
    """Whether a package can be imported."""
    try:
        __import__(name)
    except ImportError:
        return False
    return True


def sizes(quick: bool) -> Bunch:
    """How much of everything."""
    if quick:
        return Bunch(
            planted=("hair", "clothes"),
            n_images=(60, 20, 20),
            n_donors=2,
            n_judged=3,
            n_choosing=3,
            n_timed=1,
            n_repeated=1,
            n_noisy=1,
        )
    return Bunch(
        planted=tuple(STRENGTHS),
        n_images=(N_TRAIN, N_VALIDATION, N_TEST),
        n_donors=N_DONORS,
        n_judged=N_JUDGED,
        n_choosing=N_CHOOSING,
        n_timed=N_TIMED,
        n_repeated=N_REPEATED,
        n_noisy=N_NOISY,
    )


# --- data and models ------------------------------------------------------------------------------


def fit_portraits(part: str, size: Bunch) -> Fitted:
    """Fit portraits whose class shows in one part only."""
    data = make_portraits(
        sum(size.n_images),
        n_classes=N_CLASSES,
        signal=(part,),
        strength=STRENGTHS[part],
        noise=NOISE,
        random_state=0,
    )
    stops = np.cumsum(size.n_images)
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
    """Fit the classifier that everything is about."""
    model = HierarchicalMetricClassifier(n_neighbors=N_NEIGHBORS, device="cpu", random_state=seed)
    return model.fit(table, y)


# --- deletion and insertion -----------------------------------------------------------------------


def areas(worth: Worth, attributions: np.ndarray) -> tuple[float, float]:
    """Deletion and insertion area."""
    return (
        curve_area(deletion_curve(worth, attributions)),
        curve_area(insertion_curve(worth, attributions)),
    )


def choose_contrast(everything: list[Fitted], size: Bunch, say: Progress) -> tuple[str, dict]:
    """Choose how the contrast orders parts, by validation images and both removals."""
    gains: dict[str, dict[str, list[float]]] = {
        name: {removal: [] for removal in REMOVALS} for name in CONTRASTS
    }
    for fitted in everything:
        _, donors = draw_donors(fitted, size)
        for i in fitted.right("validation")[: size.n_choosing]:
            for removal in REMOVALS:
                worth = tabulated(make_worth(fitted, i, removal, donors), len(fitted.players(i)))
                for name, options in CONTRASTS.items():
                    deletion, insertion = areas(worth, explain_contrast(fitted, i, *options))
                    gains[name][removal].append(insertion - deletion)
    say("chose the contrast on validation images")
    table = {name: {r: float(np.mean(v)) for r, v in by.items()} for name, by in gains.items()}
    return max(table, key=lambda name: sum(table[name].values())), table


def judge(
    group: list[Fitted], removal: str, chosen: str, size: Bunch, say: Progress
) -> dict[str, Any]:
    """Areas of all explainers on test images, and paired differences to SHAP and LIME."""
    found: dict[str, list[tuple[float, float]]] = {}
    for fitted in group:
        mine, judges = draw_donors(fitted, size)
        n_judged = size.n_judged if len(group) > 1 else N_JUDGED_PHOTOS
        for i in fitted.right("test")[:n_judged]:
            n_players = len(fitted.players(i))
            worth = tabulated(make_worth(fitted, i, removal, judges), n_players)
            known = worth
            if removal == "exchange":
                known = tabulated(make_worth(fitted, i, removal, mine), n_players)
            rng = np.random.RandomState(i)
            given = {
                "contrast": explain_contrast(fitted, i, *CONTRASTS[chosen]),
                "prediction": explain_prediction(fitted, i, CONTRASTS[chosen][1]),
                "pull": explain_pull(make_pull(fitted, i, removal, mine), n_players),
                "enumerated": shapley_values(known, n_players),
                "shap": explain_shap(known, n_players),
                "lime": explain_lime(known, n_players),
                "random order": rng.random_sample(n_players),
            }
            for name, attributions in given.items():
                found.setdefault(name, []).append(areas(worth, attributions))
        say(f"judged {fitted.name} by {removal}")
    values = {name: np.array(pairs) for name, pairs in found.items()}
    return {
        name: {
            "n_images": len(pairs),
            **{
                kind: {
                    "area": float(pairs[:, k].mean()),
                    **{
                        f"less_{peer}": paired(pairs[:, k] - values[peer][:, k])
                        for peer in ("shap", "lime")
                    },
                }
                for k, kind in enumerate(("deletion", "insertion"))
            },
        }
        for name, pairs in values.items()
    }


def paired(differences: np.ndarray) -> dict[str, float]:
    """Mean and standard error over images."""
    error = differences.std(ddof=1) / np.sqrt(len(differences)) if len(differences) > 1 else np.nan
    return {"mean": float(differences.mean()), "se": float(error)}


def area_rows(found: dict[str, Any]) -> list[dict[str, Any]]:
    """Rows of the printed table."""
    rows = []
    for name, kinds in found.items():
        row: dict[str, Any] = {"explainer": name, "images": kinds["n_images"]}
        for kind in ("deletion", "insertion"):
            row[kind] = kinds[kind]["area"]
            for peer in ("shap", "lime"):
                d = kinds[kind][f"less_{peer}"]
                row[f"{kind[:3]}. less {peer}"] = f"{d['mean']:+.4f} ± {d['se']:.4f}"
        rows.append(row)
    return rows


# --- the other measures ---------------------------------------------------------------------------


def localise(fitted: list[Fitted], chosen: str, say: Progress) -> list[dict[str, Any]]:
    """How often the planted part has the largest attribution, over all correct test images."""
    rows = []
    for f in fitted:
        planted = np.array([f.model.tree_.names[leaf] == f.name for leaf in f.leaves])
        right = f.right("test")
        row: dict[str, Any] = {"planted": f.name, "accuracy": f.accuracy("test"), "n": len(right)}
        asked = f.table.iloc[right]
        for name, (whom, inner) in CONTRASTS.items():
            own = f.model.explain_contrasts(asked, n_neighbors=n_contrasted(f, whom)).own
            values = [to_parts(f, i, own[k], inner) for k, i in enumerate(right)]
            hits = pointing_game(values, planted)
            row[name + (" (chosen)" if name == chosen else "")] = float(hits.mean())
        own = f.model.explain_predictions(asked).own
        row["prediction"] = float(pointing_game(own[:, f.leaves], planted).mean())
        rows.append(row)
    say("looked for the planted parts")
    return rows


def repeat(everything: list[Fitted], size: Bunch, say: Progress) -> list[dict[str, Any]]:
    """Completeness errors, and how far two runs with other seeds are apart."""
    errors: dict[str, list[float]] = {}
    changes: dict[str, list[float]] = {}
    for fitted in everything:
        for i in fitted.right("test")[: size.n_repeated]:
            n_players = len(fitted.players(i))
            worth = tabulated(make_worth(fitted, i, "mute", np.array([], dtype=int)), n_players)
            explained = np.diff(worth(np.array([[False] * n_players, [True] * n_players])))[0]
            for name, explain in (("lime", explain_lime), ("shap", explain_shap)):
                runs = [explain(worth, n_players, seed) for seed in range(2)]
                errors.setdefault(name, []).append(completeness_error(runs[0], explained))
                changes.setdefault(name, []).append(relative_change(*runs))
            runs = [shapley_values(worth, n_players) for _ in range(2)]
            errors.setdefault("enumerated", []).append(completeness_error(runs[0], explained))
            changes.setdefault("enumerated", []).append(relative_change(*runs))
            row = fitted.table.iloc[[i]]
            for name in ("contrast", "prediction"):
                ask = getattr(fitted.model, f"explain_{name}")
                runs = [ask(row) for _ in range(2)]
                errors.setdefault(name, []).append(
                    completeness_error(runs[0].own, measured(fitted, i, runs[0]))
                )
                changes.setdefault(name, []).append(relative_change(runs[0].own, runs[1].own))
    say("looked at completeness and two runs")
    return [
        {
            "explainer": name,
            "n": len(errors[name]),
            "largest completeness error": f"{max(errors[name]):.1e}",
            "same bits": bool(max(changes[name]) == 0),
            "largest relative change": f"{max(changes[name]):.1e}",
        }
        for name in errors
    ]


def measured(fitted: Fitted, i: int, explanation: Any) -> float:
    """Measure what contributions should sum to, by distances in the embedding, not by node."""
    model = fitted.model
    train = fitted.table.to_numpy()[fitted.parts["train"]].astype(np.float64)
    delta = (fitted.row(i).astype(np.float64) - train) @ model.components_.T
    squared = (delta**2).sum(axis=1)
    if hasattr(explanation, "target_neighbors"):
        mine, theirs = explanation.target_neighbors, explanation.against_neighbors
        return float(squared[theirs].mean() - squared[mine].mean())
    return float(squared[explanation.neighbors].mean())


def relative_change(a: np.ndarray, b: np.ndarray) -> float:
    """Size of a difference relative to the first."""
    return float(np.linalg.norm(a - b) / np.linalg.norm(a))


def measure_time(fitted: Fitted, size: Bunch) -> list[dict[str, Any]]:
    """Median seconds per explanation: from a row of the table, and from an image.

    From the table, SHAP and LIME mute parts in the row; from the image, they ask the whole pipeline
    about images with parts painted over, and the contrast has the image described first.
    """
    donors = np.array([], dtype=int)
    seconds: dict[tuple[str, str], list[np.ndarray]] = {}
    for k, i in enumerate(fitted.right("test")[: size.n_timed]):
        n_players = len(fitted.players(i))
        row = fitted.table.iloc[[i]]
        worth = make_worth(fitted, i, "mute", donors)
        pull = make_pull(fitted, i, "mute", donors)
        painted = image_worth(fitted, i)
        asked = {
            ("contrast", "row"): partial(fitted.model.explain_contrast, row),
            ("prediction", "row"): partial(fitted.model.explain_prediction, row),
            ("pull", "row"): partial(explain_pull, pull, n_players),
            ("enumerated", "row"): partial(shapley_values, worth, n_players),
            ("shap", "row"): partial(explain_shap, worth, n_players),
            ("lime", "row"): partial(explain_lime, worth, n_players),
            ("contrast", "image"): partial(describe_and_contrast, fitted, i),
            ("shap", "image"): partial(explain_shap, painted, n_players),
            ("lime", "image"): partial(explain_lime, painted, n_players),
        }
        for key, ask in asked.items():
            slow = key[1] == "image" and key[0] != "contrast"
            for _ in range((k == 0) if slow else 5):
                start = time.perf_counter(), time.process_time()
                ask()
                stop = time.perf_counter(), time.process_time()
                seconds.setdefault(key, []).append(np.subtract(stop, start))
    medians = {key: np.median(values, axis=0) for key, values in seconds.items()}
    name = "ccp_parts" if fitted.name == "ccp_parts" else "portraits"
    return [
        {
            "data": name,
            "explainer": key[0],
            "from": key[1],
            "wall seconds": f"{wall:.5f}",
            "times contrast": f"{wall / medians['contrast', key[1]][0]:.1f}",
            "cpu seconds": f"{cpu:.5f}",
            "cpu, times contrast": f"{cpu / medians['contrast', key[1]][1]:.1f}",
        }
        for key, (wall, cpu) in medians.items()
    ]


def describe_and_contrast(fitted: Fitted, i: int) -> Any:
    """From the image to its explanation."""
    return fitted.model.explain_contrast(fitted.transformer.transform(fitted.images[[i]]))


def image_worth(fitted: Fitted, i: int) -> Worth:
    """Share of the votes by the whole pipeline, for images painted over with their mean colour."""
    item, code = fitted.images[i], fitted.code(i)
    image = np.asarray(item.image)
    node_map = fitted.transformer.label_maps(fitted.images[[i]])[0]
    places = np.full(node_map.shape, -1)
    for place, part in enumerate(fitted.players(i)):
        places[node_map == fitted.leaves[part]] = place
    paint = image.mean(axis=(0, 1)).round().astype(image.dtype)

    def worth(kept: np.ndarray) -> np.ndarray:
        scores = []
        # a batch at a time, for the photos' sake
        for block in np.array_split(kept, -(-len(kept) // 32)):
            seen = np.hstack([block, np.ones((len(block), 1), dtype=bool)])[:, places]
            images = np.where(seen[..., np.newaxis], image, paint)
            masks = np.repeat(np.asarray(item.mask)[np.newaxis], len(block), axis=0)
            table = fitted.transformer.transform(SegmentedImages(images, masks))
            scores.append(fitted.model.predict_proba(table)[:, code])
        return np.concatenate(scores)

    return worth


def stability(fitted: list[Fitted], size: Bunch) -> list[dict[str, Any]]:
    """Changes of explanations by noise on the pixels."""
    rows = []
    for f in fitted:
        found = [
            noise_stability(
                partial(explain_pixels, f, i),
                f.images[i].image,
                scale=PIXEL_NOISE,
                n_repeats=5,
                random_state=0,
            )
            for i in f.right("test")[: size.n_noisy]
        ]
        rows.append(
            {
                "planted": f.name,
                "mean change": float(np.mean([s.change for s in found])),
                "mean rank correlation": float(np.mean([s.rank_correlation for s in found])),
            }
        )
    return rows


def explain_pixels(fitted: Fitted, i: int, pixels: np.ndarray) -> np.ndarray:
    """Describe an image with other pixels, and contrast it, for the class that it had before."""
    image = np.clip(np.round(pixels), 0, 255).astype(np.uint8)
    mask = np.asarray(fitted.images[i].mask)
    row = fitted.transformer.transform(SegmentedImages(image[np.newaxis], mask[np.newaxis]))
    label = fitted.model.classes_[fitted.code(i)]
    return fitted.model.explain_contrast(row, target=label).own[fitted.leaves]


def randomise(fitted: list[Fitted], say: Progress) -> list[dict[str, Any]]:
    """Permute the labels, fit again, and compare explanations of pairs, contrasts and classes."""
    rows = []
    for f in fitted:
        y = f.target[f.parts["train"]].astype(np.int64)
        check = randomization_check(partial(explain_refitted, f), y, random_state=0)
        row: dict[str, Any] = {"planted": f.name}
        n = len(f.right("test")[:N_RANDOMISED])
        rows_of = {"pair": slice(n), "contrast": slice(n, 2 * n), "class": slice(2 * n, None)}
        for name, chosen in rows_of.items():
            row[f"{name} permuted"] = float(np.nanmean(check.permuted[:, chosen]))
            row[f"{name} seeds"] = float(np.nanmean(check.reseeded[chosen]))
        rows.append(row)
        say(f"permuted the labels of {f.name}")
    return [*rows, {"planted": "mean", **mean_row(rows)}]


def explain_refitted(fitted: Fitted, y: np.ndarray, seed: int) -> np.ndarray:
    """Fit on some labels; explain pairs of test images, contrasts, and classes, by leaf.

    The classes asked about are those of the true labels throughout: the contrast is always that
    between an image's class and the next one.
    """
    table = fitted.table.iloc
    model = fit_model(table[fitted.parts["train"]], y, seed)
    following = dict(zip(model.classes_, np.roll(model.classes_, -1)))
    test = fitted.right("test")[:N_RANDOMISED]
    found = [model.explain_pair(table[[i]], table[[j]]) for i, j in zip(test, np.roll(test, 1))]
    found += [
        model.explain_contrast(table[[i]], fitted.target[i], following[fitted.target[i]])
        for i in test
    ]
    found += [model.explain_class(label) for label in model.classes_]
    return np.array([explanation.own[fitted.leaves] for explanation in found])


def mean_row(rows: list[dict[str, Any]]) -> dict[str, float]:
    """Means of all numbers."""
    return {key: float(np.mean([row[key] for row in rows])) for key in rows[0] if key != "planted"}


def settings(size: Bunch) -> dict[str, Any]:
    """Return what has to be known to run it again."""
    from importlib.metadata import version

    return {
        **size,
        "n_classes": N_CLASSES,
        "n_neighbors": N_NEIGHBORS,
        "noise": NOISE,
        "strengths": STRENGTHS,
        "n_samples_of_shap_and_lime": N_SAMPLES,
        "shap": version("shap"),
        "lime": version("lime"),
        "pixel_noise": PIXEL_NOISE,
        "contrasts": CONTRASTS,
        "standard_errors": "over images; those of other training sets are not in them",
        "removals": "in the table, all columns above a part recomputed; donors of the judge are "
        "not those of the explainers",
    }


if __name__ == "__main__":
    main()
