"""Loaders of bundled digits and of folders with photos and label maps."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Mapping
from io import StringIO
from numbers import Integral
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.datasets import load_digits
from sklearn.utils import Bunch
from sklearn.utils._param_validation import StrOptions, validate_params

from ..images import SegmentedImages
from ..images.recipes import CachedItems, ItemRecipe
from ..utils.progress import ProgressBar
from ._reading import (
    COMMON_CONSTRAINTS,
    SUFFIXES,
    Collected,
    LeftOut,
    Reading,
    as_frame_bunch,
    check_parts,
    read_text,
)

DIGITS_DESCR = """\
Handwritten digits as images
----------------------------
The 1,797 handwritten digits of ``sklearn.datasets.load_digits``: gray images of 8 x 8 pixels whose
values are the whole numbers 0 to 16 (pixels set in a block of 4 x 4), in ten classes.
They are a copy of the test set of the UCI ML hand-written digits data
(E. Alpaydin, C. Kaynak, 1998, https://doi.org/10.24432/C50P49).
"""


@validate_params(
    {"return_X_y": ["boolean"], "as_frame": ["boolean"]}, prefer_skip_nested_validation=True
)
def load_digits_images(*, return_X_y: bool = False, as_frame: bool = False) -> Bunch | tuple:
    """Load the digits of scikit-learn as gray images.

    Parameters
    ----------
    return_X_y : bool, default=False
        Return ``(images, target)`` instead of a Bunch.
    as_frame : bool, default=False
        Return `target` as a pandas Series, and the 64 pixels as columns of the DataFrame `frame`
        (with `target` as the last); `images` stay an array.

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch`
        With the attributes

        - `images` (ndarray of shape (1797, 8, 8), float64): Values 0 to 16, as in scikit-learn.
        - `target` (ndarray of shape (1797,), int64, or Series)
        - `target_names` (list of str)
        - `value_range` ((float, float)): The range that the values can take: (0, 16).
        - `feature_names` (list of str): Names of the 64 pixels in row-major order, as in
          scikit-learn.
        - `tree` (None): There are no label maps; use a segmenter.
        - `ids` (list of str)
        - `frame` (DataFrame or None)
        - `DESCR` (str)
    images, target : tuple
        In place of the Bunch, if ``return_X_y=True``.

    Examples
    --------
    >>> from hierseg_learn.datasets import load_digits_images
    >>> X, y = load_digits_images(return_X_y=True)
    >>> X.shape, float(X.max())
    ((1797, 8, 8), 16.0)
    """
    digits = load_digits()
    data = Bunch(
        images=digits.images,
        target=digits.target.astype(np.int64),
        target_names=[str(name) for name in digits.target_names],
        value_range=(0.0, 16.0),
        feature_names=list(digits.feature_names),
        tree=None,
        ids=[f"digit_{i:04d}" for i in range(len(digits.target))],
        DESCR=DIGITS_DESCR,
    )
    columns = dict(zip(digits.feature_names, digits.data.T)) if as_frame else {}
    return as_frame_bunch(data, columns, return_X_y=return_X_y, as_frame=as_frame)


@validate_params(
    {
        "path": [str, os.PathLike],
        "split": [str, None],
        "unlabeled": ["array-like", Integral, None],
        "unmatched": [StrOptions({"raise", "keep"})],
        "return_X_y": ["boolean"],
        "as_frame": ["boolean"],
    },
    prefer_skip_nested_validation=True,
)
def load_segmented_folder(
    path: str | os.PathLike,
    *,
    split: str | None = None,
    unlabeled: Any = None,
    unmatched: str = "raise",
    return_X_y: bool = False,
    as_frame: bool = False,
) -> Bunch | tuple:
    r"""Load a folder of photos, their label maps, their classes and the tree of parts.

    The folder holds::

        images/NAME.jpg   the photos (any format that Pillow reads)
        masks/NAME.png    label maps of the same size: the part id of every pixel, 255 for none,
                          unless the tree names it; no JPEG, which changes ids
        index.csv         one row per photo: id (the NAME), label, and perhaps split
        parts.json        {"parts": {"0": "background", ...}, "tree": {"photo": {...}}}

    Only the index and the tree are read at once; photos and masks are decoded each time they are
    used. Files that are not in the index are ignored.

    Parameters
    ----------
    path : str or path-like
        The folder.
    split : str or None, default=None
        Keep the rows with this value in the column ``split`` ("train", "test", ...); None keeps
        all rows. The codes of the classes are the same for every split.
    unlabeled : int or list of int, default=None
        Ids in the masks that are no part; as in :class:`~hierseg_learn.SegmentedImages`.
    unmatched : {"raise", "keep"}, default="raise"
        Whether a missing mask is an error now, or when it is read: ``describe_to(on_error="skip")``
        of :class:`~hierseg_learn.SegmentTreeTransformer` leaves out, and lists, such a photo.
    return_X_y : bool, default=False
        Return ``(images, target)`` instead of a Bunch.
    as_frame : bool, default=False
        Return `target` as a pandas Series, and the index as the DataFrame `frame`.

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch`
        With the attributes

        - `images` (SegmentedImages of shape (n_samples,)): On disk, in the order of the index.
        - `target` (ndarray of shape (n_samples,), int64, or Series): Position of the label in
          `target_names`.
        - `target_names` (list of str): The labels in alphabetical order.
        - `part_names` (dict of int to str): Name of every part id; from ``parts``, or from the tree
          where that is missing.
        - `tree` (dict): The segment tree; its leaves are part ids.
        - `ids` (list of str)
        - `filenames`, `mask_filenames` (list of str)
        - `frame` (DataFrame or None): One row per photo: all columns of the index, the file names
          and `target`.
        - `DESCR` (str): The folder's ``README.md`` if it has one.
    images, target : tuple
        In place of the Bunch, if ``return_X_y=True``.

    Raises
    ------
    FileNotFoundError
        If the folder, one of its files, or the photo or mask of a row is missing; with
        ``unmatched="keep"`` a mask may be.
    ValueError
        If a column, a value or the tree is missing, an id is repeated or fits several files, no
        row belongs to `split`, or a file is not in UTF-8.

    Examples
    --------
    >>> import json, tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> from PIL import Image
    >>> from hierseg_learn.datasets import load_segmented_folder
    >>> with tempfile.TemporaryDirectory() as name:
    ...     folder = Path(name)
    ...     for file in (folder / "images" / "a.png", folder / "masks" / "a.png"):
    ...         file.parent.mkdir()
    ...         Image.fromarray(np.zeros((4, 3), np.uint8)).save(file)
    ...     _ = (folder / "index.csv").write_text("id,label\na,cat\n")
    ...     _ = (folder / "parts.json").write_text(json.dumps({"tree": {"photo": {"all": 0}}}))
    ...     data = load_segmented_folder(folder)
    >>> data.target_names, data.part_names
    (['cat'], {0: 'all'})
    """
    folder = Path(path)
    if not folder.is_dir():
        raise FileNotFoundError(f"path must be a folder with images, got {str(folder)!r}.")
    rows = _read_index(folder / "index.csv", needs_split=split is not None)
    tree, part_names = _read_parts(folder / "parts.json")
    target_names = sorted({row["label"] for row in rows})
    if split is not None:
        known = sorted({row["split"] for row in rows})
        rows = [row for row in rows if row["split"] == split]
        if not rows:
            raise ValueError(f"split={split!r} has no image; index.csv has the splits {known}.")
    ids = [row["id"] for row in rows]
    filenames = _find_files(folder / "images", ids)
    mask_filenames = _find_files(folder / "masks", ids, may_lack=unmatched == "keep")
    codes = {name: code for code, name in enumerate(target_names)}
    readme = folder / "README.md"
    files = {"filenames": filenames, "mask_filenames": mask_filenames}
    data = Bunch(
        images=SegmentedImages(filenames, mask_filenames, unlabeled),
        target=np.array([codes[row["label"]] for row in rows], dtype=np.int64),
        target_names=target_names,
        part_names=part_names,
        tree=tree,
        ids=ids,
        DESCR=readme.read_text(encoding="utf-8", errors="replace") if readme.is_file() else "",
        **files,
    )
    columns = {name: [row[name] for row in rows] for name in rows[0] if name != "id"}
    columns |= {name.removesuffix("s"): paths for name, paths in files.items()}
    return as_frame_bunch(data, columns, return_X_y=return_X_y, as_frame=as_frame)


@validate_params(
    {
        "image": [str, Integral, tuple],
        "mask": [str, Integral, tuple],
        "part_names": ["array-like", Mapping, None],
        **{
            key: constraint
            for key, constraint in COMMON_CONSTRAINTS.items()
            if key not in ("split", "labels", "unmatched")
        },
        "labels": [str, Integral, tuple, "array-like", None],
    },
    prefer_skip_nested_validation=True,
)
def load_from_dataset(
    dataset: Any,
    *,
    image: Any = "image",
    mask: Any = "mask",
    labels: Any = None,
    part_names: Any = None,
    tree: Any = None,
    unlabeled: Any = None,
    resize: Any = None,
    max_side: int | None = None,
    mode: str | None = "RGB",
    verify: bool = False,
    verbose: int = 0,
    return_X_y: bool = False,
    as_frame: bool = False,
) -> Bunch | tuple:
    """Load photos and masks from a data set in Python: of Hugging Face, torchvision, or your own.

    Anything that has a length and gives items by number will do, with Pillow images or arrays in
    them. Items are read again each time they are used, the last one being kept. Of what they hold,
    photos are as in :class:`~hierseg_learn.SegmentedImages`, and masks hold part ids.

    Parameters
    ----------
    dataset : sequence
        Items are mappings (Hugging Face) or tuples (torchvision).
    image, mask : str, int or tuple, default="image", "mask"
        Where in an item the photo and the mask are: a key, a position, or a tuple of them that is
        followed, as ``(1, 0)`` for the first of several targets.
    labels : str, int, tuple, array-like or None, default=None
        Where in an item the class is, in the same way (a tuple is such a way), or an array of the
        classes. Numbers get the names that the data set has for them. Without a column that can be
        read by itself, all items are read once.
    part_names : list of str, dict of int to str, or None, default=None
        Names of the part ids; a list counts from 0.
    tree : dict or SegmentTree, default=None
        The tree of the parts, with part ids or names as the values of its leaves; None puts all
        parts below one root.
    unlabeled : int, str, or list of them, default=None
        Ids in the masks, or names of parts, that are no part.
    resize : (int, int), {"photo", "mask"} or None, default=None
        As in :func:`load_image_folder`.
    max_side : int or None, default=None
        As in :func:`load_image_folder`.
    mode : {"RGB"} or None, default="RGB"
        As in :func:`load_image_folder`.
    verify : bool, default=False
        Read every item once now, and raise one error about those that cannot be used.
    verbose : int, default=0
        Show progress on standard error.
    return_X_y : bool, default=False
        Return ``(images, target)`` instead of a Bunch.
    as_frame : bool, default=False
        Return `target` as a pandas Series, and the DataFrame `frame`.

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch`
        As of :func:`load_image_folder`.
    images, target : tuple
        In place of the Bunch, if ``return_X_y=True``.

    Raises
    ------
    TypeError, ValueError
        If `dataset` has no length or no items, an entry is missing or no image, or there are fewer
        or more `labels` than items.

    Examples
    --------
    >>> import numpy as np
    >>> from hierseg_learn.datasets import load_from_dataset
    >>> items = [{"image": np.zeros((4, 3)), "mask": np.eye(4, 3, dtype=int), "kind": "cat"}]
    >>> data = load_from_dataset(items, labels="kind", part_names=["rest", "fur"])
    >>> data.target_names, data.images[0].mask.sum()
    (['cat'], np.int64(3))
    """
    if not (hasattr(dataset, "__len__") and hasattr(dataset, "__getitem__")):
        raise TypeError(
            f"dataset is a {type(dataset).__name__}; expected a length and items by number."
        )
    if len(dataset) == 0:
        raise ValueError("dataset is empty; expected at least one item.")
    reading = Reading(
        None, tree, unlabeled, None, resize, max_side, mode, "raise", verify, verbose,
        return_X_y, as_frame,
    )  # fmt: skip
    items = CachedItems(dataset)
    classes, names = _item_classes(dataset, items, labels, verbose)
    positions = list(range(len(dataset)))
    found = Collected(
        folder=Path(),
        files=[f"item_{i:06d}" for i in positions],
        photos=positions,
        masks=positions,
        photo_recipe=ItemRecipe(items, image, "image", mode),
        mask_recipe=ItemRecipe(items, mask, "mask"),
        parts=check_parts(part_names),
        left_out=LeftOut(),
        classes=classes,
        class_names=names,
        description=f"{type(dataset).__name__} of {len(dataset)} items",
    )
    return reading.finish(found)


def _item_classes(
    dataset: Any, items: CachedItems, labels: Any, verbose: int
) -> tuple[list[str] | None, list[str] | None]:
    """Class of every item, and the names of all classes where the data set has them."""
    if labels is None:
        return None, None
    n_items, names = len(dataset), getattr(dataset, "classes", None)
    if isinstance(labels, (str, Integral, tuple)):
        columns = getattr(dataset, "column_names", None) or ()
        if labels in columns:
            values = list(dataset[labels])
            names = getattr(dataset.features[labels], "names", None)
        else:
            values = []
            with ProgressBar(n_items, "classes", verbose) as bar:
                for i in range(n_items):
                    values.append(items.entry(i, labels, f"Item {i} of dataset"))
                    bar.advance()
    else:
        values = list(labels)
        if len(values) != n_items:
            raise ValueError(
                f"labels holds {len(values)} classes for {n_items} items; expected one each."
            )
    are_codes = all(isinstance(v, Integral) and not isinstance(v, bool) for v in values)
    if names and are_codes and all(0 <= value < len(names) for value in values):
        return [str(names[value]) for value in values], list(map(str, names))
    return list(map(str, values)), None


def _read_index(file: Path, *, needs_split: bool) -> list[dict[str, str]]:
    """Read the rows of ``index.csv``, all values as text."""
    if not file.is_file():
        raise FileNotFoundError(
            f"path must hold an index of the images, but {str(file)!r} is missing."
        )
    reader = csv.DictReader(StringIO(read_text(file), newline=""))
    found = list(reader.fieldnames or [])
    rows = list(reader)
    for column in ("id", "label", "split")[: 3 if needs_split else 2]:
        if column not in found:
            other = next((mark for mark in ";\t" if len(found) == 1 and mark in found[0]), None)
            hint = f" Its columns are separated by {other!r}, expected ','." if other else ""
            raise ValueError(f"{file.name} must have a column {column!r}; it has {found}.{hint}")
    if not rows:
        raise ValueError(f"{file.name} names no image.")
    seen: set[str] = set()
    for line, row in enumerate(rows, start=2):
        if None in row or None in row.values() or not row["id"] or not row["label"]:
            raise ValueError(
                f"line {line} of {file.name} must have one value per column {found}, an id and a "
                f"label among them; got {list(row.values())}."
            )
        if row["id"] in seen:
            raise ValueError(f"line {line} of {file.name} repeats the id {row['id']!r}.")
        seen.add(row["id"])
    return rows


def _read_parts(file: Path) -> tuple[dict, dict[int, str]]:
    """Read the tree and the part names of ``parts.json``."""
    if not file.is_file():
        raise FileNotFoundError(
            f"path must hold the tree of the parts, but {str(file)!r} is missing."
        )
    try:
        content = json.loads(read_text(file))
    except json.JSONDecodeError as error:
        raise ValueError(f"{file.name} is not valid JSON: {error}.") from error
    if not isinstance(content, dict) or not isinstance(content.get("tree"), dict):
        raise ValueError(f"{file.name} must hold a JSON object with the nested tree under 'tree'.")
    from_tree: dict[int, str] = {}
    _collect_leaves(content["tree"], from_tree, file.name)
    try:
        named = {int(part): str(name) for part, name in content.get("parts", {}).items()}
    except (AttributeError, ValueError) as error:
        raise ValueError(f"'parts' in {file.name} must map part ids to names: {error}.") from error
    return content["tree"], dict(sorted({**from_tree, **named}.items()))


def _collect_leaves(node: dict, names: dict[int, str], file_name: str) -> None:
    """Collect the name of every part id below a nested dict."""
    for name, value in node.items():
        if isinstance(value, dict):
            _collect_leaves(value, names, file_name)
            continue
        for part in value if isinstance(value, list) else [value]:
            if isinstance(part, bool) or not isinstance(part, int):
                raise ValueError(
                    f"leaf {name!r} of the tree in {file_name} must be a part id or a list of part "
                    f"ids, got {value!r}."
                )
            names[part] = name


def _find_files(folder: Path, ids: list[str], *, may_lack: bool = False) -> list[str]:
    """Find the file of every id in a folder, with any suffix; some may not be there."""
    if not folder.is_dir():
        raise FileNotFoundError(f"path must hold a folder {folder.name!r}, but there is none.")
    by_stem: dict[str, list[str]] = {}
    for entry in sorted(folder.iterdir()):
        if entry.suffix.lower() in SUFFIXES:
            by_stem.setdefault(entry.stem, []).append(str(entry))
    for position, name in enumerate(ids):
        found, image = by_stem.get(name, []), f"image {position} (id {name!r})"
        if not found and not may_lack:
            raise FileNotFoundError(f"{folder.name}/ holds no file for {image} of index.csv.")
        if len(found) > 1:
            raise ValueError(f"{folder.name}/ holds several files for {image}: {found}.")
    return [by_stem.get(name, [str(folder / f"{name}.png")])[0] for name in ids]
