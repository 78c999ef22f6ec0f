"""The GPU benchmark: every case runs on a device that is the CPU; without a GPU there is a word."""

import json

import numpy as np
import pytest

from hierseg_learn.kernels import Backend, dispatch, numba_kernels, pixels


@pytest.fixture
def device(load):
    """The CPU in the place of the GPU."""
    backend = Backend("cpu", numba_kernels, pixels)
    return load("_gpu").Device("cpu", backend, "no GPU at all", lambda: None)


def test_without_a_gpu_it_says_so(load, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(dispatch, "_why_no_cuda", lambda: "there is none")
    load("bench_gpu").main(["--quick", "--output", str(tmp_path)])
    assert "device='cuda' was asked for, but there is none" in capsys.readouterr().out
    assert not list(tmp_path.iterdir())


def test_every_case(load, device, tmp_path):
    bench = load("bench_gpu")
    options = ["--quick", "--output", str(tmp_path), "--repeats", "1"]
    arguments = load("_harness").parse_arguments("", options, bench.add_options)
    results = bench.run(arguments, device)
    content = json.loads((tmp_path / "gpu.json").read_text(encoding="utf-8"))
    assert set(content["results"]) == set(bench.CASES)
    assert content["settings"]["gpu"] == "no GPU at all"
    assert len(results["flat"]["rows"]) == 4
    assert [row["device"] for row in results["tree"]["rows"]] == ["gpu", "cpu"]
    for row in results["agreement"]["rows"]:
        assert row["same_bits"]
        assert row["first_difference"] == row["last_difference"] == 0
        assert row["same_lists"] in (None, 1.0)
    load("make_tables").main(["--results", str(tmp_path), "--output", str(tmp_path / "tables")])
    kernels = {row["kernel"] for row in results["kernels"]["rows"]}
    assert kernels == set(dispatch.KERNELS) - {"activation_sums"}


def test_transfers_are_counted_and_made(load, device):
    array = np.zeros(8)
    with load("_gpu").counted_transfers(device) as transfers:
        assert device.backend.asarray(array) is array
        assert device.backend.to_numpy(array) is array
        device.backend.to_numpy(array)
    device.backend.asarray(array)
    assert transfers.counts == {"there": 1, "back": 2}
    assert transfers.n_bytes == {"there": 64, "back": 128}


def test_relative_difference_by_hand(load):
    difference = load("bench_gpu").relative_difference
    assert difference(np.array([1.0, 4.1]), np.array([1.0, 4.0])) == pytest.approx(0.025)
    assert difference(np.zeros(0), np.zeros(0)) == 0
    assert difference(np.zeros(2), np.zeros(2)) == 0
