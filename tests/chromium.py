"""A page as headless Chromium sees it: `python tests/chromium.py report.html` says what is wrong with it, if anything."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome")

PROBE = """<script>addEventListener("load", () => {
  const seen = {
    images: [...document.images].map(image => image.naturalWidth),
    requests: performance.getEntriesByType("resource").map(entry => entry.name).filter(name => !name.startsWith("data:")),
    wide: document.documentElement.scrollWidth > innerWidth,
  };
  const left = document.createElement("pre");
  left.id = "seen-by-the-probe";
  left.textContent = JSON.stringify(seen);
  document.body.append(left);
})</script>
"""

OWN_POLICY = re.compile(r'<meta http-equiv="Content-Security-Policy"[^>]*>')
POLICY = """<meta http-equiv="Content-Security-Policy"
  content="default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'">"""
"""What makes the browser complain about every request, while the probe may look."""


def browser() -> str | None:
    """The path of Chromium, None where it is not installed."""
    return next(filter(None, map(shutil.which, NAMES)), None)


def complaints(page: Path, images: int | None = None) -> list[str]:
    """What is wrong with a page on a narrow screen: errors on the console, requests, images that are not shown or not as
    many as they should be, a page wider than the screen. Its policy, which would hide requests, is lifted for the look."""
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(scratch, "page.html")
        looked_at = re.sub("<html[^>]*>", lambda tag: tag[0] + POLICY, OWN_POLICY.sub("", page.read_text("utf-8")), count=1)
        copy.write_text(looked_at + PROBE, "utf-8")
        command = [browser() or "", "--headless=new", "--no-sandbox", "--disable-gpu", f"--user-data-dir={scratch}/profile"]
        command += ["--enable-logging=stderr", "--v=0", "--window-size=500,900", "--dump-dom", copy.as_uri()]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    return list(_complaints(done.stdout, done.stderr, images))


def _complaints(dom: str, log: str, images: int | None) -> Iterator[str]:
    found = re.search('<pre id="seen-by-the-probe">(.*?)</pre>', dom, re.DOTALL)
    if found is None:
        yield f"the page was not shown: {log[-2000:]}"
        return
    seen = json.loads(html.unescape(found[1]))
    yield from (line for line in log.splitlines() if ":CONSOLE" in line)
    yield from (f"request: {name}" for name in seen["requests"])
    yield from (f"image {number} is not shown" for number, width in enumerate(seen["images"]) if not width)
    if images is not None and len(seen["images"]) != images:
        yield f"{len(seen['images'])} images, not {images}"
    if seen["wide"]:
        yield "the page is wider than the screen"


if __name__ == "__main__":
    if browser() is None:
        print("Chromium is not installed: the report's page was not looked at")
        sys.exit()
    wrong = complaints(Path(sys.argv[1]))
    print("\n".join(wrong) or f"{browser()}: every image is shown, no request, no error, nothing is too wide")
    sys.exit(bool(wrong))
