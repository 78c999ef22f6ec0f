"""Fixtures for all tests."""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# "ci" tries the same cases in every run; "fuzz" (make fuzz) other ones for every seed
settings.register_profile("ci", derandomize=True, deadline=None, database=None)
settings.register_profile(
    "fuzz",
    deadline=None,
    database=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


@pytest.fixture(scope="session")
def shared_data():
    """Folder with the public data sets; tests that need it are skipped where it is missing."""
    default = Path(__file__).resolve().parents[1].parent / "shared" / "data"
    folder = Path(os.environ.get("HIERSEG_LEARN_DATA", default))
    if not folder.is_dir():
        pytest.skip(f"needs the shared data sets; set HIERSEG_LEARN_DATA (looked in {folder})")
    return folder
