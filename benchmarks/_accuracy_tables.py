"""Tables of the accuracy on dense descriptors."""

from __future__ import annotations

from typing import Any

from _cells import Row, points, share


def tables_of_accuracy(results: dict[str, Any]) -> dict[str, list[Row]]:
    """Accuracies, differences and costs by the number of training photos."""
    sizes = results["summary"]
    scores = {key: {row["model"]: row for row in size["scores"]} for key, size in sizes.items()}
    less = {key: {row["less"]: row for row in size["differences"]} for key, size in sizes.items()}
    heads = [f"{key} per class" for key in sizes]
    return {
        "scores": [["model", *heads], *_rows(scores, _accuracy)],
        "differences": [["tree, scatter, less", *heads], *_rows(less, _points)],
        "costs": [["model", *heads], *_rows(scores, _costs)],
    }


def _rows(found: dict[str, dict[str, Any]], cell: Any) -> list[Row]:
    models = dict.fromkeys(model for size in found.values() for model in size)
    return [
        [model, *[cell(size[model]) if model in size else "not run" for size in found.values()]]
        for model in models
    ]


def _accuracy(row: dict[str, Any]) -> str:
    return f"{share(row['accuracy'])}{_seeds(row)}"


def _points(row: dict[str, Any]) -> str:
    return f"{points(row)}{_seeds(row)}"


def _costs(row: dict[str, Any]) -> str:
    return f"{row['seconds']:.0f} s, {row['peak_mb'] / 1024:.1f} GiB"


def _seeds(row: dict[str, Any]) -> str:
    return "" if row["seeds"] == 5 else f", {row['seeds']} seed{'s' if row['seeds'] > 1 else ''}"
