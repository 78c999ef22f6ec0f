"""Tables of pandas, polars, pyarrow and narwhals."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np


def check_in_memory(X: Any, name: str, error: type[Exception] = TypeError) -> None:
    """Raise for lazy tables and columns.

    By their attributes they look like tables in memory, and scikit-learn would compute those of
    dask without their column names.
    """
    # asked of the class, since a DataFrame looks a missing attribute up among its columns; a dask
    # array has chunks, and becomes an array as any other
    if hasattr(type(X), "__dask_graph__") and not hasattr(X, "chunks"):
        library, method = "dask", "compute"
    elif type(X).__name__ in ("LazyFrame", "LazySeries") and hasattr(X, "collect"):
        library, method = type(X).__module__.partition(".")[0], "collect"
    elif hasattr(type(X), "toPandas"):
        library, method = "Spark", "toPandas"
    elif hasattr(type(X), "first_rows"):
        raise error(f"{name} is a {type(X).__name__}, which is not in memory; pass its table.")
    elif hasattr(X, "read_block"):
        library, method = "hierseg_learn", "to_pandas"
    else:
        return
    raise error(
        f"{name} is a {library} {type(X).__name__}, which is not in memory; pass {name}.{method}()."
    )


def column_names(X: Any) -> list[Any] | None:
    """Names of the columns of a table of any library; None for anything else."""
    names = getattr(X, "column_names", None)  # pyarrow, where `columns` holds the columns
    if names is None or callable(names):
        names = getattr(X, "columns", None)
    return None if names is None or callable(names) else list(names)


def as_pandas(X: Any, name: str = "X") -> Any:
    """Convert a table of another library, such as polars, to pandas; all else is returned as is.

    scikit-learn 1.6 does not read the column names of new releases of polars, and without names
    there is no tree.
    """
    check_in_memory(X, name)
    names = None if hasattr(X, "iloc") else column_names(X)
    if not names or not all(isinstance(column, str) for column in names):
        return X
    if hasattr(X, "column_names"):
        return X.to_pandas()
    import pandas as pd

    return pd.DataFrame({column: np.asarray(X[column]) for column in names})


def take_rows(values: Any, indices: np.ndarray) -> Any:
    """Rows of a column or table of any library, or of a list, with a new index where it has one."""
    if isinstance(values, list):
        return [values[i] for i in indices]
    if hasattr(values, "iloc"):
        return values.take(indices).reset_index(drop=True)
    return values.take(indices) if hasattr(values, "to_pylist") else values[indices]


def like(X: Any, table: Any) -> Any:
    """Convert a table of pandas to the library of X, if that is polars or pyarrow."""
    if hasattr(X, "iloc") or column_names(X) is None:
        return table
    if hasattr(X, "to_native"):
        import narwhals

        return narwhals.from_native(like(X.to_native(), table))
    make = getattr(type(X), "from_pydict", type(X))
    return make({name: table[name].to_numpy() for name in table.columns})


def order_columns(
    found: Iterable[Any], expected: Sequence[str], name: str, what: str
) -> np.ndarray:
    """Position of every expected column among those found, which must be the same, in any order.

    `name` is the table's name in messages, `what` says what was expected of it.
    """
    found = [str(column) for column in found]
    if Counter(found) != Counter(expected):
        extra, lacking = (
            [column for column in some if column not in set(others)]
            for some, others in ((found, expected), (expected, found))
        )
        problem = "a column twice"
        if extra:
            problem = f"the unexpected column {extra[0]!r}"
            if extra[0].partition("__")[2] in expected:
                problem += (
                    " (to avoid prefixes, pass verbose_feature_names_out=False to "
                    "ColumnTransformer and FeatureUnion)"
                )
        elif lacking:
            problem = f"no column {lacking[0]!r}"
        raise ValueError(f"{name} has {problem}; expected {what}.")
    places = {column: place for place, column in enumerate(found)}
    return np.array([places[column] for column in expected], dtype=np.intp)
