"""Faithfulness and time of contributions, compared with SHAP and LIME.

All methods explain the same fitted classifier with the same segments. Every explainer attributes
the prediction to the parts of an image. Deletion and insertion then evaluate the classifier, with
two ways to remove a part, both of which recompute all columns above it: *mute* (the pixels become
unlabeled) and *exchange* (the part is replaced by that of other training images; mean over some of
them). SHAP and LIME explain the share of the votes under the same removal that evaluates them, but
with other donors. The class of the portraits depends on one part, each part in turn; ccp_parts are
real photos.

Requires the packages shap and lime in addition to hierseg_learn. ``--calls`` only times single
calls beside an earlier version of the package, and adds them to the results on record.
"""

from __future__ import annotations

import argparse
import json
import warnings
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from _call_times import measure_calls
from _explained import (
    N_CLASSES,
    N_NEIGHBORS,
    NOISE,
    STRENGTHS,
    Fitted,
    Worth,
    draw_donors,
    fit_model,
    fit_photos,
    fit_portraits,
    tabulated_worth,
)
from _explainers import (
    N_SAMPLES,
    RULES,
    contributions,
    explain_by_contrast,
    explain_by_prediction,
    explain_by_votes,
    explain_lime,
    explain_shap,
)
from _explanation_times import measure_time
from _harness import Progress, parse_arguments, print_table, record
from sklearn.utils import Bunch

from hierseg_learn import SegmentedImages
from hierseg_learn.explain import (
    completeness_error,
    curve_area,
    deletion_curve,
    insertion_curve,
    noise_stability,
    pointing_game,
    randomization_check,
)
from hierseg_learn.explain.shapley import all_coalitions

NAME = "explanations"
# Of the portraits; strengths were set with seed 0. All but the localization uses the first.
SEEDS = (1, 2, 3)
N_TRAIN, N_VALIDATION, N_TEST = 400, 100, 200
N_DONORS = 3  # of every class
# what is evaluated by deletion and insertion, per set of images
N_JUDGED, N_JUDGED_PHOTOS, N_CHOOSING = 30, 100, 15
N_TIMED, N_REPEATED, N_NOISY = 3, 5, 5
N_RANDOMISED = 40
PIXEL_NOISE = 2.0  # of 255
REMOVALS = ("mute", "exchange")


