"""Files are written whole or not at all, and what cannot be written is said before the work."""

import errno
import os
from pathlib import Path

import pytest

from hierseg_learn.utils import check_writable, written_whole


def write(path, text="new", error=None):
    with written_whole(path) as beside:
        beside.write_text(text)
        if error is not None:
            raise error


def no_space(*args, **kwargs):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_replaces_what_is_there(tmp_path):
    path = tmp_path / "page.html"
    write(path, "old")
    write(str(path))
    assert path.read_text() == "new"
    assert os.listdir(tmp_path) == ["page.html"]


def test_what_is_written_to_has_the_suffix_and_the_folder(tmp_path):
    with written_whole(tmp_path / "picture.png") as beside:
        assert beside.suffix == ".png"
        assert beside.parent == tmp_path
        assert beside.read_bytes() == b""


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt, MemoryError])
def test_a_failure_keeps_what_is_there(tmp_path, error):
    path = tmp_path / "page.html"
    for before in ([], ["page.html"]):
        with pytest.raises(error):
            write(path, error=error("in the middle"))
        assert os.listdir(tmp_path) == before
        path.write_text("old")
    assert path.read_text() == "old"


@pytest.mark.parametrize("step", ["replace", "fsync"])
def test_a_full_disk_loses_nothing(tmp_path, monkeypatch, step):
    path = tmp_path / "page.html"
    path.write_text("old")
    with monkeypatch.context() as patch:
        patch.setattr(os, step, no_space)
        with pytest.raises(OSError, match="No space"):
            write(path)
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["page.html"]


@pytest.mark.skipif(os.name == "nt", reason="permissions of POSIX")
def test_permissions_are_as_usual(tmp_path):
    path, usual = tmp_path / "page.html", tmp_path / "usual"
    usual.write_text("")
    write(path)
    assert path.stat().st_mode == usual.stat().st_mode
    path.chmod(0o640)
    write(path)
    assert path.stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("there", [True, False])
def test_a_link_stays_one(tmp_path, there):
    (tmp_path / "store").mkdir()
    target, link = tmp_path / "store" / "page.html", tmp_path / "link.html"
    if there:
        target.write_text("old")
    try:
        link.symlink_to(target)
    except OSError:
        pytest.skip("no links here")
    write(link)
    assert link.is_symlink()
    assert target.read_text() == "new"


@pytest.mark.parametrize(
    ("name", "error", "said"),
    [
        ("no/such/page.html", FileNotFoundError, "there is no folder"),
        ("folder", IsADirectoryError, "it is a folder"),
        ("new/", IsADirectoryError, "name of a folder"),
        ("file/page.html", NotADirectoryError, "is no folder"),
    ],
)
def test_a_path_that_cannot_be_written_names_the_argument(tmp_path, name, error, said):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("")
    path = f"{tmp_path}/{name}"
    with pytest.raises(error, match=said) as caught:
        check_writable(path, "where")
    assert str(caught.value).startswith(f"where={path!r}")
    assert sorted(os.listdir(tmp_path)) == ["file", "folder"]


def test_a_folder_that_cannot_be_written_names_the_argument(tmp_path, monkeypatch):
    def closed(*args):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(os, "open", closed)
    with pytest.raises(PermissionError, match=r"^path=.*page.html.*nothing can be written"):
        check_writable(tmp_path / "page.html")


@pytest.mark.parametrize("path", [None, 3, b"page.html", ["page.html"]])
def test_what_is_no_path_is_said(path):
    with pytest.raises(TypeError, match="path must be a str or a path, got"):
        check_writable(path)


def test_the_empty_path_and_null_are_said():
    with pytest.raises(IsADirectoryError, match="path=''"):
        check_writable("")
    with pytest.raises(ValueError, match="path="):
        check_writable("a\0b")


def test_checking_leaves_nothing(tmp_path):
    (tmp_path / "there").write_text("old")
    assert check_writable(tmp_path / "new") == Path(os.path.realpath(tmp_path)) / "new"
    check_writable(tmp_path / "there")
    assert (tmp_path / "there").read_text() == "old"
    assert os.listdir(tmp_path) == ["there"]
