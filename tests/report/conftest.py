"""One report for all tests of its file."""

import pytest

from hierseg_learn.report import write_report
from tests.explain.fitted import fitted_portraits

TITLE = '<i>Portraits</i> & "co"'


@pytest.fixture(scope="session")
def report(tmp_path_factory):
    """Path of the report of a small pipeline."""
    pytest.importorskip("matplotlib")
    fitted = fitted_portraits()
    path = tmp_path_factory.mktemp("report") / "report.html"
    return write_report(fitted.model, *fitted.test, path, n_hits=1, n_misses=1, title=TITLE)
