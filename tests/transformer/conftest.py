"""Portraits and models as in the tests of `what_if`."""

from tests.what_if.conftest import model, portraits, test, train

__all__ = ["model", "portraits", "test", "train"]
