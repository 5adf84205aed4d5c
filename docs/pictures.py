"""Take the README's pictures of reports/report.html with Chromium: run `python docs/pictures.py` after `make demo`."""

import shutil
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
CHROMIUM = next(filter(None, map(shutil.which, NAMES)), None)
ROOT = Path(__file__).parent.parent
REPORT = ROOT / "reports/report.html"
PICTURES = {"report-tree": "#tree", "report-mistakes": "#worst"}
HEIGHT = 640


def main() -> None:
    if CHROMIUM is None:
        sys.exit(f"found none of {', '.join(NAMES)} on the PATH; install one, for example with `apt install chromium`")
    if not REPORT.exists():
        sys.exit(f"{REPORT} does not exist; run `make demo` first")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM)
        page = browser.new_page(viewport={"width": 1200, "height": HEIGHT}, reduced_motion="reduce")
        page.goto(REPORT.as_uri())
        page.locator("#chart-losses .main-svg").first.wait_for(state="attached")
        for name, section in PICTURES.items():
            page.locator(section).evaluate("section => scrollTo(0, section.offsetTop + 8)")
            page.wait_for_timeout(500)
            page.screenshot(path=ROOT / f"docs/{name}.png")
        browser.close()


if __name__ == "__main__":
    main()
