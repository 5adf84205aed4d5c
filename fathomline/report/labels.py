"""Names as the page and its charts show them.

A name may contain markup, templates or invisible characters. It is only a label: ids identify a taxon.
"""

import unicodedata

WHOLE_TREE = "all kingdoms"

ROOT = "root"
"""The id of the whole tree in the icicle; all other ids are numbers."""

INVISIBLE = {"Cc", "Cf", "Cs", "Zl", "Zp"}
"""Unicode categories of characters that are invisible, break the line or reverse the surrounding text."""

LONGEST_CHART_LABEL = 48
"""Maximum number of characters of a name in a chart; tables show the full name."""


def node_id(node: int) -> str:
    """The id of a taxon on the page and in its charts; empty for the parent of a kingdom.

    Args:
        node: index into `taxonomy.nodes`, -1 for the parent of a kingdom.
    """
    return str(node) if node >= 0 else ""


def visible(text: str) -> str:
    """`text` on one line, with each invisible character replaced by its code point, such as [U+200B]."""
    if text.isprintable():
        return text
    return "".join(f"[U+{ord(each):04X}]" if unicodedata.category(each) in INVISIBLE else each for each in text)


def chart_label(name: str) -> str:
    """`name`, shortened if necessary, encoded so that plotly interprets no tag, entity, template or formula in it."""
    shown = visible(name)
    if len(shown) > LONGEST_CHART_LABEL:
        # Cut in the middle: the end may be a mark such as (no class).
        shown = f"{shown[: LONGEST_CHART_LABEL - 20]}…{shown[-19:]}"
    # Plotly decodes numeric entities after it has interpreted everything else.
    return "".join(f"&#{ord(each)};" if each in "&<>{}%$" else each for each in shown)
