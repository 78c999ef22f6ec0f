"""The command ``hierseg-learn``: from a folder of photos to a model, predictions and reasons.

Results go to standard output, progress and messages to standard error.
"""

from __future__ import annotations

import argparse
import csv
import inspect
import io
import os
import re
import sys
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from numbers import Integral, Real
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.metrics import accuracy_score, balanced_accuracy_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.utils import Bunch
from sklearn.utils._param_validation import Interval, StrOptions

from .. import (
    HierarchicalMetricClassifier,
    SegmentedImages,
    SegmentTreeTransformer,
    __version__,
    demo,
)
from ..audit import find_shortcuts, group_report, node_reliance
from ..report import write_explanations, write_report
from ..segmentation import PartSheetDisplay, part_report
from ..segmentation.registry import make_segmenter
from ..utils import check_writable, written_whole
from ..utils.numbers import percent
from ._files import (
    PROGRAM,
    CommandError,
    check_model_path,
    find_photos,
    load_model,
    plain,
    read_folder,
    read_groups,
    read_photos,
    records,
    save_model,
    say,
)

DONE, FAILED, INTERRUPTED = 0, 1, 130  # argparse has 2
_HELP = """\
Three commands lead from photos to predictions and reasons:

  hierseg-learn fit photos -o model.skops --report report.html
  hierseg-learn predict model.skops new_photos --csv > predictions.csv
  hierseg-learn explain model.skops new_photos/one.jpg --html why.html

"hierseg-learn COMMAND --help" tells the options of one command.
"""
_FOLDER = """\
FOLDER is one of
  * a folder of photos per class:  cats/1.jpg  cats/2.jpg  dogs/1.jpg  ...
  * the same with masks, in folders images/ and masks/, or beside the photos (1_mask.png)
  * index.csv (columns id, label, perhaps split), images/, masks/ and parts.json
Without masks, photos are cut by --segmenter.
"""
# parameters that are set otherwise, or make no sense on a command line
_OTHERWISE = {"tree", "image_shape", "memory", "verbose", "unlabeled"}
_STEPS = {"description": SegmentTreeTransformer, "decision": HierarchicalMetricClassifier}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    Parameters
    ----------
    argv : sequence of str, default=None
        The arguments; None takes those of the process.

    Returns
    -------
    code : int
        0 if all went well; 1 if photos, files or parameters are not as they should be; 2 if the
        command was called in a wrong way; 130 if it was interrupted.

    Examples
    --------
    >>> from hierseg_learn.command import main
    >>> main(["--version"])
    hierseg-learn 0...
    0
    """
    try:
        options = _parser().parse_args(argv)
    except SystemExit as error:  # of argparse
        return int(error.code or 0)
    with warnings.catch_warnings():
        warnings.showwarning = _show_warning
        try:
            options.run(options)
        except KeyboardInterrupt:
            return _failed(
                "interrupted; descriptions that are in a cache or a table stay there.", INTERRUPTED
            )
        except BrokenPipeError:  # what reads the results has ended
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return FAILED
        except (CommandError, ValueError, TypeError, OSError, ImportError) as error:
            return _failed(str(error))
        except SystemExit as error:  # of the demo
            return int(error.code or 0)
    return DONE


def _failed(message: str, code: int = FAILED) -> int:
    print(f"{PROGRAM}: {message}", file=sys.stderr)
    return code


def _show_warning(message: Warning | str, *_args: Any, **_kwargs: Any) -> None:
    print(f"{PROGRAM}: warning: {message}", file=sys.stderr)


# what is asked for


def _parser() -> argparse.ArgumentParser:
    formatter = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        description="Classify photos by their parts, and say why.",
        epilog=_HELP,
        formatter_class=formatter,
    )
    parser.add_argument("--version", action="version", version=f"{PROGRAM} {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    def add(name: str, run: Callable, help: str, epilog: str = "") -> argparse.ArgumentParser:
        command = commands.add_parser(
            name, help=help, description=help, epilog=epilog, formatter_class=formatter
        )
        command.set_defaults(run=run)
        command.add_argument("--json", action="store_true", help="print results as JSON")
        command.add_argument("--quiet", action="store_true", help="print no progress")
        return command

    fit = add("fit", _fit, "Fit a model to a folder of photos, save it, and report on it.", _FOLDER)
    fit.add_argument("folder", metavar="FOLDER", help="photos and their classes, see below")
    fit.add_argument(
        "-o", "--output", metavar="MODEL", required=True, help="file of the model, *.skops"
    )
    fit.add_argument("--report", metavar="HTML", help="file of a report on photos held out")
    fit.add_argument(
        "--test-size", type=float, metavar="SHARE",
        help="share of the photos that are held out for the score and the report; 0 for none "
        "(default: those whose split is 'test', or where there are no splits, 0.25)",
    )  # fmt: skip
    fit.add_argument(
        "--cache", metavar="DIR",
        help="folder that keeps descriptions, so that an interrupted or repeated fit goes on from "
        "there",
    )  # fmt: skip
    _add_reading(fit, "none")
    _add_params(fit, *_STEPS)

    predict = add("predict", _predict, "Predict the classes of photos.")
    _add_model_and_photos(predict)
    predict.add_argument("--csv", action="store_true", help="print results as CSV")
    predict.add_argument("-o", "--output", metavar="FILE", help="write results there")

    describe = add(
        "describe", _describe,
        "Write the table that describes photos to a folder, some photos at a time; called again "
        "after an interruption, it goes on.",
    )  # fmt: skip
    _add_model_and_photos(describe)
    describe.add_argument(
        "-o", "--output", metavar="FOLDER", required=True,
        help="folder of the table; new, empty, or with a part of it",
    )  # fmt: skip
    describe.add_argument(
        "--layout", choices=("auto", "parquet", "npy"), default="auto",
        help="files of the table (default: parquet where pyarrow is installed, else npy)",
    )  # fmt: skip
    describe.add_argument(
        "--block-size", type=int, metavar="PHOTOS", default=4096,
        help="photos per file: at most so many are described again after an interruption "
        "(default: 4096)",
    )  # fmt: skip
    describe.add_argument(
        "--on-error", choices=("raise", "skip"), default="raise",
        help="stop at a photo that cannot be read, or leave it out and list it (default: raise)",
    )  # fmt: skip
    describe.add_argument(
        "--max-errors", type=_count_or_share, metavar="NUMBER", default=0.01,
        help="photos that may be left out; with a point, their share (default: 0.01)",
    )  # fmt: skip
    describe.add_argument("--n-jobs", type=int, metavar="NUMBER", help="processes (default: 1)")

    explain = add("explain", _explain, "Say why photos get their classes.")
    _add_model_and_photos(explain)
    explain.add_argument("--html", metavar="HTML", help="write a page with pictures")
    explain.add_argument("--target", help="the class to explain (default: the predicted one)")
    explain.add_argument("--foil", help="the class to compare with (default: the next one)")
    explain.add_argument(
        "--by", choices=("nodes", "descriptors", "columns"), default="nodes",
        help="what the text lists below the parts: nothing, descriptors or columns",
    )  # fmt: skip

    audit = add("audit", _audit, "Look for shortcuts: what else than the object tells the class?",
                _FOLDER)  # fmt: skip
    audit.add_argument("folder", metavar="FOLDER", help="photos and their classes, see below")
    audit.add_argument("--model", help="a saved model, whose use of the nodes is measured")
    audit.add_argument(
        "--context", nargs="+", metavar="NODE",
        help="nodes that should not tell the class, such as background",
    )  # fmt: skip
    audit.add_argument("--groups", metavar="CSV", help="table with one row per photo: id, group")
    _add_reading(audit)
    _add_params(audit, "description")

    parts = add(
        "parts", _parts, "Draw a contact sheet of the parts in a folder of photos.", _FOLDER
    )
    parts.add_argument("folder", metavar="FOLDER", help="photos, see below")
    parts.add_argument("-o", "--output", metavar="PNG", required=True, help="file of the sheet")
    parts.add_argument("--model", help="a saved model, whose parts are drawn")
    parts.add_argument("--n-examples", type=int, default=8, help="photos per part (default: 8)")
    parts.add_argument("--segmenter", default="auto", help="what cuts photos without masks")
    _add_reading(parts)

    demo = add("demo", _run_demo, "Classify generated portraits, and draw the reasons.")
    demo.add_argument("-o", "--output", default="demo_output", help="folder of the picture")
    demo.add_argument("--n-samples", type=int, default=600, help="portraits (default: 600)")
    return parser


def _add_model_and_photos(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", help="a model that fit has saved")
    parser.add_argument("photos", metavar="PHOTOS", nargs="+", help="files, or one folder")
    parser.add_argument(
        "--masks", metavar="DIR",
        help="folder of their masks, for a model of photos with masks; the folder of the photos "
        "if masks lie beside them (1.jpg, 1_mask.png)",
    )  # fmt: skip
    _add_sizes(parser, "as in fit")


def _add_sizes(parser: Any, default: str) -> None:
    """Add the options that say how photos and masks are read, and that a model file holds."""
    default = f" (default: {default})"
    parser.add_argument(
        "--max-side", type=int, metavar="PIXELS", help=f"shrink larger photos{default}"
    )
    parser.add_argument(
        "--unlabeled", nargs="*", type=int, metavar="ID", help=f"ids of no part{default}"
    )


def _add_reading(
    parser: argparse.ArgumentParser, sizes: str = "none; with --model, as in fit"
) -> None:
    group = parser.add_argument_group("photos")
    group.add_argument("--split", help="use the photos of this split only")
    _add_sizes(group, sizes)
    group.add_argument("--tree", metavar="JSON", help="file with the tree of parts, a nested dict")


def _add_params(parser: argparse.ArgumentParser, *steps: str) -> None:
    """Make an option of every parameter of some steps that fits on a command line."""
    seen: set[str] = set()
    for title in steps:
        kind = _STEPS[title]
        group = parser.add_argument_group(f"{title} (parameters of {kind.__name__})")
        described = _descriptions(kind)
        signature = inspect.signature(kind).parameters
        for name, constraints in kind._parameter_constraints.items():
            if name in _OTHERWISE | seen or name not in signature:
                continue
            option = _option(constraints, signature[name].default)
            if option is not None:
                given = 0 if name == "random_state" else signature[name].default
                shown = " ".join(given) if isinstance(given, tuple | list) else given
                group.add_argument(
                    f"--{name.replace('_', '-')}",
                    dest=name,
                    default=given,
                    help=f"{described.get(name, '')} (default: {shown})".replace("%", "%%").strip(),
                    **option,
                )
                seen.add(name)


def _option(constraints: list, default: Any) -> dict[str, Any] | None:
    """Arguments of an option for a parameter; None if its values are objects only."""
    words: set[str] = set()
    readers: list[Callable[[str], Any]] = []
    for constraint in constraints:
        kind = constraint.type if isinstance(constraint, Interval) else constraint
        if isinstance(constraint, StrOptions):
            words |= set(constraint.options)
        elif isinstance(constraint, str) and constraint == "boolean":
            return {"action": argparse.BooleanOptionalAction}
        elif isinstance(constraint, str) and constraint == "array-like":
            return {"nargs": "+", "type": float, "metavar": "NUMBER"}
        elif kind in (Integral, int) or constraint == "random_state":
            readers.append(int)
        elif kind in (Real, float):
            readers.append(float)
        elif kind is str:
            readers.append(str)
    if isinstance(default, tuple | list):
        return {"nargs": "+", "metavar": "NAME"}
    if not readers:
        return {"choices": sorted(words)} if words else None

    def read(text: str) -> Any:
        if text in words:
            return text
        for reader in readers:
            try:
                return reader(text)
            except ValueError:
                continue
        raise argparse.ArgumentTypeError(f"{text!r} is none of {', '.join(sorted(words))}")

    return {"type": read, "metavar": "VALUE"}


def _count_or_share(text: str) -> float:
    return float(text) if "." in text else int(text)


def _descriptions(kind: type) -> dict[str, str]:
    """First sentence about every parameter in the docstring of an estimator."""
    doc = inspect.getdoc(kind) or ""
    body = doc.partition("Parameters\n----------\n")[2].partition("\n\n")[0]
    found = {}
    for entry in re.split(r"\n(?=\w)", body):
        head, _, text = entry.partition("\n")
        words = re.sub(r":\w+:`~?([\w.]+)`", r"\1", " ".join(text.split())).replace("``", "")
        sentence = re.split(r"(?<=[^.]{3})[.;:] ", words)[0].rstrip(".").replace("`", "")
        for name in head.partition(" : ")[0].split(", "):
            found[name] = sentence[:1].lower() + sentence[1:]
    return found


# the commands


def _fit(options: argparse.Namespace) -> None:
    output = check_model_path(options.output)
    import skops  # noqa: F401

    if options.report:
        check_writable(options.report, "--report")
        import matplotlib  # noqa: F401
    data = _labeled(options)
    train, test = _held_out(data, options)
    if options.report and not len(test):
        raise CommandError("--report is about photos that were held out, and --test-size is 0.")
    model = make_pipeline(
        _step(
            "description",
            options,
            tree=data.tree,
            unlabeled=options.unlabeled,
            memory=options.cache,
        ),
        _step("decision", options),
    ).fit(data.images[train], data.y[train])
    for step in model:
        step.set_params(verbose=0)
    model[0].set_params(memory=None)
    result: dict[str, Any] = {
        "model": str(output),
        "n_train": len(train),
        "n_test": len(test),
        "classes": plain(model.classes_),
    }
    if len(test):
        predicted = model.predict(data.images[test])
        result["accuracy"] = float(accuracy_score(data.y[test], predicted))
        result["balanced_accuracy"] = float(balanced_accuracy_score(data.y[test], predicted))
    result["node_scores"] = dict(zip(model[-1].tree_.paths, plain(model[-1].node_scores_)))
    if options.report:
        write_report(model, data.images[test], data.y[test], options.report)
        result["report"] = options.report
    save_model(model, output, options)
    tree = model[-1].tree_.export_text(model[-1].node_scores_, fmt=".0%")
    lines = [f"Held-out accuracy of every node on {len(train)} training photos:", "", tree, ""]
    if len(test):
        lines.append(
            f"Of {len(test)} photos held out, {percent(result['accuracy'], 1)} are classified "
            f"correctly (mean over the classes: {percent(result['balanced_accuracy'], 1)})."
        )
    lines.append(f"The model is in {options.output}.")
    if options.report:
        lines.append(f"The report is in {options.report}.")
    say(options, result, "\n".join(lines))


def _predict(options: argparse.Namespace) -> None:
    if options.output:
        check_writable(options.output, "--output")
    _, model = load_model(options.model, options)
    names, photos = read_photos(options, model)
    proba = model.classifier.predict_proba(model.table(photos))
    classes = plain(model.classifier.classes_)
    best = proba.argmax(axis=1)
    # as few digits as tell numbers of 32 bits apart, without the noise behind them
    shown = [[float(str(value)) for value in row] for row in proba.astype(np.float32)]
    rows = [
        {"photo": name, "predicted": classes[k], "probability": row[k],
         "probabilities": dict(zip(map(str, classes), row))}
        for name, k, row in zip(names, best.tolist(), shown)
    ]  # fmt: skip
    if options.csv:
        stream = io.StringIO()
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(["photo", "predicted", *(f"p({name})" for name in classes)])
        for row in rows:
            writer.writerow([row["photo"], row["predicted"], *row["probabilities"].values()])
        text = stream.getvalue().rstrip("\n")
    else:
        width = max(len(name) for name in names)
        text = "\n".join(
            f"{row['photo']:<{width}}  {row['predicted']}  {percent(row['probability'])}"
            for row in rows
        )
    say(options, rows, text, options.output)


def _describe(options: argparse.Namespace) -> None:
    _, model = load_model(options.model, options)
    names, data = find_photos(options, model)
    transformer = model.transformer.set_params(n_jobs=options.n_jobs)
    given = {
        name: getattr(options, name) for name in ("layout", "block_size", "on_error", "max_errors")
    }
    table = transformer.describe_to(options.output, data.images, data.y, ids=names, **given)
    left_out = table.skipped.to_dict("records")
    n_rows, n_columns = table.shape
    result = {
        "table": options.output,
        "n_rows": n_rows,
        "n_columns": n_columns,
        "n_blocks": table.n_blocks,
        "has_classes": table.y is not None,
        "skipped": left_out,
    }
    lines = [f"{n_rows} of {len(names)} photos are described in {options.output}."]
    lines += [f"Left out: {one['error']}" for one in left_out]
    say(options, result, "\n".join(lines))


def _explain(options: argparse.Namespace) -> None:
    if options.html:
        check_writable(options.html, "--html")
    pipeline, model = load_model(options.model, options)
    names, photos = read_photos(options, model)
    known = {str(label): label for label in plain(model.classifier.classes_)}
    asked = {}
    for name in ("target", "foil"):
        label = getattr(options, name)
        if label is not None and label not in known:
            raise CommandError(f"--{name} must be one of {', '.join(known)}, got {label!r}.")
        asked[name] = known.get(label)
    short = [Path(name).name for name in names]
    names = short if len(set(short)) == len(short) else names
    wants_two = any(label is not None for label in asked.values())
    table = model.table(photos)
    found = []
    for i, name in enumerate(names):
        row = table.iloc[[i]]
        if wants_two:
            explanation = model.classifier.explain_contrast(row, by=options.by, **asked)
        else:
            explanation = model.classifier.explain_prediction(row, by=options.by)
        found.append(replace(explanation, name=name))
    if options.html:
        write_explanations(pipeline, photos, options.html, names=names, **asked)
    text = "\n\n".join(explanation.to_text() for explanation in found)
    say(options, [explanation.to_dict() for explanation in found], text)


def _audit(options: argparse.Namespace) -> None:
    if options.groups and not options.model:
        raise CommandError("--groups is about the predictions of a model; pass --model, too.")
    if options.model:
        pipeline, model = load_model(options.model, options)
    data = _labeled(options)
    if options.model:
        transformer, table = model.transformer, model.table(data.images)
    else:
        given = {"tree": data.tree, "unlabeled": options.unlabeled}
        transformer = _step("description", options, **given)
        table = transformer.fit_transform(data.images)
    shortcuts = find_shortcuts(
        table, data.y, transformer=transformer, images=data.images, context=options.context,
        random_state=0,
    )  # fmt: skip
    reports = {"shortcuts": shortcuts}
    groups = read_groups(options.groups, data.ids) if options.groups else None
    if groups is not None:
        reports["groups"] = group_report(data.y, model.classifier.predict(table), groups)
    if options.model:
        reports["reliance"] = node_reliance(pipeline, data.images, data.y, groups, random_state=0)
    result = {name: records(report.to_frame()) for name, report in reports.items()}
    result["files"] = records(shortcuts.metadata.to_frame())
    result["flagged"] = list(shortcuts.flagged)
    say(options, result, "\n\n".join(report.to_text() for report in reports.values()))


def _parts(options: argparse.Namespace) -> None:
    check_writable(options.output, "--output")
    import matplotlib

    matplotlib.use("agg")
    model = load_model(options.model, options)[1] if options.model else None
    data = read_folder(options)
    if model is not None:
        segmenter = model.transformer.segmenter_
    else:
        has_masks = isinstance(data.images, SegmentedImages)
        segmenter = make_segmenter(options.segmenter, has_masks=has_masks)
        given = {"tree": data.tree, "random_state": 0, "verbose": not options.quiet}
        known = segmenter.get_params(deep=False)
        segmenter.set_params(**{name: value for name, value in given.items() if name in known})
        segmenter.fit(data.images)
    report = part_report(segmenter, data.images, mask_names=getattr(data, "part_names", None))
    sheet = PartSheetDisplay.from_estimator(
        segmenter, data.images, report=report, n_examples=options.n_examples
    )
    with written_whole(options.output) as beside:
        sheet.figure_.savefig(beside, dpi=150)
    frame = report.to_frame()
    # a name alone does not tell a left hand from a right one
    frame.insert(0, "path", report.paths)
    say(options, records(frame), frame.set_index("path").to_string())


def _run_demo(options: argparse.Namespace) -> None:
    demo.main(["--output", options.output, "--n-samples", str(options.n_samples)])


# shared by the commands


def _step(title: str, options: argparse.Namespace, **params: Any) -> Any:
    """A step of the pipeline with the parameters that were given as options."""
    kind = _STEPS[title]
    known = inspect.signature(kind).parameters
    given = {name: value for name, value in vars(options).items() if name not in _OTHERWISE}
    given |= {"verbose": int(not options.quiet), **params}
    step = kind(**{name: value for name, value in given.items() if name in known})
    step._validate_params()  # not only when all photos have been described
    return step


def _labeled(options: argparse.Namespace) -> Bunch:
    """Photos of a folder that have classes."""
    data = read_folder(options)
    if data.y is None:
        raise CommandError(
            f"the photos in {options.folder!r} have no classes; expected a folder per class, or "
            "index.csv with the columns id and label, beside images/, masks/ and parts.json."
        )
    return data


def _held_out(data: Bunch, options: argparse.Namespace) -> tuple[np.ndarray, np.ndarray]:
    """Positions of the photos to learn from, and of those to test on."""
    splits = np.asarray(data.frame["split"]) if "split" in data.frame else np.array([])
    everything = np.arange(len(data.y))
    if options.test_size is None and options.split is None and {"train", "test"} <= {*splits}:
        return np.flatnonzero(splits == "train"), np.flatnonzero(splits == "test")
    share = 0.25 if options.test_size is None else options.test_size
    if share == 0:
        return everything, everything[:0]
    return tuple(
        train_test_split(
            everything, test_size=share, stratify=data.y, random_state=options.random_state
        )
    )
