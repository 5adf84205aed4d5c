"""A browser window with the report, and the parts of the page that several tests use."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser import watched


@contextmanager
def opened(browser: Browser, report: Path, **window: object) -> Iterator[Page]:
    """The report in a window of its own. At the end, no script may have failed and no request left the machine."""
    with watched(browser, report.as_uri(), ("file:", "data:", "blob:"), **window) as page:
        expect(page.locator("#chart-losses .main-svg").first).to_be_attached()
        yield page


def bar(page: Page, taxon: str) -> Locator:
    return page.locator("#chart-tree .slice").filter(has_text=re.compile(f"^({taxon})+$"))  # a text and its shadow


def option_of(taxon: str) -> re.Pattern[str]:
    """An option is indented by the depth of its taxon, and may end with the number of ROIs."""
    return re.compile(rf"^\s*{re.escape(taxon)}( \(\d+\))?$")


def selected(page: Page) -> Locator:
    return page.locator("#clade option:checked")


def choose(page: Page, selector: str, taxon: str) -> None:
    option = page.locator(f"{selector} option").filter(has_text=option_of(taxon))
    page.locator(selector).select_option(option.get_attribute("value"))


def clade_rows(page: Page) -> list[list[str]]:
    rows = page.locator("#clade-figures tbody tr").all()
    return [row.locator("th, td").all_text_contents() for row in rows]
