"""The command: what it prints and writes, its exit codes, and what it says of wrong input."""

import csv
import io
import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import joblib
import numpy as np
import pytest
from numpy.testing import assert_array_equal
from PIL import Image
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

import hierseg_learn
from hierseg_learn import HierarchicalMetricClassifier, SegmentTreeTransformer, command
from hierseg_learn.audit import find_shortcuts, node_reliance
from hierseg_learn.datasets import load_segmented_folder, make_portraits
from hierseg_learn.table import open_table
from hierseg_learn.transformer import _streams as streams
from hierseg_learn.transformer import describe
from hierseg_learn.utils import trusted_types

sio = pytest.importorskip("skops.io", reason="skops is not installed")
N_PHOTOS = 48
FAST = ["--descriptors", "color", "--quiet"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Photos with masks, an index with splits, and a tree."""
    place = tmp_path_factory.mktemp("photos")
    data = make_portraits(N_PHOTOS, signal=("hair",), strength=1.0, random_state=0)
    for name in ("images", "masks"):
        (place / name).mkdir()
    rows = ["id,label,split"]
    for i, (photo, mask) in enumerate(data.images):
        save(photo, place / "images" / f"p{i:02}.png")
        save(mask.astype(np.uint8), place / "masks" / f"p{i:02}.png")
        rows.append(f"p{i:02},{data.target_names[data.target[i]]},{'train' if i < 36 else 'test'}")
    (place / "index.csv").write_text("\n".join(rows))
    (place / "parts.json").write_text(json.dumps({"tree": data.tree}))
    return place


def save(array, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    array = array if array.dtype == np.uint8 else np.round(255 * array).astype(np.uint8)
    Image.fromarray(array).save(path)


@pytest.fixture(scope="module")
def classes(tmp_path_factory, folder):
    """The same photos in a folder per class, without masks."""
    place = tmp_path_factory.mktemp("classes")
    data = load_segmented_folder(folder)
    for i, (photo, _) in enumerate(data.images):
        save(photo, place / data.target_names[data.target[i]] / f"{i}.png")
    return place


@pytest.fixture(scope="module")
def model(folder, tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "model.skops"
    assert command.main(["fit", str(folder), "-o", str(path), *FAST]) == 0
    return path


@pytest.fixture
def run(capsys):
    def run(*arguments, code=0):
        capsys.readouterr()
        assert command.main([str(argument) for argument in arguments]) == code
        return capsys.readouterr()

    return run


def test_fit_is_that_of_the_package(run, folder, tmp_path):
    path = tmp_path / "model.skops"
    result = json.loads(run("fit", folder, "-o", path, "--json", *FAST, "--n-neighbors", 3).out)
    data = load_segmented_folder(folder)
    y = np.array(data.target_names)[data.target]
    expected = make_pipeline(
        SegmentTreeTransformer(tree=data.tree, descriptors=["color"], random_state=0),
        HierarchicalMetricClassifier(n_neighbors=3, random_state=0),
    ).fit(data.images[:36], y[:36])
    assert result["n_train"] == 36
    assert result["n_test"] == 12
    assert result["accuracy"] == expected.score(data.images[36:], y[36:])
    assert list(result["node_scores"]) == list(expected[1].tree_.paths)
    stored = sio.load(path, trusted=trusted_types())
    np.testing.assert_array_equal(
        stored.predict_proba(data.images), expected.predict_proba(data.images)
    )
    assert stored[1].n_neighbors == 3
    assert stored[0].memory is None
    assert str(folder).encode() not in path.read_bytes()


def test_no_probability_is_written_as_certain_that_is_not(run, folder, model, monkeypatch):
    proba = np.tile([0.997, 0.003], (N_PHOTOS, 1))
    monkeypatch.setattr(HierarchicalMetricClassifier, "predict_proba", lambda self, X: proba)
    lines = run("predict", model, folder, "--quiet").out.splitlines()
    assert {line.split()[-1] for line in lines} == {">99%"}


def test_predictions_as_table_csv_and_json(run, folder, model, tmp_path):
    text = run("predict", model, folder, "--quiet").out
    assert len(text.splitlines()) == N_PHOTOS
    rows = list(csv.DictReader(io.StringIO(run("predict", model, folder, "--csv", "--quiet").out)))
    found = json.loads(run("predict", model, folder, "--json", "--quiet").out)
    data = load_segmented_folder(folder)
    stored = sio.load(model, trusted=trusted_types())
    proba, labels = stored.predict_proba(data.images), stored.predict(data.images)
    assert [row["photo"] for row in rows] == data.ids == [row["photo"] for row in found]
    assert [row["predicted"] for row in rows] == labels.tolist()
    names = [f"p({name})" for name in stored.classes_]
    printed = np.array([[float(row[name]) for name in names] for row in rows])
    np.testing.assert_array_equal([[*row["probabilities"].values()] for row in found], printed)
    np.testing.assert_array_equal(printed.astype(np.float32), proba.astype(np.float32))
    np.testing.assert_allclose(printed.sum(axis=1), 1, rtol=0, atol=1e-6)
    digits = [row[name].split("e")[0].replace(".", "") for row in rows for name in names]
    assert all(len(number.lstrip("0")) <= 9 for number in digits)
    output = tmp_path / "rows.csv"
    assert run("predict", model, folder, "--csv", "--quiet", "-o", output).out == ""
    assert len(output.read_text().splitlines()) == N_PHOTOS + 1
    one = folder / "images" / "p03.png"
    single = run("predict", model, one, "--masks", folder / "masks", "--csv", "--quiet").out
    assert single.splitlines()[1].split(",", 1)[1] == ",".join(list(rows[3].values())[1:])


def test_photos_are_read_as_in_fit(run, folder, classes, tmp_path, monkeypatch):
    # masks and photos in folders, of which the index of the other fixture would allow no size
    data = tmp_path / "data"
    for name in ("images", "masks"):
        shutil.copytree(folder / name, data / name)
    labels = (folder / "index.csv").read_text().splitlines()[1:]
    for label in {line.split(",")[1] for line in labels}:
        (data / "images" / label).mkdir()
    for line in labels:
        name, label, _ = line.split(",")
        shutil.move(data / "images" / f"{name}.png", data / "images" / label)
    sizes, read = [], command._main.read_photos

    def recorded(options, model):
        names, photos = read(options, model)
        if not isinstance(photos, list):  # paths, as they are
            sizes.append(max(getattr(photos[0], "image", photos[0]).shape))
        return names, photos

    monkeypatch.setattr(command._main, "read_photos", recorded)
    path = tmp_path / "model.skops"
    fit = run("fit", data, "-o", path, *FAST, "--max-side", 20, "--unlabeled", 0)
    assert "pass --max-side" not in fit.out
    found = run("predict", path, data, "--csv")
    assert "photos are read as in fit: --max-side 20, --unlabeled 0." in found.err
    told = run("predict", path, data, "--csv", "--max-side", 20, "--unlabeled", 0)
    assert "as in fit" not in told.err
    assert told.out == found.out
    other = run("predict", path, data, "--csv", "--max-side", 30, "--quiet")
    assert other.err == "hierseg-learn: warning: the model was fitted with --max-side 20.\n"
    assert len(other.out.splitlines()) == N_PHOTOS + 1
    assert sizes == [20, 20, 30]
    # by name, as single photos with masks beside, and photos without masks
    photo = next((data / "images").rglob("p07.png"))
    given = ["--masks", data / "masks", "--csv", "--quiet"]
    assert (
        run("predict", path, photo, *given).out.splitlines()[1].split(",")[1:]
        == next(line for line in found.out.splitlines() if "p07" in line).split(",")[1:]
    )
    run("fit", classes, "-o", path, *FAST, "--max-side", 20)
    small = run("predict", path, photo, "--csv")
    assert "as in fit: --max-side 20." in small.err
    run("predict", path, photo, "--csv", "--quiet", "--max-side", 30)
    assert len(small.out.splitlines()) == 2
    # a file from Python says nothing of photos
    sio.dump(sio.load(path, trusted=trusted_types()), path)
    assert "as in fit" not in run("predict", path, photo, "--csv").err
    assert sizes == [20, 20, 30, 20, 20, 30]


def test_explanations(run, folder, model, tmp_path):
    photos = [folder / "images" / f"p0{i}.png" for i in (1, 2)]
    given = [model, *photos, "--masks", folder / "masks", "--quiet"]
    found = json.loads(run("explain", *given, "--json").out)
    data = load_segmented_folder(folder)
    stored = sio.load(model, trusted=trusted_types())
    table = stored[:-1].transform(data.images[1:3])
    for i, one in enumerate(found):
        expected = stored[-1].explain_prediction(table.iloc[[i]]).to_dict()
        assert one["nodes"] == json.loads(json.dumps(expected["nodes"]))
    finer = json.loads(run("explain", *given, "--json", "--by", "columns").out)[0]
    assert [node["column"] for node in finer["nodes"] if node["column"]] == [*table.columns]
    assert finer["squared_distance"] == pytest.approx(found[0]["squared_distance"], rel=1e-6)
    classes = list(stored.classes_)
    page = tmp_path / "why.html"
    text = run("explain", *given, "--foil", classes[0], "--target", classes[1], "--html", page).out
    assert f"why '{classes[1]}' rather than '{classes[0]}'?" in text
    html = page.read_text(encoding="utf-8")
    assert html.count("<article") == 2
    assert "correctly" not in html  # nobody has said what is on these photos
    assert "p01.png: predicted" in html
    assert str(folder) not in html


def test_report_and_cache(run, folder, tmp_path, monkeypatch):
    pytest.importorskip("matplotlib")
    cache, page = tmp_path / "cache", tmp_path / "report.html"
    given = ["fit", folder, "-o", tmp_path / "m.skops", *FAST, "--cache", cache]
    first = run(*given, "--report", page)
    assert "12 photos held out" in first.out
    assert page.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    before = (tmp_path / "m.skops").read_bytes()

    def fail(*_):
        raise AssertionError("described again")

    monkeypatch.setattr(describe.TreeDescriber, "_pool", fail)
    result = json.loads(run(*given, "--test-size", 0, "--split", "train", "--json").out)
    assert (result["n_train"], result["n_test"]) == (36, 0)
    after = sio.load(tmp_path / "m.skops", trusted=trusted_types())
    sio_before = sio.loads(before, trusted=trusted_types())
    np.testing.assert_array_equal(after[1]._X, sio_before[1]._X)
    with pytest.raises(AssertionError, match="described again"):
        run(*given, "--erosion", 1)  # another description


def test_cached_rows_depend_on_contents(folder, tmp_path):
    data = load_segmented_folder(folder)
    images = [item.image for item in data.images]
    masks = [item.mask for item in data.images]
    transformer = SegmentTreeTransformer(
        tree=data.tree, descriptors="color", memory=str(tmp_path / "cache")
    )
    X = hierseg_learn.SegmentedImages(images, masks)
    expected = clone(transformer).set_params(memory=None).fit_transform(X)
    for jobs in (None, 2):
        found = transformer.set_params(n_jobs=jobs).fit_transform(X)
        np.testing.assert_array_equal(found, expected)
    images[40] = 255 - images[40]
    X = hierseg_learn.SegmentedImages(images, masks)
    changed = clone(transformer).fit_transform(X).to_numpy()
    different = (changed != expected.to_numpy()).any(axis=1)
    assert np.flatnonzero(different).tolist() == [40]
    memory = joblib.Memory(tmp_path / "other", verbose=0)
    np.testing.assert_array_equal(
        clone(transformer).set_params(memory=memory).fit_transform(X), changed
    )


def test_photos_by_class_without_masks(run, classes, tmp_path):
    path = tmp_path / "model.skops"
    found = json.loads(run("fit", classes, "-o", path, "--json", *FAST, "--test-size", 0.25).out)
    assert (found["n_train"], found["n_test"]) == (36, 12)
    assert len(found["node_scores"]) > 1
    rows = json.loads(run("predict", path, classes, "--json", "--quiet").out)
    assert len(rows) == N_PHOTOS
    assert len({row["photo"] for row in rows}) == N_PHOTOS


def test_photos_by_class_are_all_read_and_none_from_elsewhere(run, classes, tmp_path):
    data = tmp_path / "photos"
    shutil.copytree(classes, data)
    first = sorted(path for path in data.iterdir() if path.is_dir())[0]
    (first / "more").mkdir()
    photo = sorted(first.glob("*.png"))[0]
    shutil.copy(photo, first / "more")
    shutil.copy(photo, data)
    fit = ["fit", data, "-o", tmp_path / "model.skops", "--json", *FAST]
    found = run(*fit)
    result = json.loads(found.out)
    assert result["n_train"] + result["n_test"] == N_PHOTOS + 1
    assert "lies in no folder of a class" in found.err
    elsewhere = sorted(classes.rglob("*.png"))[0]
    try:
        (first / "link.png").symlink_to(elsewhere)
    except OSError:
        pytest.skip("needs links")
    assert "is a link to" in run(*fit, code=1).err


@pytest.mark.parametrize("layout", ["ending", "beside", "colors"])
def test_predict_reads_what_fit_reads(run, folder, tmp_path, layout):
    # predictions do not depend on how masks are stored
    data, plain = tmp_path / layout, load_segmented_folder(folder)
    colors = np.random.default_rng(0).permutation(200)[: 3 * len(plain.part_names)].reshape(-1, 3)
    names = [name for _, name in sorted(plain.part_names.items())]
    for i, (photo, mask) in enumerate(plain.images):
        label = plain.target_names[plain.target[i]]
        place = data / label if layout == "beside" else data / "images" / label
        masks = data / label if layout == "beside" else data / "masks"
        ending = {"ending": "_seg", "beside": "_mask", "colors": ""}[layout]
        save(photo, place / f"{i:02}.png")
        mask = colors[mask] if layout == "colors" else mask
        save(mask.astype(np.uint8), masks / f"{i:02}{ending}.png")
    if layout == "colors":
        rows = [f"{name}:{','.join(map(str, color))}::" for name, color in zip(names, colors)]
        (data / "labelmap.txt").write_text("\n".join(rows))
    else:
        (data / "class_names.txt").write_text("\n".join(names))
    path = tmp_path / "model.skops"
    run("fit", data, "-o", path, *FAST, "--test-size", 0)
    rows = json.loads(run("predict", path, data, "--json", "--quiet").out)
    assert len(rows) == N_PHOTOS
    expected = sio.load(path, trusted=trusted_types()).predict(plain.images)
    by_name = {row["photo"].split("/")[-1]: row["predicted"] for row in rows}
    assert [by_name[f"{i:02}"] for i in range(N_PHOTOS)] == list(expected)
    photo = next(data.rglob("07.png") if layout != "colors" else (data / "images").rglob("07.png"))
    masks = photo.parent if layout == "beside" else data / "masks"
    found = json.loads(run("predict", path, photo, "--masks", masks, "--json", "--quiet").out)
    assert [row["predicted"] for row in found] == [expected[7]]
    again = json.loads(
        run("predict", path, photo.parent, "--masks", masks, "--json", "--quiet").out
    )
    assert {row["photo"]: row["predicted"] for row in again} == {
        str(file): by_name[file.stem] for file in photo.parent.glob("*.png") if len(file.stem) == 2
    }
    # the same names with other ids would be other parts
    if layout == "ending":
        (data / "class_names.txt").write_text("\n".join(names[::-1]))
        assert "has the id" in run("predict", path, data, "--quiet", code=1).err


def test_a_model_without_masks_needs_none_and_ignores_them(run, folder, classes, tmp_path):
    path = tmp_path / "model.skops"
    run("fit", classes, "-o", path, *FAST)
    photo = folder / "images" / "p03.png"
    expected = json.loads(run("predict", path, photo, "--json", "--quiet").out)
    given = ["predict", path, photo, "--masks", folder / "masks", "--json", "--quiet"]
    assert json.loads(run(*given).out) == expected
    rows = json.loads(run("predict", path, folder, "--json", "--quiet").out)
    assert [row["predicted"] for row in rows if row["photo"] == "p03"] == [expected[0]["predicted"]]
    page = tmp_path / "why.html"
    run("explain", path, folder, "--html", page, "--quiet")
    assert page.stat().st_size > 1000


def test_describe_writes_a_table_and_goes_on(run, folder, model, tmp_path, monkeypatch):
    photos, place = tmp_path / "photos", tmp_path / "table"
    shutil.copytree(folder, photos)
    (photos / "images" / "p07.png").write_bytes(b"no photo")
    arguments = ["describe", model, photos, "-o", place, "--block-size", 20, "--quiet"]
    assert "p07.png" in run(*arguments, code=1).err
    described = streams.describe_some

    def interrupted(describer, batch, skips):
        if batch.position(0) >= 20:
            raise KeyboardInterrupt
        return described(describer, batch, skips)

    with monkeypatch.context() as patch:
        patch.setattr(streams, "describe_some", interrupted)
        said = run(*arguments, "--on-error", "skip", code=130).err
    assert "in a cache or a table stay there" in said
    assert (place / "_blocks" / "000000.json").exists()
    found = json.loads(run(*arguments, "--on-error", "skip", "--json").out)
    assert [one["id"] for one in found["skipped"]] == ["p07"]
    assert (found["n_rows"], found["n_blocks"]) == (N_PHOTOS - 1, 3)
    assert "Left out: Image 7 of X" in run(*arguments, "--on-error", "skip").out
    data, table = load_segmented_folder(folder), open_table(place)
    good = np.setdiff1d(np.arange(N_PHOTOS), [7])
    stored = sio.load(model, trusted=trusted_types())
    np.testing.assert_array_equal(table.to_pandas(), stored[0].transform(data.images[good]))
    assert table.ids.tolist() == [data.ids[i] for i in good]
    assert table.y.tolist() == [data.target_names[data.target[i]] for i in good]


@pytest.mark.parametrize("with_index", [True, False])
def test_a_photo_without_its_mask_is_left_out_and_listed(run, folder, model, tmp_path, with_index):
    photos = tmp_path / "photos"
    shutil.copytree(folder, photos)
    data = load_segmented_folder(photos)
    given = [photos] if with_index else [*data.filenames[:6], "--masks", photos / "masks"]
    for name in ("p00", "p03"):
        (photos / "masks" / f"{name}.png").unlink()
    arguments = ["describe", model, *given, "-o", tmp_path / "t", "--quiet"]
    assert "mask" in run(*arguments, code=1).err
    skip = [*arguments, "--on-error", "skip", "--json", "--max-errors"]
    assert "max_errors=1 allows 1" in run(*skip, 1, code=1).err
    found = json.loads(run(*skip, 2).out)
    assert [one["position"] for one in found["skipped"]] == [0, 3]
    assert all("p0" in one["error"] and "No such file" in one["error"] for one in found["skipped"])
    kept = np.setdiff1d(np.arange(N_PHOTOS if with_index else 6), [0, 3])
    assert open_table(tmp_path / "t").positions.tolist() == kept.tolist()
    if with_index:  # and without it, wherever the masks are said to be
        (photos / "index.csv").unlink()
        rest = ["--quiet", "--max-errors", 2]
        said = run("describe", model, photos, "-o", tmp_path / "v", *rest, code=1).err
        assert f"2 of {N_PHOTOS} photos have no mask" in said
        assert "or --on-error skip to leave out" in said
        for i, masks in enumerate([(), ("--masks", photos / "masks")]):
            place = tmp_path / f"v{i}"
            run("describe", model, photos, *masks, "-o", place, "--on-error", "skip", *rest)
            assert open_table(place).positions.tolist() == kept.tolist()
        shutil.copy(folder / "index.csv", photos)
    shutil.rmtree(photos / "masks")
    (photos / "masks").mkdir()
    run("describe", model, *given, "-o", tmp_path / "u", "--on-error", "skip", "--quiet", code=1)


@pytest.mark.parametrize("says_masks", [True, False])
def test_describe_stores_the_classes_of_folders_with_masks(
    run, folder, classes, model, tmp_path, says_masks
):
    photos = tmp_path / "photos"
    shutil.copytree(classes, photos / "images")
    for file in sorted((folder / "masks").iterdir())[1:]:
        (photos / "masks").mkdir(exist_ok=True)
        shutil.copy(file, photos / "masks" / f"{int(file.stem[1:])}.png")
    shutil.copy(folder / "parts.json", photos)
    given = [photos / "images", "--masks", photos / "masks"] if says_masks else [photos]
    rest = ["-o", tmp_path / "t", "--quiet", "--on-error", "skip", "--max-errors", 1]
    run("describe", model, *given, *rest)
    table, data = open_table(tmp_path / "t"), load_segmented_folder(folder)
    assert [Path(one).stem for one in table.skipped["id"]] == ["0"]
    of_photo = [data.target_names[data.target[int(Path(one).stem)]] for one in table.ids]
    assert table.y.tolist() == of_photo
    assert len(of_photo) == N_PHOTOS - 1


def test_describe_stores_the_classes_of_folders(run, classes, tmp_path):
    path = tmp_path / "model.skops"
    run("fit", classes, "-o", path, *FAST, "--segmenter", "grid")
    run("describe", path, classes, "-o", tmp_path / "t", "--quiet", "--layout", "npy")
    table = open_table(tmp_path / "t")
    assert table.y.tolist() == [name.split("/")[-2] for name in table.ids]
    some = sorted(classes.rglob("1*.png"))
    run("describe", path, *some, "-o", tmp_path / "u", "--quiet", "--n-jobs", 1)
    assert open_table(tmp_path / "u").ids.tolist() == list(map(str, some))


def test_audit(run, folder, model, tmp_path):
    table = tmp_path / "groups.csv"
    table.write_text("id,group\n" + "\n".join(f"p{i:02},{i % 2}" for i in range(N_PHOTOS)))
    found = json.loads(
        run("audit", folder, "--context", "hair", "--json", *FAST, "--model", model,
            "--groups", table).out
    )  # fmt: skip
    assert found["flagged"] == [path for path in found["flagged"] if "hair" in path] != []
    assert {"shortcuts", "groups", "reliance"} <= found.keys()
    with table.open("a") as stream:
        stream.write("\np00,other")
    given = ["audit", folder, *FAST, "--model", model, "--groups", table]
    assert "gives the photo 'p00' two groups" in run(*given, code=1).err
    text = run("audit", folder, *FAST).out
    assert "portrait/person/head/hair" in text or "hair" in text


def test_audit_in_json_has_the_numbers_of_the_reports(run, folder, model):
    given = ["audit", folder, "--context", "hair", *FAST, "--model", model]
    found = json.loads(run(*given, "--json").out)
    data = load_segmented_folder(folder)
    y = np.array(data.target_names)[data.target]
    pipeline = sio.load(model, trusted=trusted_types())
    shortcuts = find_shortcuts(
        data.images, y, transformer=pipeline[0], context="hair", random_state=0
    )
    # without groups, too, the use of the nodes is measured
    reports = {
        "shortcuts": shortcuts,
        "files": shortcuts.metadata,
        "reliance": node_reliance(pipeline, data.images, y, random_state=0),
    }
    for name, report in reports.items():
        frame = report.to_frame().reset_index()
        numbers = frame.select_dtypes(float)
        shown = [[row[column] for column in numbers] for row in found[name]]
        assert_array_equal(np.array(shown, dtype=float), numbers)


def test_contact_sheet(run, folder, classes, tmp_path):
    pytest.importorskip("matplotlib")
    path = tmp_path / "sheet.png"
    text = run("parts", folder, "-o", path, "--quiet", "--n-examples", 3).out
    assert "portrait/person/head/hair" in text
    with Image.open(path) as sheet:
        assert min(sheet.size) > 100
    run("parts", classes, "-o", path, "--quiet", "--segmenter", "grid", "--n-examples", 2)


def test_demo(run, tmp_path):
    assert "Which parts tell the classes apart?" in run(
        "demo", "-o", tmp_path / "demo", "--n-samples", 60
    ).out  # fmt: skip
    run("demo", "--n-samples", 3, code=2)


@pytest.mark.parametrize(
    "name",
    ["", "fit", "predict", "describe", "explain", "audit", "parts", "demo"],
    ids=lambda name: name or "all",
)
def test_help_can_be_read(run, name):
    text = run(*filter(None, [name]), "--help").out
    assert text.startswith("usage: hierseg-learn")
    for line in text.splitlines():
        assert "`" not in line
        assert "**" not in line
        assert ":class:" not in line
    for option in text.split("\n  --")[1:]:
        assert len(option.split()) > 2  # says what it is


def test_every_simple_parameter_is_an_option(run):
    text = run("fit", "--help").out
    for kind in (SegmentTreeTransformer, HierarchicalMetricClassifier):
        for name in kind().get_params(deep=False):
            if name not in {"tree", "image_shape", "memory", "verbose", "unlabeled"}:
                assert f"--{name.replace('_', '-')}" in text


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ([], 2, "COMMAND"),
        (["fit"], 2, "FOLDER"),
        (["fit", "{folder}", "-o", "model.skops", "--missing", "median"], 2, "invalid choice"),
        (["fit", "{folder}", "-o", "model.skops", "--n-neighbors", "many"], 2, "many"),
        (["fit", "{folder}", "-o", "{tmp}/model.pkl"], 1, "named *.skops"),
        (["fit", "{folder}", "-o", "{tmp}/no/model.skops"], 1, "there is no folder"),
        (["fit", "{tmp}/no", "-o", "{tmp}/model.skops"], 1, "FOLDER must be a folder"),
        (["fit", "{tmp}", "-o", "{tmp}/model.skops"], 1, "photo"),
        (["fit", "{folder}", "-o", "{tmp}/m.skops", "--n-neighbors", "0"], 1, "n_neighbors"),
        (["fit", "{folder}", "-o", "{tmp}/m.skops", "--tree", "{folder}/index.csv"], 1, "no JSON"),
        (["predict", "{tmp}/no.skops", "{folder}"], 1, "MODEL must be a file"),
        (["predict", "{folder}/index.csv", "{folder}"], 1, "no model file"),
        (["predict", "{model}", "{tmp}/no.png"], 1, "there is no '"),
        (["predict", "{model}", "{tmp}"], 1, "holds no photo"),
        (["predict", "{model}", "{folder}/images/p01.png"], 1, "expected --masks"),
        (["predict", "{model}", "{folder}/images/p01.png", "--masks", "{tmp}"], 1, "no mask"),
        (["predict", "{model}", "{folder}", "--masks", "{tmp}/no"], 1, "--masks must be a folder"),
        (["predict", "{model}", "{classes}"], 1, "Or pass --masks"),
        (["describe", "{model}", "{folder}"], 2, "-o/--output"),
        (["describe", "{model}", "{folder}", "-o", "{tmp}/no/t"], 1, "there is no folder"),
        (["describe", "{model}", "{folder}", "-o", "{folder}"], 1, "and no table"),
        (["describe", "{model}", "{folder}", "-o", "{tmp}/t", "--max-errors", "few"], 2, "few"),
        (["describe", "{model}", "{folder}", "-o", "{tmp}/t", "--block-size", "0"], 1, "block_s"),
        (["explain", "{model}", "{folder}", "--foil", "x"], 1, "--foil must be one of"),
        (["audit", "{folder}", "--groups", "{folder}/index.csv"], 1, "pass --model"),
    ],
)  # fmt: skip
def test_wrong_input_gets_a_sentence(run, folder, classes, model, tmp_path, arguments, code, words):
    places = {"folder": folder, "classes": classes, "model": model, "tmp": tmp_path}
    found = run(*(argument.format(**places) for argument in arguments), code=code)
    assert words in found.err
    assert "Traceback" not in found.err
    assert found.out == ""
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("layout", ["folder", "classes"])
def test_truncated_files_are_told_before_the_work(
    run, folder, classes, tmp_path, layout, monkeypatch
):
    data = tmp_path / "photos"
    shutil.copytree({"folder": folder, "classes": classes}[layout], data)
    photos = sorted(data.rglob("*.png"))
    for path in (photos[3], photos[-1]):
        path.write_bytes(path.read_bytes()[:-200])

    def fail(*_):
        raise AssertionError("described")

    monkeypatch.setattr(describe.TreeDescriber, "_pool", fail)
    err = run("fit", data, "-o", tmp_path / "m.skops", *FAST, code=1).err
    assert f"2 of {N_PHOTOS} photos cannot be used" in err
    assert photos[3].name in err
    assert photos[-1].name in err
    assert "truncated" in err


class Stranger:
    """A type that no model of the package holds."""

    def __init__(self):
        self.content = [1]


def test_foreign_model_files_are_not_read(run, folder, tmp_path):
    path = tmp_path / "model.skops"
    sio.dump({"model": Stranger()}, path)
    assert "Stranger" in run("predict", path, folder, code=1).err
    sio.dump(LogisticRegression(), path)
    assert "SegmentTreeTransformer" in run("predict", path, folder, code=1).err
    path.write_bytes(path.read_bytes()[:-30])
    assert "not complete" in run("predict", path, folder, code=1).err


def process(*arguments):
    return [sys.executable, "-m", "hierseg_learn", *map(str, arguments)]


def test_as_a_program(folder, model):
    run = subprocess.run(
        process("predict", model, folder, "--csv"), capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.startswith("photo,predicted,")
    assert len(run.stdout.splitlines()) == N_PHOTOS + 1
    assert "Describing images" in run.stderr
    failed = subprocess.run(
        process("predict", "no.skops", folder), capture_output=True, text=True, check=False
    )
    assert (failed.returncode, failed.stdout) == (1, "")
    assert failed.stderr.startswith("hierseg-learn: MODEL must be a file")


@pytest.mark.skipif(sys.platform == "win32", reason="needs signals")
def test_an_interrupted_fit_leaves_no_file(folder, tmp_path):
    output, cache = tmp_path / "model.skops", tmp_path / "cache"
    given = ["fit", folder, "-o", output, "--report", tmp_path / "r.html", "--cache", cache]
    run = subprocess.Popen(process(*given), stderr=subprocess.PIPE, text=True)
    # as soon as a block has been described
    while run.poll() is None and not list(cache.rglob("output.pkl")):
        time.sleep(0.02)
    run.send_signal(signal.SIGINT)
    _, err = run.communicate()
    assert run.returncode == 130, err
    assert "interrupted" in err
    assert {path.name for path in tmp_path.iterdir()} == {"cache"}
