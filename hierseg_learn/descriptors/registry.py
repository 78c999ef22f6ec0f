"""Descriptors by name, and the columns that several of them give together."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ._base import Descriptor
from ._fixed import ColorDescriptor, GradientDescriptor, LBPDescriptor, ShapeDescriptor
from ._patches import PatchDictionary

DESCRIPTORS = {
    "color": ColorDescriptor,
    "gradients": GradientDescriptor,
    "lbp": LBPDescriptor,
    "patches": PatchDictionary,
    "shape": ShapeDescriptor,
}

# those that learn nothing from the images: 64 columns for a color image
DEFAULT_DESCRIPTORS = ("color", "gradients", "lbp", "shape")

RESERVED_COLUMNS = ("presence", "area")


def make_descriptors(spec: Any) -> list[tuple[str, Descriptor]]:
    """Turn a choice of descriptors into pairs of a name and an object.

    A string stands for a new descriptor with its defaults; an object comes with a name, as in
    :class:`~sklearn.pipeline.FeatureUnion`, unless it is the only one, and is not copied.
    """
    if isinstance(spec, str):
        spec = [spec]
    elif isinstance(spec, Descriptor):
        spec = [(spec.prefix, spec)]
    elif not isinstance(spec, Iterable):
        raise TypeError(
            f"descriptors must be a name, a descriptor or a list of them, got {spec!r}."
        )
    pairs = [_named(entry) for entry in spec]
    if not pairs:
        raise ValueError("descriptors must name at least one descriptor, got an empty list.")
    names = [name for name, _ in pairs]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"descriptors must have different names, got {name!r} twice.")
    return pairs


def descriptor_columns(descriptors: Iterable[tuple[str, Descriptor]]) -> list[str]:
    """Column names of fitted descriptors, one descriptor after the other.

    Raises ValueError if two are equal, or one is a column that every node has.
    """
    owners: dict[str, str] = dict.fromkeys(RESERVED_COLUMNS, "the tree")
    columns = []
    for name, descriptor in descriptors:
        for column in map(str, descriptor.get_feature_names_out()):
            if column in owners:
                raise ValueError(
                    f"descriptors must give columns of different names, but {owners[column]!r} and "
                    f"{name!r} both give {column!r}; set `prefix` of one of them."
                )
            owners[column] = name
            columns.append(column)
    return columns


def _named(entry: Any) -> tuple[str, Descriptor]:
    """Resolve one entry of a list of descriptors."""
    if isinstance(entry, str):
        if entry not in DESCRIPTORS:
            known = ", ".join(map(repr, DESCRIPTORS))
            raise ValueError(f"descriptors names {entry!r}, which is none of {known}.")
        return entry, DESCRIPTORS[entry]()
    pair = isinstance(entry, tuple | list) and len(entry) == 2
    if not pair or not isinstance(entry[0], str) or not isinstance(entry[1], Descriptor):
        raise TypeError(
            f"descriptors must list names and (name, descriptor) pairs, got the entry {entry!r}."
        )
    name, descriptor = entry
    if not name or "__" in name:
        raise ValueError(f"descriptors must have names without '__', got {name!r}.")
    return name, descriptor
