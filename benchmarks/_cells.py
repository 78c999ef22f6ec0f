"""Numbers as the cells of published tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

Row = Sequence[str]


def as_rows(records: list[dict[str, Any]]) -> list[Row]:
    """Put equal dicts under one head."""
    return [
        list(records[0]),
        *[[share(v) if isinstance(v, float) else str(v) for v in row.values()] for row in records],
    ]


def with_error(difference: dict[str, float]) -> str:
    return f"{difference['mean']:+.4f} ± {difference['se']:.4f}".replace("-", "−")


def signed(value: float) -> str:
    return f"{100 * value:+.1f}".replace("-", "−")


def error(value: float | None) -> str:
    return "?" if value is None else f"{100 * value:.1f}"


def share(value: float) -> str:
    return f"{value:.3f}"


def percent(value: float | None) -> str:
    return "" if value is None else f"{value:.0%}"


def points(interval: dict[str, float]) -> str:
    """Return a difference of shares in percentage points, with its interval if there is one."""
    values = [interval[key] for key in ("mean", "low", "high")]
    mean, low, high = ("?" if value is None else f"{100 * value:+.1f}" for value in values)
    return f"{mean} ({low} to {high})".replace("-", "−")


def met(is_met: bool) -> str:
    return "met" if is_met else "missed"
