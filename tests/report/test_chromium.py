"""The report in a real browser without a screen."""

import json
import os
import re
import shutil
import subprocess
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import numpy as np
import pytest

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-extensions",
    "--hide-scrollbars",
    "--enable-logging=stderr",
)


@pytest.fixture(scope="module")
def browser():
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        pytest.skip(f"needs one of {', '.join(BROWSERS)}")
    return found


def run(browser, profile, url, *flags):
    command = [browser, *FLAGS, f"--user-data-dir={profile}", *flags, url]
    # The profile is new and empty, so nothing of the user's is touched.
    environment = {**os.environ, "HOME": str(profile)}
    return subprocess.run(
        command, capture_output=True, text=True, timeout=120, check=True, env=environment
    )


@pytest.mark.parametrize(("width", "height"), [(1280, 1600), (400, 900)])
def test_screenshot_is_not_blank(browser, report, tmp_path, width, height):
    image = pytest.importorskip("PIL.Image")
    shot = tmp_path / "shot.png"
    done = run(
        browser,
        tmp_path / "profile",
        report.as_uri(),
        f"--window-size={width},{height}",
        f"--screenshot={shot}",
    )
    assert "CONSOLE" not in done.stderr, done.stderr
    pixels = np.asarray(image.open(shot).convert("RGB"))
    assert pixels.shape == (height, width, 3)
    assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 100
    # Something is written in every quarter of the height.
    for part in np.array_split(pixels, 4):
        assert (part.min(axis=2) < 100).mean() > 0.001


@pytest.fixture
def server(tmp_path):
    """Server of a folder, and the paths that were asked for."""
    asked = []

    class Handler(SimpleHTTPRequestHandler):
        def __init__(self, *args):
            super().__init__(*args, directory=str(tmp_path))

        def log_message(self, *_):
            asked.append(self.path)

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as served:
        thread = Thread(target=served.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{served.server_port}", asked
        served.shutdown()
        thread.join()


def test_nothing_else_is_requested(browser, report, tmp_path, server):
    address, asked = server
    source = report.read_text(encoding="utf-8")
    (tmp_path / "report.html").write_text(source, "utf-8")
    run(browser, tmp_path / "profile", f"{address}/report.html", "--dump-dom")
    assert asked == ["/report.html"]
    # The policy stops what a page could ask for, and without it the test would see it.
    leak = source.replace("</body>", '<img src="/leak.png" alt="a"></body>')
    (tmp_path / "leak.html").write_text(leak, "utf-8")
    run(browser, tmp_path / "profile2", f"{address}/leak.html", "--dump-dom")
    assert "/leak.png" not in asked
    open_page = re.sub(r"<meta http-equiv[^>]*>", "", leak)
    (tmp_path / "open.html").write_text(open_page, "utf-8")
    run(browser, tmp_path / "profile3", f"{address}/open.html", "--dump-dom")
    assert "/leak.png" in asked


def test_dom_is_whole_and_scripts_run(browser, report, tmp_path):
    """A copy with one more script tells what the browser made of the page."""
    probe = """
    const images = [...document.images];
    dispatchEvent(new Event("beforeprint"));
    const open = [...document.querySelectorAll("details")].every(d => d.open);
    dispatchEvent(new Event("afterprint"));
    const folded = document.querySelectorAll("details:not([open])").length;
    document.querySelector("summary").focus();
    document.title = JSON.stringify({
        decoded: images.every(image => image.complete && image.naturalWidth > 0),
        n: images.length, open, folded, focused: document.activeElement.tagName,
        wide: document.documentElement.scrollWidth <= innerWidth,
    });
    """
    source = report.read_text(encoding="utf-8")
    # The policy of the page would, rightly, not let a foreign script run.
    source = re.sub(r"<meta http-equiv[^>]*>", "", source)
    copy = tmp_path / "probe.html"
    copy.write_text(source.replace("</body>", f"<script>{probe}</script></body>"), "utf-8")
    for width in (1280, 400):
        done = run(
            browser,
            tmp_path / f"profile{width}",
            copy.as_uri(),
            f"--window-size={width},900",
            "--dump-dom",
        )
        said = json.loads(re.search(r"<title>(.*?)</title>", done.stdout)[1])
        assert said["decoded"]
        assert said["n"] == source.count("<img ") >= 4
        assert said["open"], "everything is unfolded for printing"
        assert said["folded"] > 0, "and folded again afterwards"
        assert said["focused"] == "SUMMARY"
        assert said["wide"], f"the page scrolls sideways at {width} pixels"


def test_policy_stops_foreign_scripts(browser, report, tmp_path):
    source = report.read_text(encoding="utf-8")
    copy = tmp_path / "attack.html"
    foreign = '<script>document.title = "taken over"</script>'
    copy.write_text(source.replace("</body>", f"{foreign}</body>"), "utf-8")
    done = run(browser, tmp_path / "profile", copy.as_uri(), "--dump-dom")
    assert "<title>taken over" not in done.stdout
    assert "Content Security Policy" in done.stderr
