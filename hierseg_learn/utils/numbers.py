"""Numbers as text (percents, signs, missing numbers), and checks of integer arguments."""

from __future__ import annotations

import math
from numbers import Integral
from typing import Any

MISSING = "–"


def percent(share: float, digits: int = 0) -> str:
    """Write a share in percent: "48%", "<1%" where rounding would hide it, "–" for no number.

    What is negative is a change or a bound, never a share; small ones get a digit more, "-0.4%".
    """
    if not math.isfinite(share):
        return MISSING
    text = f"{100 * share:.{digits}f}"
    if float(text):
        return f"{text}%"
    if share > 0:
        return f"<{10.0**-digits:g}%"
    finer = f"{100 * share:.{digits + 1}f}"
    return f"{finer if float(finer) else 0}%"


def number(value: float, spec: str = ".3g") -> str:
    """Write a number as `format` does; "–" for no number, and no minus before a zero."""
    return format(value + 0.0, spec) if math.isfinite(value) else MISSING


def check_integer(value: Any, name: str, minimum: int = 1) -> int:
    """Return an integer of at least `minimum`, as a Python int."""
    if isinstance(value, bool) or not isinstance(value, Integral) or value < minimum:
        raise ValueError(f"{name} must be an integer of at least {minimum}, got {value!r}.")
    return int(value)
