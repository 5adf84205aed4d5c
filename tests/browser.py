"""Chromium for tests of pages, and a window that notices failed scripts and requests to other machines."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from docs.pictures import CHROMIUM, NAMES

WIDE = {"width": 1400, "height": 900}
NARROW = {"width": 390, "height": 900}

needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason=f"no browser: none of {', '.join(NAMES)} is installed")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM)
        yield browser
        browser.close()


@contextmanager
def watched(
    browser: Browser, address: str, permitted: tuple[str, ...], tolerated: str = "\n", **window: object
) -> Iterator[Page]:
    """The page at `address` in a window of its own. At the end, no script may have failed.

    Args: permitted, the beginnings of addresses that may be requested; tolerated, a part of expected messages.
    """
    faults: list[str] = []
    context = browser.new_context(reduced_motion="reduce", **window)
    page = context.new_page()
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda message: message.type in ("error", "warning") and faults.append(message.text))
    page.on("request", lambda request: request.url.startswith(permitted) or faults.append(request.url))
    page.goto(address)
    yield page
    context.close()
    assert [fault for fault in faults if tolerated not in fault] == []
