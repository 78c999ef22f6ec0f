"""The same explanations as in the tests of `explain`."""

from tests.explain.conftest import pair, plt, prediction, tree

__all__ = ["pair", "plt", "prediction", "tree"]
