"""Files that are written completely or not at all."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any


def check_writable(path: Any, name: str = "path") -> Path:
    """Check that a file can be written, before its content is computed.

    Parameters
    ----------
    path : str or path-like
        The file; an existing one is not changed.
    name : str, default="path"
        Name of the argument in messages.

    Returns
    -------
    path : Path
        The file, or where `path` is a link, its target.

    Raises
    ------
    TypeError
        If it is not a path.
    OSError
        If the folder does not exist, `path` is a folder, or it cannot be written; also as
        FileNotFoundError, NotADirectoryError, IsADirectoryError or PermissionError.

    Examples
    --------
    >>> from hierseg_learn.utils import check_writable
    >>> check_writable("no/such/folder/report.html")
    Traceback (most recent call last):
    FileNotFoundError: path='no/such/folder/report.html' must be ... there is no folder ...
    """
    if not isinstance(path, str | os.PathLike) or isinstance(os.fspath(path), bytes):
        raise TypeError(f"{name} must be a str or a path, got {path!r}.")
    given = os.fspath(path)
    said = f"{name}={given!r} must be a file in an existing folder"
    if not given or given.endswith(("/", os.sep)):
        raise IsADirectoryError(f"{said}, got the name of a folder.")
    try:
        target = Path(os.path.realpath(given))
        if target.is_dir():
            raise IsADirectoryError(f"{said}, but it is a folder.")
        if not target.parent.exists():
            raise FileNotFoundError(f"{said}, but there is no folder {str(target.parent)!r}.")
        if not target.parent.is_dir():
            raise NotADirectoryError(f"{said}, but {str(target.parent)!r} is no folder.")
    except ValueError as error:  # a null character
        raise ValueError(f"{said}: {error}.") from error
    if target.exists() and not target.is_file():
        raise OSError(f"{said}, but it is no ordinary file.")
    if target.exists() and not os.access(target, os.W_OK):
        raise PermissionError(f"{said}, but the file there may not be written.")
    try:  # the one sure way to know
        number, probe = _open_beside(target)
        os.close(number)
        os.remove(probe)
    except OSError as error:
        raise type(error)(f"{said}, but nothing can be written there: {error}.") from error
    return target


@contextmanager
def written_whole(path: Any, name: str = "path") -> Iterator[Path]:
    """Context in which a temporary file is written that replaces another at the end.

    If writing fails or is interrupted, an existing file stays as it was, and the temporary one is
    removed.

    Parameters
    ----------
    path : str or path-like
        The file. The target of a link is replaced; an existing file keeps its permissions.
    name : str, default="path"
        Name of the argument in messages.

    Yields
    ------
    beside : Path
        An empty file in the same folder, with the same suffix, to be written.

    Raises
    ------
    TypeError, OSError
        As :func:`check_writable`.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from hierseg_learn.utils import written_whole
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "numbers.txt"
    ...     with written_whole(path) as beside:
    ...         _ = beside.write_text("1 2 3")
    ...     path.read_text()
    '1 2 3'
    """
    target = check_writable(path, name)
    number, beside = _open_beside(target)
    os.close(number)
    try:
        yield beside
        if target.exists():
            with suppress(OSError):  # some file systems know no permissions
                os.chmod(beside, target.stat().st_mode & 0o777)
        with open(beside, "rb+") as stream:
            os.fsync(stream.fileno())  # otherwise a crash may leave the new name empty
        os.replace(beside, target)
    finally:
        with suppress(FileNotFoundError):
            os.remove(beside)


def _open_beside(target: Path) -> tuple[int, Path]:
    """Open a new file in the folder of another: its descriptor and its path."""
    beside = target.parent / f".{secrets.token_hex(8)}{target.suffix}"
    # not as tempfile does it, whose files are for their owner only
    return os.open(beside, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666), beside
