"""Fixtures for all tests."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared_data():
    """Folder with the public data sets; tests that need it are skipped where it is missing."""
    default = Path(__file__).resolve().parents[1].parent / "shared" / "data"
    folder = Path(os.environ.get("HIERSEG_LEARN_DATA", default))
    if not folder.is_dir():
        pytest.skip(f"needs the shared data sets; set HIERSEG_LEARN_DATA (looked in {folder})")
    return folder
