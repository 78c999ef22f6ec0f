"""Formatting of numbers."""

import math

import numpy as np
import pytest

from hierseg_learn.utils.numbers import check_integer, number, percent


@pytest.mark.parametrize(
    ("share", "digits", "text"),
    [
        (0, 0, "0%"),
        (0.48, 0, "48%"),
        (0.004, 0, "<1%"),
        (1e-12, 0, "<1%"),
        (0.0004, 1, "<0.1%"),
        (0.614, 1, "61.4%"),
        (1, 0, "100%"),
        (1 - 1e-12, 0, "100%"),
        (0.996, 0, ">99%"),
        (0.994, 0, "99%"),
        (0.9996, 1, ">99.9%"),
        (0.996, 1, "99.6%"),
        (1.004, 0, "100%"),
        (-0.996, 0, "-99.6%"),
        (-1, 0, "-100%"),
        (-0.25, 0, "-25%"),
        (-0.004, 0, "-0.4%"),
        (-1e-12, 0, "0%"),
        (math.nan, 0, "–"),
        (math.inf, 0, "–"),
    ],
)
def test_percents(share, digits, text):
    assert percent(share, digits) == text


def test_numbers():
    assert [number(value) for value in (2.8, -0.05, -0.0, math.nan)] == ["2.8", "-0.05", "0", "–"]
    assert number(1.5, "+.3g") == "+1.5"
    assert [number(value, ".0%") for value in (0.8, 0.996, 0.004)] == ["80%", ">99%", "<1%"]
    assert number(0.996, ".1%") == "99.6%"


@pytest.mark.parametrize("value", [True, 0, -1, 1.0, "1", None])
def test_what_is_no_integer_from_the_minimum_on(value):
    with pytest.raises(ValueError, match="n_rows must be an integer of at least 1, got "):
        check_integer(value, "n_rows")
    assert check_integer(np.int16(3), "n_rows", 3) == 3
