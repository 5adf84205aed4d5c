"""Take the docs' pictures of the report, the page of answers and the server.

Run `python docs/pictures.py` after `make demo`. It needs Chromium.
"""

import json
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page, expect, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
CHROMIUM = next(filter(None, map(shutil.which, NAMES)), None)
ROOT = Path(__file__).parent.parent
REPORT = ROOT / "reports/report.html"
PICTURES = {"report-tree": ("#tree", 1100), "report-mistakes": ("#worst", 640)}
"""The section of the report that each picture shows, and the height of the window."""
HEIGHT = 640
SERVED_HEIGHT, SERVED_BOXES = 1000, 4


def main() -> None:
    if CHROMIUM is None:
        sys.exit(f"found none of {', '.join(NAMES)} on the PATH; install one, for example with `apt install chromium`")
    if not REPORT.exists():
        sys.exit(f"{REPORT} does not exist; run `make demo` first")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM)
        take_report(browser)
        take_answers(browser)
        take_server(browser)
        browser.close()


def take_report(browser: Browser) -> None:
    page = browser.new_page(viewport={"width": 1200, "height": HEIGHT}, reduced_motion="reduce")
    page.goto(REPORT.as_uri())
    page.locator("#chart-losses .main-svg").first.wait_for(state="attached")
    for name, (section, height) in PICTURES.items():
        page.set_viewport_size({"width": 1200, "height": height})
        page.locator(section).evaluate("section => scrollTo(0, section.offsetTop + 8)")
        page.wait_for_timeout(500)
        page.screenshot(path=ROOT / f"docs/{name}.png")


def take_answers(browser: Browser) -> None:
    """The page of answers for the demo's test subset."""
    subset = ROOT / "data/raw/test"
    with tempfile.TemporaryDirectory() as scratch:
        inputs = [str(ROOT / "bundle"), str(subset / "dataset.json"), "--images", str(subset / "images")]
        outputs = ["--output", f"{scratch}/answers.csv", "--report", f"{scratch}/answers"]
        subprocess.run(
            [sys.executable, "-m", "fathomline", "predict", *inputs, *outputs], check=True, stdout=subprocess.DEVNULL
        )
        page = browser.new_page(viewport={"width": 1200, "height": HEIGHT}, reduced_motion="reduce")
        page.goto(Path(scratch, "answers/index.html").as_uri())
        page.wait_for_load_state("networkidle")
        page.screenshot(path=ROOT / "docs/answers.png")


def take_server(browser: Browser) -> None:
    """The page with the demo's first picture that has several boxes."""
    dataset = json.loads((ROOT / "data/raw/test/dataset.json").read_text(encoding="utf-8"))
    boxes: dict[int, list[list[float]]] = {}
    for annotation in dataset["annotations"]:
        boxes.setdefault(annotation["image_id"], []).append(annotation["bbox"])
    image = next(number for number in sorted(boxes) if len(boxes[number]) >= SERVED_BOXES)
    with served() as url:
        page = browser.new_page(viewport={"width": 1200, "height": SERVED_HEIGHT}, reduced_motion="reduce")
        page.goto(url)
        expect(page.locator("#limits")).to_contain_text("MiB")
        page.set_input_files("#file", ROOT / f"data/raw/test/images/{image}.png")
        expect(page.locator("#workplace")).to_be_visible()
        for box in boxes[image][:SERVED_BOXES]:
            draw(page, box)
        expect(page.locator("#list .share:not(:empty)")).to_have_count(SERVED_BOXES)
        expect(page.locator("#busy")).to_be_empty()
        page.locator("#list button").first.click()
        page.screenshot(path=ROOT / "docs/serve.png")


def draw(page: Page, box: list[float]) -> None:
    x, y, width, height = box
    frame = page.locator("#picture").bounding_box()
    scale = frame["width"] / page.locator("#picture").evaluate("picture => picture.naturalWidth")
    page.mouse.move(frame["x"] + x * scale, frame["y"] + y * scale)
    page.mouse.down()
    page.mouse.move(frame["x"] + (x + width) * scale, frame["y"] + (y + height) * scale, steps=4)
    page.mouse.up()


@contextmanager
def served() -> Iterator[str]:
    """The server with the demo's bundle, and the address of its page."""
    import fathomline
    from fathomline.serve.app import make_app
    from fathomline.serve.limits import Limits
    from fathomline.serve.run import address, listener, server

    limits = Limits()
    with listener("127.0.0.1", 0) as listening:
        running = server(make_app(fathomline.load(ROOT / "bundle"), limits), limits)
        thread = threading.Thread(target=running.run, args=([listening],))
        thread.start()
        yield address("127.0.0.1", listening)
        running.should_exit = True
        thread.join()


if __name__ == "__main__":
    main()
