"""Files of the command: folders of photos, models, tables of groups, and results."""

from __future__ import annotations

import argparse
import csv
import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import ZIP_DEFLATED, BadZipFile, ZipFile

import numpy as np
from sklearn.pipeline import Pipeline
from sklearn.utils import Bunch

from ..datasets import (
    SUFFIXES,
    load_image_folder,
    load_segmented_folder,
    pair_files,
    photo_files,
    scan,
    verify,
)
from ..fitted import FittedModel
from ..utils import check_writable, trusted_types, written_whole

if TYPE_CHECKING:
    import pandas as pd

PROGRAM = "hierseg-learn"
# how photos are read, stored in a file of its own within that of the model
_READING, _READING_FILE = ("max_side", "unlabeled"), "hierseg_learn_reading.json"
_MASK_ENDINGS = re.compile(r"([_.-]|\b)(mask|masks|seg|label|labels|annot|gt)$", re.IGNORECASE)


class CommandError(Exception):
    """Something that the user can mend, in one sentence."""


def read_folder(options: argparse.Namespace, **given: Any) -> Bunch:
    """Photos, classes and tree of a folder."""
    folder = Path(options.folder)
    if not folder.is_dir():
        raise CommandError(f"FOLDER must be a folder of photos, got {options.folder!r}.")
    shared = {"split": options.split, "unlabeled": options.unlabeled, **given}
    if (folder / "index.csv").is_file() and (folder / "parts.json").is_file():
        _refuse(options, "a folder with index.csv and parts.json", "max_side")
        data = load_segmented_folder(folder, as_frame=True, **shared)
    else:
        classes = _classes_without_masks(folder)
        if classes is None:
            data = load_image_folder(
                folder,
                max_side=options.max_side,
                as_frame=True,
                verbose=not options.quiet,
                **shared,
            )
        else:
            _refuse(options, "a folder per class without masks", "split")
            files = [path for paths in classes.values() for path in paths]
            names = [name for name, paths in classes.items() for _ in paths]
            data = Bunch(
                images=photo_files(files, options.max_side),
                tree=None,
                ids=[str(Path(file).relative_to(folder)) for file in files],
                target=np.array(names),
                target_names=list(classes),
                frame={},
            )
    if options.tree:
        try:
            data.tree = json.loads(Path(options.tree).read_text(encoding="utf-8"))
        except json.JSONDecodeError as error:
            raise CommandError(f"--tree {options.tree!r} holds no JSON: {error}.") from error
    verify(data, not options.quiet)
    data.images = (
        np.array(data.images, dtype=object) if isinstance(data.images, list) else data.images
    )
    data.y = None
    if data.target is not None:
        target = np.asarray(data.target)
        data.y = target if target.dtype.kind in "UO" else np.array(data.target_names)[target]
    return data


def _refuse(options: argparse.Namespace, layout: str, *names: str) -> None:
    """Raise for an option that says nothing about a layout."""
    for name in names:
        if getattr(options, name) is not None:
            option = f"--{name.replace('_', '-')}"
            raise CommandError(
                f"{option} is not known for {layout}, as {options.folder!r} is; leave it out."
            )


def _classes_without_masks(folder: Path) -> dict[str, list[str]] | None:
    """Photos by class, of a folder with a folder per class and no masks; else None."""
    names = {path.name.lower() for path in folder.iterdir() if path.is_dir()}
    if names & {"images", "masks", "annotations", "jpegimages", "segmentationclass"}:
        return None
    classes: dict[str, list[str]] = {}
    for file in scan(folder, folder):
        name, slash, _ = file.partition("/")
        if not slash:
            print(f"{PROGRAM}: {file!r} lies in no folder of a class: left out.", file=sys.stderr)
            continue
        classes.setdefault(name, []).append(str(folder / file))
    stems = [Path(file).stem for files in classes.values() for file in files]
    if len(classes) < 2 or any(map(_MASK_ENDINGS.search, [*stems, *classes])):
        return None
    return classes


def read_photos(options: argparse.Namespace, model: FittedModel) -> tuple[list[str], Any]:
    """Photos to predict, with their names, and with masks if the model needs them."""
    names, data = find_photos(options, model)
    verify(data, not options.quiet)
    return names, data.images


