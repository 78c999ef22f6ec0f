"""What of an object goes into a file: arrays, text and types of this package, nothing else."""

from __future__ import annotations

import inspect
import math
import os
import zlib
from ast import literal_eval
from collections.abc import Callable, Mapping, Set
from dataclasses import is_dataclass
from hashlib import sha256
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator

_LITERALS = "_literals"
_PACKAGE = __name__.partition(".")[0]
# the parser of literals takes no deeper nesting than some 100 brackets
_MAX_DEPTH = 40
# longer texts, such as the names of all columns, are compressed
_LONG_TEXT = 2000
# what of a fitted object says nothing about its results
_NO_RESULTS = {
    "_changed_since_fit",
    "_dropped_in_fit",
    "_hierseg_learn_version",
    "_metadata_request",
    "_sklearn_version",
    "memory",
    "n_jobs",
    "random_state",
    "verbose",
}
# parts of the package whose objects are no part of a model
_NO_MODELS = {"command", "datasets", "demo", "displays", "kernels", "report", "__main__"}


def trusted_types() -> list[str]:
    """Names of this package's types that a model file may hold.

    A file of skops names the types of its objects, and only those that the caller trusts are made.
    A fitted model of this package consists of these types, and of what skops trusts anyhow: arrays,
    text, numbers, and scikit-learn's estimators. All of them only store values while a model is
    loaded. A function or an estimator that you wrote, or that comes from a third package, is not
    among them: add its name after you have looked at it.

    Returns
    -------
    names : list of str
        Sorted, such as ``"hierseg_learn.metrics._lda.ShrinkageLDA"``; for `trusted` of
        :func:`skops.io.load`. That of imbalanced-learn's sampler is among them if that package is
        installed.

    Examples
    --------
    >>> import skops.io
    >>> from sklearn.datasets import load_iris
    >>> from hierseg_learn import HierarchicalMetricClassifier
    >>> from hierseg_learn.utils import trusted_types
    >>> X, y = load_iris(return_X_y=True)
    >>> data = skops.io.dumps(HierarchicalMetricClassifier(random_state=0).fit(X, y))
    >>> skops.io.loads(data, trusted=trusted_types()).predict(X[:1])
    array([0])
    """
    names = set()
    for found in walk_packages(import_module(_PACKAGE).__path__, f"{_PACKAGE}."):
        if found.name.split(".")[1] in _NO_MODELS:
            continue
        try:
            module = import_module(found.name)
        except ModuleNotFoundError as error:
            if error.name.partition(".")[0] == _PACKAGE:
                raise
            continue  # an optional package, without which there is no such model
        names |= {
            f"{kind.__module__}.{kind.__name__}"
            for kind in vars(module).values()
            if inspect.isclass(kind)
            and kind.__module__.partition(".")[0] == _PACKAGE
            and (issubclass(kind, BaseEstimator | PlainState) or _is_stored(kind))
        }
    return sorted(names)


def _is_stored(kind: type) -> bool:
    """Whether a class holds values only, or says itself what of it is stored."""
    is_record = is_dataclass(kind) or (issubclass(kind, tuple) and hasattr(kind, "_fields"))
    return is_record or "__getstate__" in vars(kind)


class PlainState:
    """Mixin: an object whose state in files is plain.

    Containers become text, and objects of pandas arrays, with :func:`pack`. Dataclasses that hold
    long lists derive from it, and all estimators behave as if they did.
    """

    def __getstate__(self) -> dict[str, Any]:
        return pack(dict(vars(self)))

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(unpack(state))


class Packed:
    """A value in a file that is made again when the file is loaded.

    The kind is a key of `_MAKE`. Of a literal, the most frequent one, the text is all that is
    stored.
    """

    def __init__(self, kind: str, content: Any) -> None:
        self.kind, self.content = kind, content

    def __getstate__(self) -> Any:
        return self.content if self.kind == "literal" else (self.kind, self.content)

    def __setstate__(self, state: Any) -> None:
        self.kind, self.content = ("literal", state) if isinstance(state, str | bytes) else state


def pack(state: dict[str, Any]) -> dict[str, Any]:
    """Replace what files hold badly, or not at all, by what they hold well.

    skops writes every item of a container as a node of some hundred bytes, cannot store most
    objects of pandas, and does not trust paths, ranges and frozen sets. So all attributes that are
    literals become one text. `unpack` is the inverse. An array, or an object that holds one, stays
    one object where it is in several places.
    """
    # sorted, since joblib tells objects apart by their states
    plain = {name: state[name] for name in sorted(state) if _is_literal(state[name])}
    memo: dict[int, tuple[Any, Any]] = {}
    others = {name: _pack(value, memo) for name, value in state.items() if name not in plain}
    return {_LITERALS: _write(plain), **others}


