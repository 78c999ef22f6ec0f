"""Compiled code on disk: cached where that is possible, done without where it is not."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import hierseg_learn

CODE = """
import json, sys
import numpy as np
import hierseg_learn
from hierseg_learn.kernels import get_backend
from hierseg_learn.kernels import _numba_loops as loops

sums = {}
for dtype in ("float32", "float64"):
    values = np.arange(1, 7).reshape(3, 2).astype(dtype)
    sums[dtype] = get_backend("cpu").region_sums(values, np.array([0, 0, 1]), 2).tolist()
assert sums["float32"] == sums["float64"] == [[4.0, 6.0], [5.0, 6.0]], sums
stats = loops.sum_rows.stats
hits = sum(stats.cache_hits.values())
print(json.dumps([hierseg_learn.__file__, stats.cache_path, hits]))
"""


@pytest.fixture
def installed(tmp_path):
    """A copy of the package on a path of its own, and the environment that imports it."""
    package = tmp_path / "site" / "hierseg_learn"
    ignore = shutil.ignore_patterns("__pycache__")
    shutil.copytree(Path(hierseg_learn.__file__).parent, package, ignore=ignore)
    home = tmp_path / "home"
    home.mkdir()
    environment = {k: v for k, v in os.environ.items() if not k.startswith("NUMBA_")}
    environment |= {"PYTHONPATH": str(package.parent), "PYTHONDONTWRITEBYTECODE": "1"}
    environment |= {"HOME": str(home), "XDG_CACHE_HOME": str(home / "cache")}
    environment |= {"LOCALAPPDATA": str(home / "cache"), "NUMBA_NUM_THREADS": "1"}
    return package, home, environment


def close_folder(folder):
    """Put a file in a folder's place: nothing can be written there, not even by the superuser."""
    folder.write_text("no folder")


def start(environment, code=CODE):
    return subprocess.Popen(
        [sys.executable, "-c", code],
        env=environment,
        cwd=environment["PYTHONPATH"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process, package, warned=False):
    """Return the cache folder and the number of cache hits of a process that must succeed."""
    output, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    assert errors.count("RuntimeWarning: Compiled code") == warned, errors
    file, cache_path, hits = json.loads(output)
    assert Path(file).parent == package
    return cache_path and Path(cache_path), hits


def test_compiled_code_is_kept_beside_the_source(installed):
    package, _, environment = installed
    cache_path, hits = finish(start(environment), package)
    assert cache_path == package / "kernels" / "__pycache__"
    assert hits == 0
    assert len(list(cache_path.glob("_numba_loops.sum_rows-*.nbc"))) == 2
    assert finish(start(environment), package) == (cache_path, 2)


def test_a_read_only_install_keeps_it_in_the_cache_folder_of_the_user(installed):
    package, home, environment = installed
    close_folder(package / "kernels" / "__pycache__")
    cache_path, _ = finish(start(environment), package)
    assert home in cache_path.parents
    assert list(cache_path.glob("_numba_loops.sum_rows-*.nbc"))
    assert finish(start(environment), package) == (cache_path, 2)


@pytest.mark.parametrize("given", [False, True])
def test_with_nowhere_to_write_every_process_compiles_anew(installed, given):
    package, home, environment = installed
    close_folder(package / "kernels" / "__pycache__")
    home.rmdir()
    close_folder(home)
    if given:
        environment["NUMBA_CACHE_DIR"] = str(home / "numba")
    assert finish(start(environment), package, warned=True) == (None, 0)


def test_several_processes_start_on_an_empty_cache(installed, tmp_path):
    package, _, environment = installed
    environment["NUMBA_CACHE_DIR"] = str(tmp_path / "numba")
    processes = [start(environment) for _ in range(3)]
    folders = {finish(process, package)[0] for process in processes}
    assert len(folders) == 1
    assert finish(start(environment), package) == (folders.pop(), 2)


@pytest.mark.parametrize("suffix", ["nbi", "nbc"])
@pytest.mark.parametrize("damage", [b"", b"garbage", None])
def test_a_damaged_cache_is_compiled_anew_and_mended(installed, suffix, damage):
    package, _, environment = installed
    cache_path, _ = finish(start(environment), package)
    for file in cache_path.glob(f"_numba_loops.sum_rows-*.{suffix}"):
        file.write_bytes(file.read_bytes()[:-50] if damage is None else damage)
    assert finish(start(environment), package, warned=True)[1] < 2
    assert finish(start(environment), package) == (cache_path, 2)


FULL_DISK = """
import errno, os

def no_space(*args):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

os.replace = no_space
"""


def test_a_full_disk_is_no_obstacle(installed):
    package, _, environment = installed
    cache_path, hits = finish(start(environment, FULL_DISK + CODE), package, warned=True)
    assert hits == 0
    assert not list(cache_path.glob("*.tmp.*"))
    assert finish(start(environment), package) == (cache_path, 0)
