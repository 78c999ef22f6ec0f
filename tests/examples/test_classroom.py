"""The notebooks for classrooms run from the first to the last cell, solutions included."""

import os
from pathlib import Path

import pytest

import hierseg_learn

REPOSITORY = Path(hierseg_learn.__file__).parents[1]
FOLDER = REPOSITORY / "examples" / "classroom"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))


def test_there_are_notebooks():
    assert len(NOTEBOOKS) == 3


@pytest.fixture
def cells(request):
    nbformat = pytest.importorskip("nbformat")
    return nbformat.read(request.param, as_version=4)


@pytest.mark.parametrize("cells", NOTEBOOKS, ids=lambda path: path.stem, indirect=True)
def test_notebook_runs(cells, tmp_path, monkeypatch):
    nbclient = pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    pytest.importorskip("matplotlib")
    paths = [str(REPOSITORY), os.environ.get("PYTHONPATH", "")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, paths)))
    resources = {"metadata": {"path": str(tmp_path)}}
    nbclient.NotebookClient(cells, timeout=300, resources=resources).execute()
    outputs = [out for cell in cells.cells for out in cell.get("outputs", [])]
    assert not [out for out in outputs if out.output_type == "stream" and out.name == "stderr"]


@pytest.mark.parametrize("cells", NOTEBOOKS, ids=lambda path: path.stem, indirect=True)
def test_every_exercise_has_a_solution_and_no_output_is_kept(cells):
    kinds = [
        "exercise"
        if cell.source.startswith("### Exercise")
        else "solution"
        if "solution" in cell.metadata.get("tags", [])
        else ""
        for cell in cells.cells
    ]
    assert kinds.count("exercise") >= 3
    assert [kinds[i + 1] for i, kind in enumerate(kinds) if kind == "exercise"] == [
        "solution"
    ] * kinds.count("solution")
    assert all(not cell.get("outputs") for cell in cells.cells)
