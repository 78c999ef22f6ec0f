"""Estimators that stay fitted where others are cloned."""

from __future__ import annotations

from typing import Any

from sklearn.frozen import FrozenEstimator


def thawed(estimator: Any) -> Any:
    """Take an estimator out of its :class:`~sklearn.frozen.FrozenEstimator`, if it is in one."""
    return estimator.estimator if isinstance(estimator, FrozenEstimator) else estimator