def main(argv: Sequence[str] | None = None) -> None:
    arguments = parse_arguments(__doc__.partition("\n")[0], argv, add_options)
    if arguments.calls:
        record_calls(arguments)
        return
    missing = [name for name in ("shap", "lime") if not can_import(name)]
    if missing:
        raise SystemExit(f"bench_explanations.py needs {' and '.join(missing)}; pip install them.")
    warnings.filterwarnings("ignore", module="shap|lime")
    say = Progress()
    size = sizes(arguments.quick)
    portraits = {}
    for seed in size.seeds:
        portraits[seed] = [fit_portraits(part, size.n_images, seed) for part in size.planted]
        accuracies = ", ".join(f"{f.name} {f.accuracy('test'):.3f}" for f in portraits[seed])
        say(f"fitted portraits of seed {seed}: accuracy of {accuracies}")
    fitted = portraits[size.seeds[0]]
    photos = None if arguments.quick else fit_photos(say)
    groups = {"portraits": fitted, **({"ccp_parts": [photos]} if photos else {})}
    everything = [f for group in groups.values() for f in group]
    by_areas, validation = choose_by_areas(everything, size, say)
    print_table(
        [{"contrast": name, **row} for name, row in validation.items()],
        f"Validation images: insertion less deletion area; chosen: {by_areas}",
    )
    results: dict[str, Any] = {"chosen by areas": by_areas, "validation": validation}
    results["accuracy"] = {f.name: {p: f.accuracy(p) for p in f.parts} for f in everything}
    results["areas"] = {}
    for name, group in groups.items():
        for removal in REMOVALS:
            found = judge(group, removal, by_areas, size, say)
            results["areas"][f"{name}, {removal}"] = found
            print_table(area_rows(found), f"Deletion and insertion: {name}, {removal}")
    results["localization"] = localize(portraits, say)
    print_table(
        results["localization"]["test"],
        "Planted part has the largest attribution, test images; chosen on validation images: "
        + results["localization"]["chosen"],
    )
    results["completeness_and_repeats"] = repeat(everything, size, say)
    print_table(results["completeness_and_repeats"], "Completeness error, and two runs")
    results["time"] = [
        row for name, group in groups.items() for row in measure_time(name, group[0], size.n_timed)
    ]
    say("measured times")
    print_table(results["time"], "Median seconds per explanation")
    results["stability"] = stability(fitted, size)
    print_table(results["stability"], f"Pixel noise of {PIXEL_NOISE} / 255")
    results["randomisation"] = randomize(fitted, say)
    print_table(results["randomisation"], "Rank correlation: permuted labels, other seed")
    results["calls"] = measure_calls(arguments.quick)
    record(arguments, NAME, __doc__.partition("\n")[0], settings(size), results)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Option to time single calls only."""
    parser.add_argument(
        "--calls",
        action="store_true",
        help="only time single calls beside an earlier version, and add them to the record",
    )


def record_calls(arguments: argparse.Namespace) -> None:
    """Time single calls, and add them to the results on record; all others stay."""
    found = measure_calls(arguments.quick)
    if found is None:
        return
    print_table(found["calls"], "Median time of a single call")
    file = arguments.results / f"{NAME}.json"
    content = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {"results": {}}
    content["results"]["calls"] = found
    file.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(content, indent=1, ensure_ascii=False)
    file.write_text(text + "\n", encoding="utf-8")
    print(f"\nadded the calls to {file.name}", flush=True)


def can_import(name: str) -> bool:
    """Whether a package can be imported."""
    try:
        __import__(name)
    except ImportError:
        return False
    return True


def sizes(quick: bool) -> Bunch:
    """Numbers of images and samples."""
    if quick:
        return Bunch(
            planted=("hair", "clothes"),
            seeds=SEEDS[:1],
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
        seeds=SEEDS,
        n_images=(N_TRAIN, N_VALIDATION, N_TEST),
        n_donors=N_DONORS,
        n_judged=N_JUDGED,
        n_choosing=N_CHOOSING,
        n_timed=N_TIMED,
        n_repeated=N_REPEATED,
        n_noisy=N_NOISY,
    )


# --- deletion and insertion -----------------------------------------------------------------------


def areas(worth: Worth, attributions: np.ndarray) -> tuple[float, float]:
    """Deletion and insertion area."""
    return (
        curve_area(deletion_curve(worth, attributions)),
        curve_area(insertion_curve(worth, attributions)),
    )


def best_areas(worth: Worth, n_players: int) -> tuple[float, float]:
    """Smallest deletion and largest insertion area of any order of the parts, by looking at all.

    The best way to a set of parts goes through the best way to one that lacks one of them.
    """
    scores = worth(all_coalitions(n_players))
    best = {}
    for name, sign in (("deletion", -1), ("insertion", 1)):
        reached = np.zeros(2**n_players)
        for members in range(1, 2**n_players):
            ways = [members ^ 1 << j for j in range(n_players) if members >> j & 1]
            reached[members] = reached[ways].max() + sign * scores[members]
        # halves at both ends, by the trapezoidal rule
        total = sign * reached[-1] + (scores[0] - scores[-1]) / 2
        best[name] = float(total / n_players)
    return best["deletion"], best["insertion"]


def choose_by_areas(everything: list[Fitted], size: Bunch, say: Progress) -> tuple[str, dict]:
    """Choose the rule of contrasts, by validation images and both removals."""
    gains: dict[str, dict[str, list[float]]] = {
        name: {removal: [] for removal in REMOVALS} for name in RULES
    }
    for fitted in everything:
        _, donors = draw_donors(fitted, size.n_donors)
        for i in fitted.right("validation")[: size.n_choosing]:
            for removal in REMOVALS:
                worth = tabulated_worth(fitted, i, removal, donors)
                for rule in RULES:
                    deletion, insertion = areas(worth, explain_by_contrast(fitted, i, rule))
                    gains[rule][removal].append(insertion - deletion)
    say("chose the contrast on validation images")
    table = {name: {r: float(np.mean(v)) for r, v in by.items()} for name, by in gains.items()}
    return max(table, key=lambda name: sum(table[name].values())), table


def judge(
    group: list[Fitted], removal: str, chosen: str, size: Bunch, say: Progress
) -> dict[str, Any]:
    """Areas of all explainers on test images, and paired differences to SHAP and LIME."""
    found: dict[str, list[tuple[float, float]]] = {}
    for fitted in group:
        mine, judges = draw_donors(fitted, size.n_donors)
        n_judged = size.n_judged if len(group) > 1 else N_JUDGED_PHOTOS
        for i in fitted.right("test")[:n_judged]:
            n_players = len(fitted.players(i))
            worth = tabulated_worth(fitted, i, removal, judges)
            known = tabulated_worth(fitted, i, removal, mine)
            given = {
                "votes": explain_by_votes(fitted, i, removal, mine),
                "contrast": explain_by_contrast(fitted, i, chosen),
                "prediction": explain_by_prediction(fitted, i),
                "shap": explain_shap(known, n_players),
                "lime": explain_lime(known, n_players),
                "random order": np.random.RandomState(i).random_sample(n_players),
            }
            for name, attributions in given.items():
                found.setdefault(name, []).append(areas(worth, attributions))
            found.setdefault("best order", []).append(best_areas(worth, n_players))
        say(f"evaluated {fitted.name} by {removal}")
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


def localize(portraits: dict[int, list[Fitted]], say: Progress) -> dict[str, Any]:
    """How often the planted part has the largest attribution, over all correct images."""
    hits: dict[str, dict[str, dict[str, np.ndarray]]] = {}
    for split in ("validation", "test"):
        for part in (f.name for f in next(iter(portraits.values()))):
            found = [
                point(f, split) for group in portraits.values() for f in group if f.name == part
            ]
            hits.setdefault(split, {})[part] = {
                name: np.concatenate([values[name] for values in found]) for name in found[0]
            }
    rates = {
        rule: {part: float(by[rule].mean()) for part, by in hits["validation"].items()}
        for rule in RULES
    }
    # the rule whose worst part is best, and among these the best on the whole
    chosen = max(RULES, key=lambda rule: (min(rates[rule].values()), sum(rates[rule].values())))
    say("evaluated the planted parts")
    return {
        "chosen": chosen,
        "validation": rates,
        "test": [
            {
                "planted": part,
                "n": len(by[chosen]),
                **{name: float(values.mean()) for name, values in by.items()},
            }
            for part, by in hits["test"].items()
        ],
    }


def point(fitted: Fitted, split: str) -> dict[str, np.ndarray]:
    """Whether the planted part is the top one, for every correct image, by explainer."""
    planted = np.array([fitted.model.tree_.names[leaf] == fitted.name for leaf in fitted.leaves])
    right = fitted.right(split)
    found = {rule: pointing_game(contributions(fitted, right, rule), planted) for rule in RULES}
    predictions = fitted.model.explain_predictions(fitted.table.iloc[right]).direct
    found["prediction"] = pointing_game(predictions[:, fitted.leaves], planted)
    nobody = np.array([], dtype=int)
    votes = [explain_by_votes(fitted, i, "mute", nobody) for i in right]
    found["votes, mute"] = np.array(
        [pointing_game([own], planted[fitted.players(i)])[0] for i, own in zip(right, votes)]
    )
    return found


def repeat(everything: list[Fitted], size: Bunch, say: Progress) -> list[dict[str, Any]]:
    """Completeness errors, and how far two runs with other seeds are apart."""
    errors: dict[str, list[float]] = {}
    changes: dict[str, list[float]] = {}
    for fitted in everything:
        for i in fitted.right("test")[: size.n_repeated]:
            n_players = len(fitted.players(i))
            donors = np.array([], dtype=int)
            worth = tabulated_worth(fitted, i, "mute", donors)
            explained = np.diff(worth(np.array([[False] * n_players, [True] * n_players])))[0]
            for name, explain in (("lime", explain_lime), ("shap", explain_shap)):
                runs = [explain(worth, n_players, seed) for seed in range(2)]
                errors.setdefault(name, []).append(completeness_error(runs[0], explained))
                changes.setdefault(name, []).append(relative_change(*runs))
            runs = [explain_by_votes(fitted, i, "mute", donors) for _ in range(2)]
            errors.setdefault("votes", []).append(completeness_error(runs[0], explained))
            changes.setdefault("votes", []).append(relative_change(*runs))
            row = fitted.table.iloc[[i]]
            for name in ("contrast", "prediction"):
                ask = getattr(fitted.model, f"explain_{name}")
                runs = [ask(row) for _ in range(2)]
                errors.setdefault(name, []).append(
                    completeness_error(runs[0].direct, measured(fitted, i, runs[0]))
                )
                changes.setdefault(name, []).append(relative_change(runs[0].direct, runs[1].direct))
    say("evaluated completeness and two runs")
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
        mine, theirs = explanation.target_neighbors, explanation.foil_neighbors
        return float(squared[theirs].mean() - squared[mine].mean())
    return float(squared[explanation.neighbors].mean())


def relative_change(a: np.ndarray, b: np.ndarray) -> float:
    """Size of a difference relative to the first."""
    return float(np.linalg.norm(a - b) / np.linalg.norm(a))


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
    return fitted.model.explain_contrast(row, target=label).direct[fitted.leaves]


def randomize(fitted: list[Fitted], say: Progress) -> list[dict[str, Any]]:
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
    return np.array([explanation.direct[fitted.leaves] for explanation in found])


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
        "rules of contrasts": RULES,
        "standard_errors": "over images; those of other training sets are not in them",
        "removals": "in the table, all columns above a part recomputed; donors of the judge are "
        "not those of the explainers",
    }


if __name__ == "__main__":
    main()