def unpack(state: dict[str, Any]) -> dict[str, Any]:
    """Undo `pack`."""
    others = dict(state)
    plain = _read(others.pop(_LITERALS, "{}"))
    memo: dict[int, tuple[Any, Any]] = {}
    return plain | {name: _unpack(value, memo) for name, value in others.items()}


def _write(value: Any) -> str | bytes:
    """Write a literal as text, a long one compressed."""
    text = repr(value)
    return text if len(text) < _LONG_TEXT else zlib.compress(text.encode())


def _read(content: str | bytes) -> Any:
    """Undo `_write`."""
    return literal_eval(zlib.decompress(content).decode() if type(content) is bytes else content)


def _pack(value: Any, memo: dict[int, tuple[Any, Any]]) -> Any:
    if id(value) not in memo:
        packed = _as_packed(value, memo)
        memo[id(value)] = value, packed or _each(value, _pack, memo)
    return memo[id(value)][1]


def _unpack(value: Any, memo: dict[int, tuple[Any, Any]]) -> Any:
    if id(value) not in memo:
        if isinstance(value, Packed):
            made = _MAKE[value.kind](_unpack(value.content, memo))
        else:
            made = _each(value, _unpack, memo)
        memo[id(value)] = value, made
    return memo[id(value)][1]


def _each(value: Any, change: Callable[..., Any], memo: dict[int, tuple[Any, Any]]) -> Any:
    """Change the items of a container; one without changes stays as it is."""
    kind = type(value)
    if kind is dict:
        changed = {key: change(item, memo) for key, item in value.items()}
        same = all(changed[key] is item for key, item in value.items())
    elif kind is list or isinstance(value, tuple):
        changed = [change(item, memo) for item in value]
        same = all(new is old for new, old in zip(changed, value))
        if kind is not list:
            changed = kind(*changed) if hasattr(kind, "_fields") else tuple(changed)
    else:
        return value
    return value if same else changed


def _as_packed(value: Any, memo: dict[int, tuple[Any, Any]]) -> Packed | None:
    """A value of another kind than files hold well; None for any other."""
    kind = type(value)
    if kind in (list, tuple, dict) and _is_literal(value):
        return Packed("literal", _write(value))
    if _is_record(value):
        return Packed("record", [kind, _write(vars(value))])
    if kind is dict and not all(type(key) is str for key in value):
        # in JSON, keys are text
        return Packed("dict", [_pack(list(value), memo), _pack(list(value.values()), memo)])
    if kind is np.ndarray:
        # text in columns of pandas, and names of columns
        if value.dtype != object or value.ndim != 1:
            return None
        items = value.tolist()
        if _is_literal(items):
            return Packed("objects", Packed("literal", _write(items)))
        return Packed("objects", found) if (found := _pack_records(items)) else None
    if kind is list and (found := _pack_records(value)):
        return found
    if kind in (frozenset, set, range):
        items = (
            sorted(value, key=repr) if kind is not range else [value.start, value.stop, value.step]
        )
        return Packed(kind.__name__, items)
    if isinstance(value, os.PathLike):
        return Packed("path", os.fspath(value))
    if kind.__module__.partition(".")[0] == "pandas":
        return _pack_pandas(value)
    return None


def _is_literal(value: Any, depth: int = 0) -> bool:
    """Whether Python's own text of a value gives it back, type by type."""
    kind = type(value)
    if kind in (list, tuple):
        return depth < _MAX_DEPTH and all(_is_literal(item, depth + 1) for item in value)
    if kind is dict:
        return _is_literal([*value, *value.values()], depth)
    return kind in (str, int, bool, type(None)) or (kind is float and math.isfinite(value))


def _is_record(value: Any) -> bool:
    """Whether a value is of a frozen dataclass of this package, and holds literals only."""
    kind = type(value)
    return (
        kind.__module__.partition(".")[0] == _PACKAGE
        and is_dataclass(kind)
        and kind.__dataclass_params__.frozen
        and _is_literal(vars(value))
    )


def _pack_records(items: list) -> Packed | None:
    """Several records of one class, whose values become one text."""
    if len({type(item) for item in items}) != 1 or not all(map(_is_record, items)):
        return None
    return Packed("records", [type(items[0]), _write([vars(item) for item in items])])


