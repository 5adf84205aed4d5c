"""The report, parsed without a browser."""

import html
import json
from html.parser import HTMLParser
from pathlib import Path


class Page(HTMLParser):
    """A report as read: figures by the metric they show, rows of tables, pictures, and the data of the charts and
    frames."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.source = path.read_text(encoding="utf-8")
        self.figures: dict[str, str] = {}
        self.rows: dict[str, list[list[str]]] = {}
        self.pictures: list[str] = []
        self.links: list[str] = []
        self.text = ""
        self._section, self._metric, self._script = "", None, None
        self._json = {"data": "", "frames": ""}
        self.feed(self.source)
        self.data, self.frames = json.loads(self._json["data"]), json.loads(self._json["frames"])

    def handle_starttag(self, tag, attributes):
        known = dict(attributes)
        self._script = known.get("id", "code") if tag in ("script", "style") else self._script
        self._metric = known.get("data-metric")
        if tag == "section":
            self._section = known["id"]
        elif tag == "tr":
            self.rows.setdefault(self._section, []).append([])
        elif tag in ("td", "th"):
            self.rows[self._section][-1].append("")
        elif tag == "img" and "src" in known:
            self.pictures.append(known["alt"])
        self.links += [known[name] for name in ("src", "href") if name in known]

    def handle_endtag(self, tag):
        self._script = None if tag in ("script", "style") else self._script
        if tag == "table":
            self._section += " after"

    def handle_data(self, data):
        if self._script:
            if self._script in self._json:
                self._json[self._script] += data
            return
        self.text += data
        if self._metric:
            self.figures[self._metric] = data
            self._metric = None
        if self._section in self.rows and self.rows[self._section][-1]:
            self.rows[self._section][-1][-1] += data.strip()

    def chart(self, name: str) -> list[dict]:
        return self.data["charts"][name]["data"]

    def ticks(self, name: str, axis: str) -> list[str]:
        """The names on an axis as plotly draws them."""
        layout = self.data["charts"][name]["layout"][f"{axis}axis"]
        assert layout["tickvals"] == self.chart(name)[0][axis]
        return [html.unescape(text) for text in layout["ticktext"]]
