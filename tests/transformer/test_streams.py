"""Tables described into a folder: the same as in memory, whole after any interruption."""

import errno
import os
import pickle
import signal
import subprocess
import sys
import textwrap
import time
import weakref
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import hierseg_learn
import hierseg_learn.transformer._streams as streams
from hierseg_learn import SegmentedImages, SegmentTreeTransformer
from hierseg_learn.descriptors import ColorDescriptor
from hierseg_learn.images import ImageFiles
from hierseg_learn.table import open_table
from hierseg_learn.utils import trusted_types

TREE = {"photo": {"sky": 0, "land": {"field": 1, "house": 2}}}
N_PHOTOS = 11


def write_photos(folder, n_photos=N_PHOTOS, seed=0):
    """Photos with their label maps in a folder; some lack a house."""
    folder.mkdir(exist_ok=True)
    rng = np.random.default_rng(seed)
    for i in range(n_photos):
        photo = rng.integers(0, 256, (8 + i % 3, 9, 3), dtype=np.uint8)
        mask = rng.integers(0, 2 + i % 2, photo.shape[:2], dtype=np.uint8)
        Image.fromarray(photo).save(folder / f"{i:02}.png")
        Image.fromarray(mask).save(folder / f"{i:02}_mask.png")
    return pairs_in(folder)


def pairs_in(folder):
    masks = sorted(map(str, folder.glob("*_mask.png")))
    return SegmentedImages([mask.replace("_mask", "") for mask in masks], masks)


def make_transformer(**params):
    return SegmentTreeTransformer(tree=TREE, descriptors=["color", "lbp"], **params)


@pytest.fixture
def photos(tmp_path):
    return write_photos(tmp_path / "photos")


@pytest.fixture(scope="module")
def transformer(tmp_path_factory):
    return make_transformer().fit(write_photos(tmp_path_factory.mktemp("train")))


@pytest.fixture(params=["parquet", "npy"])
def layout(request):
    if request.param == "parquet":
        pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    return request.param


