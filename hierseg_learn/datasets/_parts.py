"""What lists in a data set name: its parts, with their colors and tree, and photos of a split."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..images.recipes import Codes
from ._reading import Reading, check_parts, named, read_table, read_text, scan, stem_of

LAYOUTS: dict[str, dict[str, Any]] = json.loads(
    (Path(__file__).parent / "layouts.json").read_text(encoding="utf-8")
)


@dataclass
class Parts:
    """Names of the parts by id, their tree, and how colors become ids."""

    names: dict[int, str] = field(default_factory=dict)
    tree: dict | None = None
    codes: Codes | None = None


def find_parts(
    folder: Path, folders: Sequence[Path], preset: dict[str, Any], part_names: Any, palette: Any
) -> Parts:
    """Names of the parts, and how colors become ids: as given, of the layout, or of a file."""
    names = check_parts(part_names)
    if palette is not None:
        return _parts_of_palette(palette, names, "palette=")
    if names:
        return Parts(names)
    if "tree" in preset:
        return Parts(_leaves(preset["tree"]), preset["tree"])
    for file in (folder / name for name in preset.get("names", ())):
        if file.is_file():
            return Parts(_scene_names(file))
    if preset.get("codes"):
        return Parts(_ade_names(folders))
    for base in dict.fromkeys([folder, *folders]):
        if (base / "labelmap.txt").is_file():
            return _read_labelmap(base / "labelmap.txt")
        for name in ("class_names.txt", "classes.txt", "codes.txt"):
            if (base / name).is_file():
                lines = [line.strip() for line in read_text(base / name).splitlines()]
                lines = [line for line in lines if line]
                first = -1 if lines[:1] == ["__ignore__"] else 0
                listed = dict(enumerate(lines, start=first))
                listed.pop(-1, None)
                return Parts(check_parts(listed, str(base / name)))
        if (base / "_classes.csv").is_file():
            columns, rows = read_table(base / "_classes.csv")
            if columns[0].lower().startswith("pixel"):
                return Parts({int(row[0]): row[1] for row in rows})
    return Parts()


def _parts_of_palette(palette: Mapping, names: dict[int, str], said_by: str) -> Parts:
    """Part ids of colors or stored values, by their names."""
    are_colors = {isinstance(key, (tuple, list)) for key in palette}
    if len(are_colors) != 1:
        raise ValueError(
            f"{said_by} must name colors (r, g, b), or stored values; got {palette!r}."
        )
    listed = dict.fromkeys(name for name in palette.values() if name is not None)
    names = names or dict(enumerate(listed))
    ids = {name: part for part, name in names.items()}
    unknown = [name for name in listed if name not in ids]
    if unknown:
        raise ValueError(f"{said_by} names the parts {named(unknown)}, which part_names= lacks.")
    try:
        keys = {
            tuple(int(level) for level in key) if isinstance(key, (tuple, list)) else int(key): (
                -1 if name is None else ids[name]
            )
            for key, name in palette.items()
        }
    except (TypeError, ValueError) as error:
        raise ValueError(f"{said_by} must name colors (r, g, b), got {palette!r}.") from error
    levels = set(range(256))
    if True in are_colors and not all(len(key) == 3 and levels.issuperset(key) for key in keys):
        raise ValueError(f"{said_by} must name colors (r, g, b) of 0 to 255, got {palette!r}.")
    return Parts(names, None, Codes(keys, said_by, are_colors=True in are_colors))


def _read_labelmap(file: Path) -> Parts:
    """Names and colors of ``labelmap.txt``, one ``name:r,g,b:parts:actions`` per line."""
    palette: dict[tuple, str] = {}
    names = []
    for number, line in enumerate(read_text(file).splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        name, _, rest = line.partition(":")
        color = rest.partition(":")[0].strip()
        if color:
            levels = color.split(",")
            if len(levels) != 3 or not all(level.strip().isdigit() for level in levels):
                raise ValueError(
                    f"line {number} of {file.name} must be name:r,g,b:parts:actions, got {line!r}."
                )
            palette[tuple(map(int, levels))] = name
        names.append(name)
    if not palette:
        # written without colors, files hold the number of the line
        return Parts(check_parts(names, file.name))
    if len(palette) < len(names):
        raise ValueError(
            f"{file.name} has colors for {len(palette)} of {len(names)} names; expected one each."
        )
    return _parts_of_palette(palette, {}, file.name)


def _scene_names(file: Path) -> dict[int, str]:
    """Names of ``objectInfo150.txt``: the first word for each id, or all where it comes twice."""
    columns, rows = read_table(file)
    place = columns.index("Name")
    words = {int(row[0]): row[place] for row in rows}
    first = {part: word.replace(";", ",").partition(",")[0].strip() for part, word in words.items()}
    seen = list(first.values())
    names = {part: name if seen.count(name) == 1 else words[part] for part, name in first.items()}
    return {0: "other", **names}


def _ade_names(folders: Sequence[Path]) -> dict[int, str]:
    """Names of the objects of ADE20K, from the JSON file beside each photo."""
    names: dict[int, str] = {0: "other"}
    for folder in folders:
        for file in scan(folder, folder, (".json",)):
            content = json.loads((folder / file).read_text(encoding="utf-8", errors="replace"))
            for entry in content.get("annotation", {}).get("object", []):
                name = entry.get("name") or entry.get("raw_name")
                names.setdefault(int(entry["name_ndx"]), str(name))
    if len(names) == 1:
        return {}
    seen = list(names.values())
    return {
        part: name if seen.count(name) == 1 else f"{name} ({part})"
        for part, name in sorted(names.items())
    }


def _leaves(tree: Mapping[str, Any]) -> dict[int, str]:
    """Names by part id of a nested dict."""
    found: dict[int, str] = {}
    for name, value in tree.items():
        found.update(_leaves(value) if isinstance(value, Mapping) else {value: name})
    return dict(sorted(found.items()))


def names_in_split(
    folder: Path, preset: dict[str, Any], places: Sequence[Any], reading: Reading
) -> set[str] | None:
    """Names in the list of a split that has no folder of its own; None for all photos."""
    split = reading.split
    if split is None and "all" not in preset:
        return None
    known = [place.split for place in places]
    if split is not None and None not in known:
        if split not in known:
            raise ValueError(f"split={split!r} has no folder; there are the splits {known}.")
        return None
    name = split or preset["all"]
    base = places[0].images.parent
    for file in (
        folder / f"{name}.txt",
        base / f"{name}.txt",
        base / "ImageSets" / "Segmentation" / f"{name}.txt",
    ):
        if file.is_file():
            lines = [line.split() for line in read_text(file).splitlines()]
            return {line[0] for line in lines if line}
    if split is None:
        return None
    table = reading.table(folder)
    if table is None or not table.splits:
        raise ValueError(
            f"split={split!r} is not there: {str(folder)!r} has no folder of this name, no list "
            f"{split}.txt, and labels= no table with a column 'split'."
        )
    wanted = {key for key, value in table.splits.items() if value == split}
    if not wanted:
        raise ValueError(
            f"split={split!r} has no photo; {table.file.name} has the splits "
            f"{sorted(set(table.splits.values()))}."
        )
    return wanted


def tails(path: str) -> list[str]:
    """A path, and what is left of it below its first folder, its second one, and so on."""
    names = path.split("/")
    return ["/".join(names[k:]) for k in range(len(names))]


def named_by(listed: Iterable[str], stems: Iterable[str]) -> set[str]:
    """Paths without suffix that a list names, whose paths may begin further up or further down.

    A last name alone names all photos that have it; where a list has folders, they count: photos
    of two classes may have one name.
    """
    known, ends = set(stems), {}
    for stem in known:
        for tail in tails(stem):
            ends.setdefault(tail, set()).add(stem)
    found: set[str] = set()
    for name in listed:
        for path in (name, stem_of(name)):
            here = {path} & known or ends.get(path, set())
            # the list begins above the folder of the photos
            here = here or next(({tail} for tail in tails(path) if tail in known), set())
            if here:
                found |= here
                break
    return found
