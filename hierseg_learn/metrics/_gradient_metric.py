"""Base of the node learners that are trained by a gradient: from parameters to a trained map."""

from __future__ import annotations

import sys
from abc import abstractmethod
from collections.abc import Callable
from functools import partial
from numbers import Integral, Real
from typing import ClassVar

import numpy as np
from sklearn.utils import check_array, check_random_state
from sklearn.utils._param_validation import Interval, StrOptions

from ..kernels import Backend, get_backend
from ..kernels.compile_clock import CompileClock
from ..kernels.threads import single_blas_thread
from ._starts import Moments, class_moments, discriminant_start, principal_rows
from ._training import (
    Batches,
    NeighborScore,
    Objective,
    Rows,
    SpanRows,
    best_scale,
    hold_out,
    train,
)
from .base import LinearMetric

INITS = ("auto", "pca", "lda", "identity", "random")
MIN_BATCH = 100


class GradientMetric(LinearMetric):
    """Base class: a linear map trained on batches, from a good start, judged on held-out rows.

    A new learner defines `_objective` and, if its loss knows no scale, sets `_scale_free`.
    Columns are standardized and computed with in float32; `components_` is about raw columns. Where
    rows are fewer than columns, the map knows the directions only in which rows differ.
    """

    _parameter_constraints: dict = {
        "n_components": [Interval(Integral, 1, None, closed="left"), None],
        "init": [StrOptions(set(INITS)), "array-like"],
        "max_iter": [Interval(Integral, 0, None, closed="left")],
        "batch_size": [StrOptions({"auto"}), Interval(Integral, 2, None, closed="left")],
        "learning_rate_init": [Interval(Real, 0, None, closed="neither")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 0.5, closed="right")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
        "random_state": ["random_state"],
        "device": [StrOptions({"auto", "cpu", "cuda"})],
        "verbose": ["verbose"],
    }
    _scale_free: ClassVar[bool] = False
    _auto_start: ClassVar[str] = "lda"
    _most_batch: ClassVar[int] = 1000

    @abstractmethod
    def _objective(
        self,
        backend: Backend,
        rows: Rows,
        codes: np.ndarray,
        batches: Batches,
    ) -> Objective:
        """Return what is minimized over the batches."""

    def _batch_rows(self, n_rows: int) -> int:
        # within a third of the rows neighbors are farther apart, which keeps few rows from being
        # learned by heart
        if self.batch_size == "auto":
            return min(max(-(-n_rows // 3), MIN_BATCH), self._most_batch)
        return self.batch_size

    def _fit(self, X: np.ndarray, codes: np.ndarray) -> np.ndarray:
        return self._fit_rows(X, np.arange(len(X)), codes)

    def _fit_rows(self, X: np.ndarray, order: np.ndarray, codes: np.ndarray) -> np.ndarray:
        n_components, given = self._check_start(X.shape[1])
        backend = get_backend(self.device, n_values=X.size)
        random_state = check_random_state(self.random_state)
        with single_blas_thread(), CompileClock(runs=bool(self.verbose)) as clock:
            standardized = rows = Rows(X, order)
            if given is not None:
                # a constant column has no scale; what a map says about it has no effect
                given = given * np.where(np.isfinite(rows.scale), rows.scale, 0.0)
            if len(rows) < X.shape[1]:
                rows = SpanRows(standardized)
                n_components = n_components or len(rows.basis)
                given = None if given is None else given @ rows.basis.T
            n_components = n_components or X.shape[1]
            train_rows, score = np.arange(len(X)), None
            if self.early_stopping:
                train_rows, held_out = hold_out(codes, self.validation_fraction, random_state)
                if len(held_out):
                    score = NeighborScore(
                        backend, rows, codes, train_rows, held_out, random_state, self._metric_map
                    )
            batches = Batches(codes, train_rows, self._batch_rows(len(train_rows)), random_state)
            objective = self._objective(backend, rows, codes, batches)
            moments = class_moments(rows, codes, train_rows)
            discriminants = partial(
                discriminant_start, backend, rows, codes, train_rows, moments, n_components
            )
            named = partial(
                self._named_start, n_components, moments, discriminants, random_state, rows
            )
            start = self._start(named, given, moments, objective)
            training = train(
                start,
                objective,
                score,
                max_iter=self.max_iter,
                learning_rate=self.learning_rate_init,
                tol=self.tol,
                n_iter_no_change=self.n_iter_no_change,
                report=partial(self._report, clock),
            )
            self._say_compiled(clock)
        self.device_ = backend.name
        self.n_iter_ = training.n_iter
        self.loss_curve_ = training.loss_curve
        self.best_validation_score_ = training.best_score
        components = self._metric_map(training.components)
        if isinstance(rows, SpanRows):
            components = components @ rows.basis
        return components / standardized.scale

    def _check_start(self, n_features: int) -> tuple[int | None, np.ndarray | None]:
        """Return the number of components, if one is asked for, and the start if one is given."""
        n_components, given = self.n_components, None
        if not isinstance(self.init, str):
            given = check_array(self.init, dtype=np.float64, input_name="init")
            if given.shape[1] != n_features:
                raise ValueError(
                    f"init has {given.shape[1]} columns, expected {n_features}, one per feature."
                )
            if n_components not in (None, len(given)):
                raise ValueError(
                    f"n_components={n_components} and init with {len(given)} rows contradict each "
                    "other."
                )
            n_components = len(given)
        if n_components is not None and n_components > n_features:
            name = "n_components" if given is None else "init"
            raise ValueError(
                f"{name} asks for {n_components} components, expected at most {n_features}, the "
                "number of features."
            )
        return n_components, given

    def _start(
        self,
        named: Callable[[], np.ndarray],
        given: np.ndarray | None,
        moments: Moments,
        objective: Objective,
    ) -> np.ndarray:
        """Return the start over standardized columns, at the scale of the smallest loss."""
        start = self._trained_map(named() if given is None else given)
        objective.draw(start)
        if self._scale_free:
            return start
        mean_square = float(np.sum((start @ (moments.within + moments.between)) * start))
        keep = given is not None
        return best_scale(start, mean_square, objective, unit=self._unit, keep=keep)

    def _named_start(
        self,
        n_components: int,
        moments: Moments,
        discriminants: Callable[[], np.ndarray],
        random_state: np.random.RandomState,
        rows: Rows,
    ) -> np.ndarray:
        """Return the start that `init` names, over the columns of the rows."""
        name = self._auto_start if self.init == "auto" else self.init
        if name == "lda":
            return discriminants()
        if name == "pca":
            return principal_rows(moments, n_components)
        if name == "identity":
            if isinstance(rows, SpanRows) and self.n_components is not None:
                return rows.basis[:, :n_components].T  # the first columns
            return np.eye(n_components, len(moments.within))
        return random_state.standard_normal((n_components, len(moments.within)))

    @property
    def _unit(self) -> float:
        """Length in the embedding that the loss goes by."""
        return 1.0

    def _trained_map(self, components: np.ndarray) -> np.ndarray:
        """Return the map to train from a start: the inverse of `_metric_map`."""
        return components

    def _metric_map(self, L: np.ndarray) -> np.ndarray:
        """Return the map whose Euclidean distance is the metric of a trained map."""
        return L

    def _report(
        self, clock: CompileClock, iteration: int, loss: float, score: float | None
    ) -> None:
        self._say_compiled(clock)
        if self.verbose:
            held_out = "" if score is None else f", held-out score {score:.4f}"
            self._say(f"step {iteration}/{self.max_iter}, loss {loss:.5f}{held_out}")

    def _say_compiled(self, clock: CompileClock) -> None:
        """Say what the kernels' compilation took, if any were compiled and not only loaded."""
        seconds = clock.take()
        if seconds:
            self._say(f"compiled kernels in {seconds:.1f} s")

    def _say(self, text: str) -> None:
        sys.stdout.write(f"[{type(self).__name__}] {text}\n")