def content(folder):
    """Every file of a folder, by its name."""
    files = [path for path in Path(folder).rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def damage(path):
    """Make a file of photos that cannot be read."""
    Path(path).write_bytes(b"no photo")


class Counted:
    """Count the photos that are read, and raise at one of them."""

    def __init__(self, monkeypatch, raise_at=None, error=RuntimeError):
        self.paths, self.alive, self.most = [], weakref.WeakSet(), 0
        read = ImageFiles.read

        def counted(collection, i, where=None):
            if collection.role == "image":
                if raise_at is not None and len(self.paths) == raise_at:
                    raise error("stop")
                self.paths.append(collection.paths[i])
            pixels = read(collection, i, where).view(Pixels)
            self.alive.add(pixels)
            self.most = max(self.most, len(self.alive))
            return pixels

        monkeypatch.setattr(ImageFiles, "read", counted)


class Pixels(np.ndarray):
    """An array whose end can be watched."""

    __hash__ = object.__hash__


def test_the_table_is_that_of_transform(tmp_path, photos, transformer, layout):
    y = np.array(["a", "b"])[np.arange(N_PHOTOS) % 2]
    table = transformer.describe_to(tmp_path / "t", photos, y, layout=layout, block_size=4)
    expected = transformer.transform(photos)
    pd.testing.assert_frame_equal(
        table.to_pandas().reset_index(drop=True), expected, check_exact=True
    )
    assert table.shape == expected.shape
    assert table.dtype == np.float32
    assert [len(block) for block in table.blocks()] == [4, 4, 3]
    assert table.ids.tolist() == list(photos.images.paths)
    assert table.y.tolist() == y.tolist()
    assert table.positions.tolist() == list(range(N_PHOTOS))
    assert table.skipped.empty


@pytest.mark.parametrize(("n_jobs", "missing"), [(2, "mean"), (None, "nan")])
def test_the_bytes_are_those_of_any_number_of_processes(tmp_path, photos, n_jobs, missing):
    transformer = make_transformer(missing=missing).fit(photos)
    damage(photos.images.paths[4])
    options = {"block_size": 3, "layout": "npy", "on_error": "skip"}
    transformer.describe_to(tmp_path / "one", photos, **options)
    transformer.set_params(n_jobs=n_jobs, verbose=0)
    found = transformer.describe_to(tmp_path / "other", photos, **options)
    assert content(tmp_path / "one") == content(tmp_path / "other")
    good = np.setdiff1d(np.arange(N_PHOTOS), [4])
    np.testing.assert_array_equal(found.to_pandas(), transformer.transform(photos[good]))


def test_images_in_memory_and_tables_of_pixels(tmp_path):
    pixels = pd.DataFrame(np.random.default_rng(0).random((5, 12)), index=["a", "b", "c", "d", "e"])
    transformer = SegmentTreeTransformer("grid", image_shape=(3, 4)).fit(pixels)
    table = transformer.describe_to(tmp_path / "t", pixels, block_size=2)
    assert table.dtype == np.float64
    assert table.ids.tolist() == list(pixels.index)
    np.testing.assert_array_equal(table.to_pandas(), transformer.transform(pixels))
    stack = pixels.to_numpy().reshape(-1, 3, 4)
    transformer = SegmentTreeTransformer("grid").fit(stack)
    table = transformer.describe_to(tmp_path / "u", stack, range(5), block_size=2)
    assert (table.ids.dtype, table.ids.tolist()) == (np.int64, [0, 1, 2, 3, 4])
    assert (table.y.dtype, table.y.tolist()) == (np.int64, [0, 1, 2, 3, 4])
    with pytest.raises(ValueError, match=r"image 3 \(3\) has changed since it was described"):
        transformer.describe_to(
            tmp_path / "u", np.where(np.arange(5)[:, None, None] == 3, 0, stack), range(5),
            block_size=2,
        )  # fmt: skip


def test_a_finished_table_is_not_made_again(tmp_path, photos, transformer, monkeypatch):
    transformer.describe_to(tmp_path / "t", photos, block_size=4)
    before = content(tmp_path / "t")
    counted = Counted(monkeypatch)
    table = transformer.describe_to(tmp_path / "t", photos, block_size=4)
    assert not counted.paths
    assert content(tmp_path / "t") == before
    assert len(table) == N_PHOTOS


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, MemoryError])
def test_only_the_open_block_is_made_again(tmp_path, photos, transformer, error):
    layout = "npy"
    options = {"block_size": 3, "layout": layout, "y": range(N_PHOTOS)}
    transformer.describe_to(tmp_path / "whole", photos, **options)
    for at in range(N_PHOTOS) if error is RuntimeError else (0, 4):
        folder = tmp_path / f"at{at}"
        with pytest.MonkeyPatch.context() as patch:
            Counted(patch, at, error)
            with pytest.raises(error, match="stop"):
                transformer.describe_to(folder, photos, **options)
        with pytest.raises(ValueError, match=rf"holds {at // 3} of 4 blocks; block {at // 3} is m"):
            open_table(folder)
        with pytest.MonkeyPatch.context() as patch:
            counted = Counted(patch)
            transformer.describe_to(folder, photos, **options)
        assert counted.paths == list(photos.images.paths[at - at % 3 :])
        assert content(folder) == content(tmp_path / "whole")


@pytest.mark.parametrize("step", ["open", "fsync", "replace"])
def test_a_full_disk_at_any_file_loses_nothing(tmp_path, photos, transformer, step):
    options = {"block_size": 6, "layout": "npy"}
    call, calls = getattr(os, step), []

    def run(folder, full_at):
        def limited(*args, **kwargs):
            calls.append(args)
            if len(calls) == full_at + 1:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return call(*args, **kwargs)

        calls.clear()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(os, step, limited)
            return transformer.describe_to(folder, photos, **options)

    run(tmp_path / "whole", -1)
    n_calls = len(calls)
    assert n_calls >= 7
    for full_at in range(n_calls):
        folder = tmp_path / f"at{full_at}"
        with pytest.raises(OSError, match="No space"):
            run(folder, full_at)
        assert len(run(folder, -1)) == N_PHOTOS
        assert content(folder) == content(tmp_path / "whole")