def find_photos(options: argparse.Namespace, model: FittedModel) -> tuple[list[str], Bunch]:
    """As `read_photos`, without reading them; `y` of the Bunch are their classes, or None."""
    needs_masks = model.transformer.segmenter_.uses_masks
    names, data = _photos(options, needs_masks)
    if not isinstance(data, Bunch):
        if needs_masks:
            raise CommandError(
                "the model was fitted on photos with masks, and PHOTOS have none; expected --masks "
                "DIR, or a folder as for fit."
            )
        y = _classes_of_folders(names, model)
        return names, Bunch(images=photo_files(data, options.max_side), y=y)
    if data.get("target") is not None:
        y = np.array(data.target_names)[data.target]
    else:  # of --masks, names are the paths of photos
        y = None if options.masks is None else _classes_of_folders(names, model)
    if not needs_masks:
        return names, Bunch(images=data.images.images, y=y)
    _check_same_ids(model, data)
    data["y"] = y
    return names, data


def _classes_of_folders(files: Sequence[str], model: FittedModel) -> np.ndarray | None:
    """The folder of every photo, if all of them are classes of the model."""
    y = [Path(file).parent.name for file in files]
    return np.array(y) if set(map(str, model.classifier.classes_)).issuperset(y) else None


def _check_same_ids(model: FittedModel, data: Bunch) -> None:
    """Raise if a part has another id in the masks than in those that a model was fitted on."""
    tree = model.transformer.tree_
    known = {tree.names[leaf]: value for leaf, value in zip(tree.leaves, tree.leaf_values or ())}
    for part, name in data.part_names.items():
        value = known.get(name, part)
        if isinstance(value, int) and value != part:
            raise CommandError(
                f"the part {name!r} has the id {part} in the masks of PHOTOS, and {value} in those "
                "that the model was fitted on; expected the same ids."
            )


def _photos(options: argparse.Namespace, needs_masks: bool) -> tuple[list[str], Any]:
    """Names of photos, and a Bunch with their masks or else their files."""
    given = [Path(name) for name in options.photos]
    # a photo whose mask is missing is then left out as one whose mask cannot be read
    unmatched = "keep" if getattr(options, "on_error", "raise") == "skip" else "raise"
    if options.masks is not None and not Path(options.masks).is_dir():
        raise CommandError(f"--masks must be a folder, got {options.masks!r}.")
    if len(given) == 1 and given[0].is_dir():
        folder = given[0]
        if options.masks is None:
            if (folder / "index.csv").is_file() and (folder / "parts.json").is_file():
                _refuse(options, "a folder with index.csv and parts.json", "max_side")
                data = load_segmented_folder(
                    folder, unlabeled=options.unlabeled, unmatched=unmatched
                )
                return data.ids, data
            if needs_masks or (folder / "masks").is_dir():
                try:
                    data = load_image_folder(
                        folder,
                        max_side=options.max_side,
                        unlabeled=options.unlabeled,
                        verbose=not options.quiet,
                        unmatched=unmatched,
                    )
                except ValueError as error:
                    why = "the model was fitted on photos with masks: " if needs_masks else ""
                    hint = " Or pass --masks DIR"
                    if getattr(options, "on_error", None) == "raise":
                        hint += ", or --on-error skip to leave out photos without a mask"
                    raise CommandError(f"{why}{error}{hint}.") from error
                return data.ids, data
        files = [str(folder / file) for file in scan(folder, folder)]
        if options.masks is not None and not folder.samefile(options.masks):
            masks = Path(options.masks).resolve()
            files = [file for file in files if masks not in Path(file).resolve().parents]
        masks_of = {stem: _MASK_ENDINGS.sub("", stem) for stem in (Path(f).stem for f in files)}
        files = [
            file
            for file in files
            if masks_of[stem := Path(file).stem] == stem or masks_of[stem] not in masks_of
        ]
        if not files:
            raise CommandError(f"{str(folder)!r} holds no photo ({', '.join(SUFFIXES)}).")
    else:
        files = [str(path) for path in given]
        missing = [file for file in files if not Path(file).is_file()]
        if missing:
            raise CommandError(f"PHOTOS must be files, or one folder; there is no {missing[0]!r}.")
    if options.masks is None:
        return files, files
    given = {"max_side": options.max_side, "unlabeled": options.unlabeled}
    return files, pair_files(files, options.masks, unmatched=unmatched, **given)


