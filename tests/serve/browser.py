"""A browser window with the server's page, and what several tests do with it."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser import watched
from tests.serve.world import PICTURE, Served

FILE = {"name": "dive 1.png", "mimeType": "image/png", "buffer": PICTURE}


@contextmanager
def opened(browser: Browser, served: Served, tolerated: str = "\n", **window: object) -> Iterator[Page]:
    """The page with the picture. At the end, no script may have failed and no request gone to another server.

    Args: tolerated, a part of messages that are expected.
    """
    permitted = (served.url, "blob:", "data:")
    with watched(browser, served.url, permitted, tolerated, **window) as page:
        expect(page.locator("#limits")).to_contain_text("20 MiB")
        page.set_input_files("#file", FILE)
        expect(page.locator("#workplace")).to_be_visible()
        yield page


def on_screen(page: Page, x: float, y: float) -> tuple[float, float]:
    """A point of the picture, in pixels of the window."""
    frame = page.locator("#picture").bounding_box()
    return frame["x"] + x * frame["width"] / 64, frame["y"] + y * frame["height"] / 40


def drag(page: Page, start: tuple[float, float], end: tuple[float, float]) -> None:
    page.mouse.move(*on_screen(page, *start))
    page.mouse.down()
    page.mouse.move(*on_screen(page, *end), steps=3)
    page.mouse.up()


def draw(page: Page, box: list[int]) -> None:
    x, y, w, h = box
    drag(page, (x, y), (x + w, y + h))


def listed(page: Page) -> Locator:
    return page.locator("#list button span:nth-child(2)")


def expect_answers(page: Page, *names: str) -> None:
    expect(listed(page)).to_have_text([re.compile(f"^{re.escape(name)} ") for name in names])
    expect(page.locator("#busy")).to_be_empty()


def sent(page: Page) -> list[list[int]]:
    """The boxes, in pixels of the picture."""
    boxes = page.locator(".box").evaluate_all(
        "all => all.map((e) => [e.style.left, e.style.top, e.style.width, e.style.height])"
    )
    return [
        [round(float(part.rstrip("%")) / 100 * side) for part, side in zip(box, (64, 40, 64, 40), strict=True)]
        for box in boxes
    ]


def touch(page: Page, box: list[int]) -> None:
    """Draw a box with a finger."""
    x, y, w, h = box
    session = page.context.new_cdp_session(page)
    ends = [on_screen(page, x, y), on_screen(page, x + w / 2, y + h / 2), on_screen(page, x + w, y + h)]
    for kind, points in zip(("touchStart", "touchMove", "touchMove", "touchEnd"), [*ends, None], strict=True):
        session.send(
            "Input.dispatchTouchEvent",
            {"type": kind, "touchPoints": [{"x": points[0], "y": points[1]}] if points else []},
        )
