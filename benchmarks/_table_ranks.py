"""Tables of docs/benchmarks/tables.rst: ranks, bars and the scores of every table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from _cells import Row, met, share
from _harness import repeated_cv_interval
from scipy.stats import rankdata

DEFAULT = "defaults"
OURS = (DEFAULT, "projection, neighbors", "logistic, linear", "scatter, 5 neighbors")
LINEAR = ("logistic regression", "LDA, shrinkage", "linear SVC, calibrated")
LOGISTIC, BOOSTING = "logistic regression", "gradient boosting"
TIMED = "scatter, 5 neighbors"
HALVES = ("development", "test")
# scores that are printed alike rank alike
DIGITS = 4
# of results on record
ROUNDING = 5e-5
MAX_RANK, MAX_LOSS_RATIO, MAX_ERROR, MANY_ROWS = 2.5, 1.15, 0.03, 1000
MAX_TIMES_SCATTER, MAX_SHARE_OF_BOOSTING = 2.0, 0.2

Tables = Mapping[str, dict[str, Any]]


def tables_of_tables(results: dict[str, Any]) -> dict[str, list[Row]]:
    """Ranks of all models, the bars of ours, and accuracy and log loss of every table."""
    tables = results["tables"]
    return {
        "ranks": ranks(tables),
        "bars": bars(tables),
        "accuracy": scores(tables, "accuracy"),
        "log_loss": scores(tables, "log_loss"),
        "against_logistic": against_logistic(tables),
        "calibration": calibration(tables),
        "seconds": scores(tables, "fit_seconds"),
    }


def models_of(tables: Tables) -> list[str]:
    return list(next(iter(tables.values()))["models"])


def rank_among(entry: dict[str, Any], model: str, score: str) -> float:
    """Rank of a model on one table, 1 for the best; of ours, none but this one is counted."""
    found = entry["models"]
    names = [name for name in found if name not in OURS or name == model]
    values = np.round([found[name][score] for name in names], DIGITS)
    order = rankdata(-values if score == "accuracy" else values)
    return float(order[names.index(model)])


def mean_rank(tables: Tables, model: str, score: str, half: str | None = None) -> float:
    chosen = [entry for entry in tables.values() if half in (None, entry["half"])]
    if not chosen:
        return float("nan")
    return float(np.mean([rank_among(entry, model, score) for entry in chosen]))


def ranks(tables: Tables) -> list[Row]:
    rows: list[Row] = [["model", "accuracy", *HALVES, "log loss", *[f"{half} " for half in HALVES]]]
    for model in models_of(tables):
        cells = [
            f"{mean_rank(tables, model, score, half):.2f}"
            for score in ("accuracy", "log_loss")
            for half in (None, *HALVES)
        ]
        rows.append([f"**{model}**" if model in OURS else model, *cells])
    return rows


def bars(tables: Tables) -> list[Row]:
    """What was to be reached, and what each of ours reached, with the worst table."""
    names = [name for name in models_of(tables) if name in OURS and name != TIMED]
    rows: list[Row] = [["bar", *names]]
    rows += [
        [f"mean rank of {what} at most {MAX_RANK}", *[rank_bar(tables, m, s) for m in names]]
        for what, s in (("accuracy", "accuracy"), ("log loss", "log_loss"))
    ]
    rows += [
        ["never below the majority", *[majority_bar(tables, m) for m in names]],
        [
            f"log loss at most {MAX_LOSS_RATIO} times logistic regression's, where it is the "
            "best linear model",
            *[loss_bar(tables, m) for m in names],
        ],
        [
            f"calibration error at most {MAX_ERROR} from {MANY_ROWS} rows on",
            *[calibration_bar(tables, m) for m in names],
        ],
        [
            f"fit at most {MAX_TIMES_SCATTER:g} times that of the scatter combination",
            *[time_bar(tables, m) for m in names],
        ],
        [
            "fit at most a fifth of gradient boosting's on the wide table",
            *[wide_bar(tables, m) for m in names],
        ],
    ]
    return rows


def rank_bar(tables: Tables, model: str, score: str) -> str:
    found = mean_rank(tables, model, score)
    return f"{found:.2f}: {met(found <= MAX_RANK)}"


def worst(values: dict[str, float], limit: float, n_digits: int = 2) -> str:
    """The largest value and its table, and on how many tables the limit is passed."""
    if not values:
        return ""
    table = max(values, key=lambda name: values[name])
    over = sum(value > limit for value in values.values())
    text = f"at most {values[table]:.{n_digits}f} ({table}): {met(not over)}"
    return text + (f" on {over} of {len(values)}" if over else "")


def majority_bar(tables: Tables, model: str) -> str:
    """Accuracy below the share of the largest class; what rounding makes of a share is level."""
    below = {
        name: entry["majority"] - entry["models"][model]["accuracy"]
        for name, entry in tables.items()
    }
    return worst(below, ROUNDING, 4).replace("at most", "below by")


def where_logistic_is_best(tables: Tables) -> Tables:
    """Tables on which logistic regression has the lowest log loss of the linear models."""
    losses = {
        name: {model: entry["models"][model]["log_loss"] for model in LINEAR}
        for name, entry in tables.items()
    }
    return {
        name: entry
        for name, entry in tables.items()
        if losses[name][LOGISTIC] <= min(losses[name].values())
    }


def loss_ratio(entry: dict[str, Any], model: str) -> float:
    return entry["models"][model]["log_loss"] / entry["models"][LOGISTIC]["log_loss"]


def loss_bar(tables: Tables, model: str) -> str:
    chosen = where_logistic_is_best(tables)
    ratios = {name: loss_ratio(entry, model) for name, entry in chosen.items()}
    return worst(ratios, MAX_LOSS_RATIO)


def against_logistic(tables: Tables) -> list[Row]:
    """Log loss of the defaults less that of logistic regression, where that is the best linear."""
    rows: list[Row] = [["table", "half", DEFAULT, LOGISTIC, "ratio", "difference", "low", "high"]]
    for name, entry in where_logistic_is_best(tables).items():
        ours, theirs = (entry["models"][model] for model in (DEFAULT, LOGISTIC))
        by_fold = [np.array(found["by_fold"]["log_loss"]) for found in (ours, theirs)]
        half = entry["n_rows"] / 2
        found = repeated_cv_interval(by_fold[0] - by_fold[1], half, half)
        losses = [share(ours["log_loss"]), share(theirs["log_loss"])]
        ratio = f"{loss_ratio(entry, DEFAULT):.2f}"
        apart = [f"{found[key]:+.3f}".replace("-", "−") for key in ("mean", "low", "high")]
        rows.append([name, entry["half"], *losses, ratio, *apart])
    return rows


def calibration(tables: Tables) -> list[Row]:
    """Calibration errors, after what chance alone gives a model as sure as the defaults."""
    head, *rows = scores(tables, "calibration_error")
    chance = [share(entry["models"][DEFAULT]["calibration_floor"]) for entry in tables.values()]
    return [
        [*head[:2], "chance", *head[2:]],
        *[[*row[:2], cell, *row[2:]] for row, cell in zip(rows, chance, strict=True)],
    ]


def calibration_bar(tables: Tables, model: str) -> str:
    many = {
        name: entry["models"][model]
        for name, entry in tables.items()
        if entry["n_rows"] >= MANY_ROWS
    }
    errors = {name: found["calibration_error"] for name, found in many.items()}
    text = worst(errors, MAX_ERROR, 3)
    if errors:
        floor = many[max(errors, key=errors.__getitem__)]["calibration_floor"]
        text = text.replace("):", f", {floor:.3f} by chance alone):", 1)
    return text


def time_bar(tables: Tables, model: str) -> str:
    times = {
        name: entry["models"][model]["fit_seconds"] / entry["models"][TIMED]["fit_seconds"]
        for name, entry in tables.items()
    }
    return worst(times, MAX_TIMES_SCATTER)


def wide_bar(tables: Tables, model: str) -> str:
    if "wide" not in tables:
        return ""
    seconds = {name: found["fit_seconds"] for name, found in tables["wide"]["models"].items()}
    found = seconds[model] / seconds[BOOSTING]
    return f"{found:.2f}: {met(found <= MAX_SHARE_OF_BOOSTING)}"


def scores(tables: Tables, score: str) -> list[Row]:
    models = models_of(tables)
    rows: list[Row] = [["table", "half", *models]]
    for name, entry in tables.items():
        rows.append(
            [name, entry["half"], *[share(entry["models"][model][score]) for model in models]]
        )
    return rows