def check_model_path(path: str) -> Path:
    """Check the name of a model file that is to be written."""
    if Path(path).suffix != ".skops":
        raise CommandError(f"the file of the model must be named *.skops, got {path!r}.")
    return check_writable(path, "--output")


def save_model(model: Pipeline, path: Path, options: argparse.Namespace) -> None:
    """Write a pipeline, and how its photos were read."""
    import skops.io

    reading = {name: getattr(options, name) for name in _READING}
    with written_whole(path) as beside:
        skops.io.dump(model, beside, compression=ZIP_DEFLATED)
        with ZipFile(beside, "a", ZIP_DEFLATED) as archive:
            archive.writestr(_READING_FILE, json.dumps(reading))


def _read_as_in_fit(path: str, options: argparse.Namespace) -> None:
    """Set the options of reading that were not given to those of the fit, and say so."""
    with ZipFile(path) as archive:
        if _READING_FILE not in archive.namelist():  # saved from Python
            return
        known = json.loads(archive.read(_READING_FILE))
    taken = []
    for name in _READING:
        value, given, option = known[name], getattr(options, name), f"--{name.replace('_', '-')}"
        words = " ".join(map(str, [option, *np.ravel(value).tolist()]))
        if value is None:
            continue
        if given is None:
            setattr(options, name, value)
            taken.append(words)
        elif given != value:
            print(f"{PROGRAM}: warning: the model was fitted with {words}.", file=sys.stderr)
    if taken and not options.quiet:
        print(f"{PROGRAM}: photos are read as in fit: {', '.join(taken)}.", file=sys.stderr)


def load_model(path: str, options: argparse.Namespace) -> tuple[Pipeline, FittedModel]:
    """Read a pipeline that `fit` has saved, and nothing else; also the access to its steps.

    Options of reading photos that were not given are set to those of the fit.
    """
    if not Path(path).is_file():
        raise CommandError(
            f"MODEL must be a file that {PROGRAM} fit has written, but there is no file {path!r}."
        )
    import skops.io
    from skops.io.exceptions import UntrustedTypesFoundException

    try:
        model = skops.io.load(path, trusted=trusted_types())
        _read_as_in_fit(path, options)
    except UntrustedTypesFoundException as error:
        raise CommandError(
            f"{path!r} holds types that are not of a model of {PROGRAM}, and is not read: {error}"
        ) from error
    except (BadZipFile, KeyError, json.JSONDecodeError, EOFError) as error:
        raise CommandError(f"{path!r} is no model file, or is not complete.") from error
    found = FittedModel.from_estimator(model, explains=True, needs="photos", name=repr(path))
    found.transformer.set_params(verbose=int(not options.quiet))
    return model, found


def read_groups(path: str, ids: Sequence[str]) -> list[str]:
    """Group of every photo, by a table with the columns id and group."""
    with open(path, encoding="utf-8-sig", newline="") as stream:
        rows = list(csv.DictReader(stream))
    if not rows or not {"id", "group"} <= rows[0].keys():
        raise CommandError(f"--groups {path!r} must be a table with columns id and group.")
    known: dict[str, str] = {}
    for row in rows:
        if known.setdefault(row["id"], row["group"]) != row["group"]:
            raise CommandError(f"--groups {path!r} gives the photo {row['id']!r} two groups.")
    missing = [name for name in ids if name not in known]
    if missing:
        raise CommandError(
            f"--groups {path!r} lacks {len(missing)} of {len(ids)} photos, such as {missing[0]!r}."
        )
    return [known[name] for name in ids]


def plain(values: Any) -> list:
    """Values as JSON knows them; NaN becomes None."""
    return [None if value != value else value for value in np.asarray(values).tolist()]


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows of a DataFrame as JSON knows them, with all digits: pandas would round p-values to 0."""
    rows = frame.reset_index().to_dict("records")
    return [{name: plain([value])[0] for name, value in row.items()} for row in rows]


def say(options: argparse.Namespace, result: Any, text: str, path: str | None = None) -> None:
    """Print a result, or write it to a file, as text or JSON."""
    text = json.dumps(result, indent=2) if options.json else text
    if path is None:
        print(text, flush=True)
        return
    with written_whole(path) as beside:
        beside.write_text(f"{text}\n", encoding="utf-8")
