"""What a network wants its images to be, read from its own configuration."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Preprocessing:
    """What a network wants its images to be.

    Parameters
    ----------
    size : tuple of (int, int)
        Height and width in pixels of what the network sees. A network that takes any size gets
        images with as many pixels in their own aspect ratio.
    mean, std : tuple of float
        Of the three channels, on the scale from black 0 to white 1.
    interpolation : {"nearest", "bilinear", "bicubic", "lanczos", "box", "hamming"}, \
default="bicubic"
        How images are resized, by Pillow.

    Examples
    --------
    >>> from hierseg_learn.networks import Preprocessing
    >>> Preprocessing((224, 224), mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5)).interpolation
    'bicubic'
    """

    size: tuple[int, int]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    interpolation: str = "bicubic"

    def changed(self, changes: Mapping[str, Any]) -> Preprocessing:
        """Replace some entries; numbers stand for equal sides and channels."""
        try:
            return replace(self, **_checked(changes))
        except TypeError as error:
            raise _unknown_entries(changes) from error

    @classmethod
    def of(cls, given: Any) -> Preprocessing:
        """Read a dict with all entries, or an image processor of transformers."""
        if isinstance(given, Preprocessing):
            return given
        if not isinstance(given, Mapping):
            return _of_processor(given)
        try:
            return cls(**_checked(given))
        except TypeError as error:
            raise _unknown_entries(given) from error


def choose_preprocessing(given: Any, own: Preprocessing | None, what: str) -> Preprocessing:
    """Preprocessing from what the user gives and what the network says."""
    if given is None and own is None:
        raise ValueError(
            f"preprocessing must be given for {what}: a dict with size, mean and std, and "
            "interpolation unless it is bicubic."
        )
    if given is None:
        return own
    if isinstance(given, Mapping) and own is not None:
        return own.changed(given)
    return Preprocessing.of(given)


def _checked(given: Mapping[str, Any]) -> dict[str, Any]:
    """Entries of Preprocessing, checked, of which numbers stand for all axes."""
    from PIL import Image

    entries = dict(given)
    for name, n in (("size", 2), ("mean", 3), ("std", 3)):
        if name in entries:
            values = np.ravel(entries[name])
            kind = int if name == "size" else float
            if len(values) not in (1, n) or values.dtype.kind not in "iuf":
                raise ValueError(
                    f"preprocessing has {name}={entries[name]!r}; expected a number or {n} of them."
                )
            entries[name] = tuple(kind(value) for value in np.resize(values, n))
            if name != "mean" and min(entries[name]) <= 0:
                raise ValueError(f"preprocessing has {name}={entries[name]}; expected above 0.")
    known = [one.name.lower() for one in Image.Resampling]
    if entries.get("interpolation", "bicubic") not in known:
        raise ValueError(
            f"preprocessing has interpolation={entries['interpolation']!r}; expected one of "
            f"{', '.join(map(repr, known))}."
        )
    return entries


def _unknown_entries(given: Mapping[str, Any]) -> ValueError:
    """The error about names of entries."""
    return ValueError(
        "preprocessing must be a dict with size, mean, std and interpolation, got "
        f"{', '.join(map(repr, given)) or 'an empty one'}."
    )


def timm_preprocessing(model: Any) -> Preprocessing:
    """What timm's configuration of a model says, for the whole image: without the crop."""
    from timm.data import resolve_data_config

    config = resolve_data_config({}, model=model)
    crop = config["crop_pct"] if _takes_any_size(model) else 1
    return Preprocessing(
        size=tuple(int(side / crop) for side in config["input_size"][1:]),
        mean=tuple(config["mean"]),
        std=tuple(config["std"]),
        interpolation=config["interpolation"].replace("random", "bilinear"),
    )


def _takes_any_size(model: Any) -> bool:
    """Whether a model of timm has no size of its own."""
    return not getattr(model, "pretrained_cfg", {}).get("fixed_input_size", False)


def _of_processor(processor: Any) -> Preprocessing:
    """What an image processor of transformers says, for the whole image: without the crop."""
    from PIL import Image

    size = getattr(processor, "size", None)
    if not hasattr(processor, "resample") or size is None:
        raise TypeError(
            "preprocessing must be a Preprocessing, a dict or an image processor of transformers, "
            f"got {processor!r}."
        )
    size = size if isinstance(size, Mapping) else dict(size)
    side = size.get("shortest_edge")
    sides = (size["height"], size["width"]) if side is None else (side, side)
    normal = getattr(processor, "do_normalize", True)
    factor = processor.rescale_factor if getattr(processor, "do_rescale", True) else 1.0
    # what becomes 0 and 1 after rescaling
    mean = np.array(processor.image_mean if normal else [0.0] * 3) / (255 * factor)
    std = np.array(processor.image_std if normal else [1.0] * 3) / (255 * factor)
    return Preprocessing(
        size=tuple(int(side) for side in sides),
        mean=tuple(mean.tolist()),
        std=tuple(std.tolist()),
        interpolation=Image.Resampling(processor.resample).name.lower(),
    )


def load_processor(folder: str | os.PathLike) -> Any:
    """Load an image processor of transformers from a folder.

    Names of classes that have been renamed are understood.

    Parameters
    ----------
    folder : str or path
        Folder with the file ``preprocessor_config.json``.

    Returns
    -------
    processor : image processor of transformers

    Raises
    ------
    ValueError
        If transformers cannot read it.
    """
    import transformers

    path = Path(folder, "preprocessor_config.json")
    given = ""
    try:
        saved = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        given = saved.get("image_processor_type") or saved.get("feature_extractor_type") or ""
        loader = transformers.AutoImageProcessor
        if given.endswith("FeatureExtractor"):
            name = given.replace("FeatureExtractor", "ImageProcessor")
            loader = getattr(transformers, name, loader)
        return loader.from_pretrained(folder, local_files_only=True)
    except (ValueError, ImportError, OSError, AttributeError, TypeError) as error:
        lines = str(error).strip().splitlines()
        named = f" names its image processor {given!r}, and" if given else ""
        raise ValueError(
            f"{path.name} of the checkpoint{named} cannot be read by transformers "
            f"{transformers.__version__}: {lines[0][:200] if lines else type(error).__name__}"
        ) from error