KILLED = """
    import pickle, sys, time
    from hierseg_learn.images import ImageFiles
    read = ImageFiles.read
    def slow(*args):
        time.sleep(0.05)
        return read(*args)
    ImageFiles.read = slow
    if __name__ == "__main__":
        with open(sys.argv[1], "rb") as stream:
            transformer, photos = pickle.load(stream)
        transformer.describe_to(sys.argv[2], photos, block_size=3, layout="npy")
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no SIGKILL here")
def test_a_killed_process_can_be_followed_by_another(tmp_path, photos, transformer):
    transformer.describe_to(tmp_path / "whole", photos, block_size=3, layout="npy")
    (tmp_path / "run.py").write_text(textwrap.dedent(KILLED))
    (tmp_path / "model").write_bytes(pickle.dumps((transformer, photos)))
    folder = tmp_path / "t"
    arguments = [str(tmp_path / name) for name in ("run.py", "model", "t")]
    place = str(Path(hierseg_learn.__file__).parents[1])
    child = subprocess.Popen([sys.executable, *arguments], env=os.environ | {"PYTHONPATH": place})
    deadline = time.monotonic() + 120
    while not (folder / "_blocks" / "000001.json").exists():
        assert child.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.005)
    child.kill()
    child.wait()
    with pytest.raises(ValueError, match="holds 2 of 4 blocks"):
        open_table(folder)
    # as if it had been killed while it wrote
    (folder / f".{'0' * 16}.npy").write_bytes(b"half")
    with pytest.MonkeyPatch.context() as patch:
        counted = Counted(patch)
        transformer.describe_to(folder, photos, block_size=3, layout="npy")
    assert counted.paths == list(photos.images.paths[6:])
    assert content(folder) == content(tmp_path / "whole")


def test_dropped_pixels_are_said_of_all_blocks_whenever_they_were_made(
    tmp_path, photos, transformer
):
    mask = np.zeros((9, 9), dtype=np.uint8)
    mask[:3] = 255
    Image.fromarray(mask).save(photos.masks.paths[1])
    n_pixels = sum(labels.size for labels in photos.masks)
    said = []
    for _ in range(2):
        with pytest.warns(UserWarning, match="255 in uint8") as caught:
            transformer.describe_to(tmp_path / "t", photos, block_size=3)
        said.append([str(one.message) for one in caught])
    assert said[0] == said[1]
    assert f"{100 * 27 / n_pixels:.2g}%" in said[0][0]


def test_a_loaded_transformer_goes_on(tmp_path, photos, transformer):
    sio = pytest.importorskip("skops.io", reason="skops is not installed")
    with pytest.MonkeyPatch.context() as patch:
        Counted(patch, 5)
        with pytest.raises(RuntimeError):
            transformer.describe_to(tmp_path / "t", photos, block_size=3)
    loaded = sio.loads(sio.dumps(transformer), trusted=trusted_types())
    loaded.set_params(verbose=0, n_jobs=1)
    assert len(loaded.describe_to(tmp_path / "t", photos, block_size=3)) == N_PHOTOS


def test_two_processes_do_not_write_one_table(tmp_path, photos, transformer, monkeypatch):
    pytest.importorskip("fcntl", reason="no locks here")

    def other(*args, **kwargs):
        monkeypatch.undo()
        with pytest.raises(BlockingIOError, match=r"path=.* is being written by another process"):
            transformer.describe_to(tmp_path / "t", photos)
        return streams.describe_some(*args, **kwargs)

    monkeypatch.setattr(streams, "describe_some", other)
    assert len(transformer.describe_to(tmp_path / "t", photos)) == N_PHOTOS


def test_the_number_of_images_in_memory_does_not_grow(tmp_path, transformer):
    most = []
    for n_photos in (8, 40):
        photos = write_photos(tmp_path / f"{n_photos}", n_photos)
        with pytest.MonkeyPatch.context() as patch:
            counted = Counted(patch)
            transformer.describe_to(tmp_path / f"t{n_photos}", photos, block_size=8)
        assert len(counted.paths) == n_photos
        most.append(counted.most)
    assert most[0] == most[1] <= 4


class Watched(ColorDescriptor):
    """Remember the most bytes of columns that were in memory at once."""

    alive, most = weakref.WeakSet(), 0

    def from_sums(self, sums, area):
        columns = super().from_sums(sums, area).view(Pixels)
        Watched.alive.add(columns)
        Watched.most = max(Watched.most, sum(columns.nbytes for columns in Watched.alive))
        return columns


def test_a_fit_keeps_no_rows(photos, monkeypatch):
    sizes = []
    for n_times in (3, 12):
        monkeypatch.setattr(Watched, "most", 0)
        everything = photos[np.tile(np.arange(N_PHOTOS), n_times)]
        SegmentTreeTransformer(tree=TREE, descriptors=Watched()).fit(everything)
        sizes.append(Watched.most)
    assert sizes[0] == sizes[1]


def test_fit_learns_what_fit_transform_learns(photos):
    one, other = make_transformer().fit(photos), make_transformer()
    table = other.fit_transform(photos)
    np.testing.assert_array_equal(one.fill_values_, other.fill_values_)
    pd.testing.assert_frame_equal(one.transform(photos), table, check_exact=True)


# what cannot be read


def test_a_damaged_photo_stops(tmp_path, photos, transformer):
    damage(photos.images.paths[7])
    with pytest.raises(ValueError, match=r"Image 7 of X \('.*07.png'\) cannot be read"):
        transformer.describe_to(tmp_path / "t", photos, block_size=3)
    with pytest.raises(ValueError, match="holds 2 of 4 blocks"):
        open_table(tmp_path / "t")


def test_damaged_photos_are_left_out_and_listed(tmp_path, photos, transformer, layout):
    whole = transformer.transform(photos)
    damage(photos.images.paths[0])
    damage(photos.masks.paths[4])
    os.remove(photos.images.paths[5])
    Image.new("L", (3, 3)).save(photos.masks.paths[8])
    bad, y = [0, 4, 5, 8], np.arange(N_PHOTOS)
    options = {"block_size": 1, "layout": layout, "on_error": "skip", "max_errors": 4}
    table = transformer.describe_to(tmp_path / "t", photos, y, **options)
    good = np.setdiff1d(y, bad)
    np.testing.assert_array_equal(table.to_pandas(), whole.iloc[good])
    assert table.positions.tolist() == good.tolist() == table.y.tolist()
    assert table.ids.tolist() == [photos.images.paths[i] for i in good]
    assert [len(block) for block in table.blocks()] == [i not in bad for i in y]
    assert table.skipped["position"].tolist() == bad
    assert table.skipped["id"].tolist() == [photos.images.paths[i] for i in bad]
    for words, error in zip(
        ("Image 0 of X", "Mask 4 of X", "No such file", "3 x 3"), table.skipped["error"]
    ):
        assert words in error
    again = transformer.describe_to(tmp_path / "t", photos, y, **options)
    pd.testing.assert_frame_equal(again.skipped, table.skipped)


def test_a_mended_photo_is_described(tmp_path, photos, transformer, monkeypatch):
    expected = transformer.transform(photos)
    good = Path(photos.images.paths[4]).read_bytes()
    damage(photos.images.paths[4])
    options = {"block_size": 3, "on_error": "skip"}
    assert len(transformer.describe_to(tmp_path / "t", photos, **options)) == N_PHOTOS - 1
    with pytest.raises(ValueError, match=r"holds a table without 1 of 11 images: Image 4 of X"):
        transformer.describe_to(tmp_path / "t", photos, block_size=3)
    Path(photos.images.paths[4]).write_bytes(good)
    counted = Counted(monkeypatch)
    table = transformer.describe_to(tmp_path / "t", photos, block_size=3)
    assert counted.paths == list(photos.images.paths[3:6])
    np.testing.assert_array_equal(table.to_pandas(), expected)
    assert table.skipped.empty


def test_a_block_with_a_flipped_bit_is_made_again(tmp_path, photos, transformer, layout):
    place, options = tmp_path / "t", {"block_size": 4, "layout": layout}
    transformer.describe_to(place, photos, **options)
    before, file = content(place), place / f"block-000001.{layout}"
    changed = bytearray(file.read_bytes())
    changed[len(changed) // 2] ^= 1
    file.write_bytes(changed)
    with pytest.raises(ValueError, match="block-000001"):
        open_table(place).to_pandas()
    transformer.describe_to(place, photos, **options)
    assert content(place) == before


@pytest.mark.parametrize(("max_errors", "allowed"), [(0, 0), (2, 2), (0.1, 2), (0.0, 0), (1.0, 11)])
def test_too_many_errors_stop_and_what_is_written_stays(
    tmp_path, photos, transformer, max_errors, allowed
):
    options = {"block_size": 2, "on_error": "skip"}
    for i in range(4, min(4 + allowed, N_PHOTOS)):
        damage(photos.images.paths[i])
    ok = transformer.describe_to(tmp_path / "ok", photos, max_errors=max_errors, **options)
    assert len(ok.skipped) == min(allowed, N_PHOTOS - 4)
    if allowed > N_PHOTOS - 4:
        return
    damage(photos.images.paths[4 + allowed])
    with pytest.raises(
        ValueError,
        match=rf"{allowed + 1} of 11 images cannot be described, and max_errors={max_errors} "
        rf"allows {allowed}\. The last of them: Image",
    ):
        transformer.describe_to(tmp_path / "t", photos, max_errors=max_errors, **options)
    assert (tmp_path / "t" / "_blocks" / "000001.json").exists()
    more = transformer.describe_to(tmp_path / "t", photos, max_errors=allowed + 1, **options)
    assert len(more) == N_PHOTOS - allowed - 1


# another table in the same folder


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"erosion": 1}, r"its erosion is 0, here 1"),
        ({"missing": "nan"}, r"its missing is 'mean', here 'nan'"),
        ({"descriptors": ["color"]}, r"its descriptor 'lbp' is LBPDescriptor\(\), here "),
        (
            {"tree": {"photo": {"sky": 0, "land": [1, 2]}}},
            r"its tree_ is one of 5 nodes, here one of 3",
        ),
    ],
)
def test_another_transformer_is_said(tmp_path, photos, change, said):
    make_transformer().fit(photos).describe_to(tmp_path / "t", photos)
    other = make_transformer().set_params(**change).fit(photos)
    before = content(tmp_path / "t")
    with pytest.raises(ValueError, match=rf"path='.*' holds another table: .*{said}"):
        other.describe_to(tmp_path / "t", photos)
    assert content(tmp_path / "t") == before


def test_a_transformer_that_learned_something_else_is_said(tmp_path, photos):
    make_transformer().fit(photos).describe_to(tmp_path / "t", photos)
    other = make_transformer().fit(photos[:6])
    with pytest.raises(ValueError, match="holds another table: its fill_values_ differs"):
        other.describe_to(tmp_path / "t", photos)


def test_other_images_settings_and_classes_are_said(tmp_path, photos, transformer):
    y, folder = list("abababababa"), tmp_path / "t"
    transformer.describe_to(folder, photos, y, block_size=4, layout="npy")

    def refused(said, photos=photos, y=y, **options):
        options = {"block_size": 4, "layout": "npy"} | options
        with pytest.raises(ValueError, match=said):
            transformer.describe_to(folder, photos, y, **options)

    refused("its number of images is 11, here 10", photos[:10], y[:10])
    refused("its block_size is 4, here 5", block_size=5)
    refused("its kind of y is 'text', here None", y=None)
    refused("its kind of y is 'text', here 'int64'", y=range(11))
    refused("its kind of ids is 'text', here 'integers'", ids=range(11))
    refused("y of image 10 is 'a' there, and 'b' here", y=[*y[:10], "b"])
    refused(
        r"id of image 0 is '.*00.png' there, and '.*01.png' here", photos[[1, 0, *range(2, 11)]]
    )
    if pytest.importorskip("pyarrow", reason="pyarrow is not installed"):
        refused("its layout is 'npy', here 'parquet'", layout="parquet")
    os.utime(photos.images.paths[2])  # the same content
    assert len(transformer.describe_to(folder, photos, y, block_size=4)) == N_PHOTOS
    Image.new("RGB", (9, 8)).save(photos.images.paths[2])
    refused(r"image 2 \('.*02.png'\) has changed since it was described")
    os.remove(photos.images.paths[2])
    refused(r"image 2 \('.*02.png'\) has changed since it was described")


def test_an_open_layout_is_that_of_the_folder(tmp_path, photos, transformer):
    transformer.describe_to(tmp_path / "t", photos, layout="npy")
    transformer.describe_to(tmp_path / "t", photos)
    assert not list((tmp_path / "t").glob("*.parquet"))


def test_a_damaged_block_is_made_again(tmp_path, photos, transformer, layout):
    options = {"block_size": 4, "layout": layout}
    transformer.describe_to(tmp_path / "t", photos, **options)
    before = content(tmp_path / "t")
    file = tmp_path / "t" / f"block-000001.{layout}"
    file.write_bytes(file.read_bytes()[:-7])
    with pytest.raises(ValueError, match="block 1 is damaged"):
        open_table(tmp_path / "t")
    transformer.describe_to(tmp_path / "t", photos, **options)
    assert content(tmp_path / "t") == before


@pytest.mark.parametrize("change", [lambda text: text[:-7], lambda text: text.replace("01", "07")])
def test_a_block_with_damaged_inputs_is_made_again(tmp_path, photos, transformer, change):
    transformer.describe_to(tmp_path / "t", photos, block_size=4)
    before = content(tmp_path / "t")
    file = tmp_path / "t" / "_blocks" / "000000.inputs.json"
    file.write_text(change(file.read_text()))
    assert content(tmp_path / "t") != before
    transformer.describe_to(tmp_path / "t", photos, block_size=4)
    assert content(tmp_path / "t") == before


# wrong input


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"layout": "csv"}, ValueError, "'layout' parameter of describe_to must be a str among"),
        ({"block_size": 0}, ValueError, "'block_size' parameter of describe_to must be an int"),
        ({"on_error": "ignore"}, ValueError, "'on_error' parameter of describe_to"),
        ({"max_errors": 1.5}, ValueError, "'max_errors' parameter of describe_to"),
        ({"max_errors": -1}, ValueError, "'max_errors' parameter of describe_to"),
        ({"ids": ["a"]}, ValueError, "ids must hold one id per sample, expected 11, got 1"),
        ({"ids": np.arange(11) / 2}, ValueError, "ids must hold text or whole numbers"),
        ({"y": [1]}, ValueError, "y must hold one class per sample, expected 11, got 1"),
        ({"y": [b"a"] * 11}, ValueError, "y must hold text, numbers or booleans, got b'a'"),
        ({"y": np.arange(11, dtype=np.uint64) + 2**63}, ValueError, "y must hold numbers below 2"),
        ({"ids": [2**63] * 11}, ValueError, "ids must hold numbers below 2.*pass them as text"),
        ({"path": 3}, TypeError, "path must be a str or a path, got 3"),
        ({"path": ""}, ValueError, "path='' must be the name of a folder"),
        ({"path": "no/such/t"}, FileNotFoundError, "there is no folder"),
        ({"path": "file"}, NotADirectoryError, "must be a folder, but it is a file"),
        ({"path": "other"}, ValueError, "holds 'notes.txt' and no table"),
    ],
)  # fmt: skip
def test_wrong_input_is_said(tmp_path, photos, transformer, options, error, said):
    (tmp_path / "file").write_text("")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "notes.txt").write_text("")
    path = options.get("path", "t")
    path = tmp_path / path if isinstance(path, str) and path else path
    with pytest.raises(error, match=said):
        transformer.describe_to(path, photos, **{k: v for k, v in options.items() if k != "path"})
    assert sorted(os.listdir(tmp_path)) == ["file", "other", "photos"]
    assert os.listdir(tmp_path / "other") == ["notes.txt"]


def test_names_that_are_no_unicode(tmp_path, photos, transformer):
    ids = [f"\udcff{i}" for i in range(N_PHOTOS)]
    table = transformer.describe_to(tmp_path / "npy", photos, ids=ids, layout="npy")
    assert table.ids.tolist() == ids
    pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    with pytest.raises(ValueError, match=r"ids must hold text that is Unicode .* got '.udcff0' at"):
        transformer.describe_to(tmp_path / "t", photos, ids=ids, layout="parquet")
    assert not (tmp_path / "t").exists()


def test_without_pyarrow_tables_are_arrays(tmp_path, photos, transformer, monkeypatch):
    monkeypatch.setattr(streams, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"layout='parquet' needs pyarrow: pip install"):
        transformer.describe_to(tmp_path / "t", photos, layout="parquet")
    transformer.describe_to(tmp_path / "t", photos)
    assert list((tmp_path / "t").glob("*.npy"))


def test_progress_says_speed_and_time_left(tmp_path, photos, capsys):
    transformer = make_transformer().fit(photos).set_params(verbose=1)
    transformer.describe_to(tmp_path / "t", photos)
    said = capsys.readouterr().err
    assert "Describing images: 11/11" in said
    assert "photos/s, 0:00:00 left" in said