def _make_records(kind: type, states: list[dict[str, Any]]) -> list:
    """Records of one class; nothing of it is called."""
    if not is_dataclass(kind):
        raise TypeError(f"{kind.__name__} is no class of records.")
    found = [object.__new__(kind) for _ in states]
    for item, state in zip(found, states):
        vars(item).update(state)
    return found


def _pack_pandas(value: Any) -> Packed | None:
    import pandas as pd

    if isinstance(value, pd.DataFrame):
        columns = [_pack_pandas(value.iloc[:, i]) for i in range(value.shape[1])]
        return Packed("frame", [columns, _pack_pandas(value.columns), _pack_pandas(value.index)])
    if isinstance(value, pd.MultiIndex):
        return Packed("levels", _pack_pandas(value.to_frame(index=False)))
    if not isinstance(value, pd.Series | pd.Index):
        return None
    array = value.to_numpy()
    if not isinstance(value.dtype, np.dtype) and array.dtype == object:
        array = np.where(value.isna(), None, array)  # pandas has an object of its own for missing
    content = [_as_packed(array, {}) or array, str(value.dtype), value.name]
    if isinstance(value, pd.Index):
        return Packed("index", content)
    return Packed("series", [*content, _pack_pandas(value.index)])


def _make_objects(items: list) -> np.ndarray:
    array = np.empty(len(items), dtype=object)
    array[:] = items
    return array


def _make_index(content: list) -> Any:
    import pandas as pd

    array, dtype, name = content
    return pd.Index(array, dtype=dtype, name=name)


def _make_series(content: list) -> Any:
    import pandas as pd

    array, dtype, name, index = content
    # pandas before 3 hands out the array itself, which must not be edited
    array.flags.writeable = False
    return pd.Series(array, index, dtype=dtype, name=name, copy=False)


def _make_frame(content: list) -> Any:
    import pandas as pd

    columns, names, index = content
    frame = pd.DataFrame(dict(enumerate(columns)), index=index)
    frame.columns = names
    return frame


def _make_levels(frame: Any) -> Any:
    import pandas as pd

    return pd.MultiIndex.from_frame(frame)


_MAKE: dict[str, Callable[[Any], Any]] = {
    "literal": _read,
    "record": lambda content: _make_records(content[0], [_read(content[1])])[0],
    "records": lambda content: _make_records(content[0], _read(content[1])),
    "objects": _make_objects,
    "dict": lambda content: dict(zip(*content)),
    "frozenset": frozenset,
    "set": set,
    "range": lambda ends: range(*ends),
    "path": Path,
    "index": _make_index,
    "series": _make_series,
    "frame": _make_frame,
    "levels": _make_levels,
}


def fingerprint(value: Any) -> str:
    """Digest of a fitted object, the same in another process and after it was saved and loaded.

    Functions count by their names only. Parameters that say nothing about the results, such as
    `verbose` and `n_jobs`, do not count.
    """
    found = sha256()
    _feed(found.update, value, ())
    return found.hexdigest()[:16]


def _feed(update: Callable[[bytes], None], value: Any, above: tuple[int, ...]) -> None:
    """Hand a value to a digest; `above` are the ids of the objects that it lies in."""
    kind = type(value)
    update(f"<{kind.__module__}.{kind.__qualname__}>".encode())
    if id(value) in above:
        return
    above = (*above, id(value))
    if isinstance(value, np.ndarray | np.generic) and value.dtype != object:
        update(f"{value.dtype.str}{value.shape}".encode())
        update(np.ascontiguousarray(value).tobytes())
    elif value is None or isinstance(value, bool | int | float | complex | str | bytes):
        update(repr(value).encode())
    elif isinstance(value, Mapping):
        for key in sorted(value, key=repr):
            _feed(update, key, above)
            _feed(update, value[key], above)
    elif isinstance(value, list | tuple | np.ndarray):
        for item in value:
            _feed(update, item, above)
    elif isinstance(value, Set):
        _feed(update, sorted(map(repr, value)), above)
    elif isinstance(value, os.PathLike):
        update(os.fspath(value).encode())
    elif inspect.isroutine(value) or inspect.isclass(value):
        update(f"{value.__module__}.{value.__qualname__}".encode())
    elif kind.__module__.partition(".")[0] == "pandas":
        _feed(update, _pack_pandas(value) or value.__reduce__()[1:], above)
    else:
        state = value.__getstate__()
        if isinstance(state, dict) and _LITERALS in state:
            state = unpack(state)
        if isinstance(state, dict):
            state = {name: item for name, item in state.items() if name not in _NO_RESULTS}
        _feed(update, value.__reduce_ex__(4)[1:3] if state is None else state, above)
