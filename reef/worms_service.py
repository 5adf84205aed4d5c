"""The reef's WoRMS: the endpoints of FathomNet's name service, answered from the reef's taxa."""

from collections.abc import Callable
from functools import cache

from reef.taxa import Taxon, by_name, root

Query = dict[str, str]
"""The parameters after the `?` of a URL; the last one counts if a name is repeated."""

Answer = tuple[int, object]
"""HTTP status and JSON content."""

Json = dict[str, object]

DEFAULT_PAGE = 100
"""Names on a page if the client sets no `limit`."""


def answer(segments: list[str], query: Query) -> Answer:
    """Answer a request; `segments` are the unquoted parts of its path below the service's root."""
    *words, last = segments or [""]
    if segments == ["names"]:
        return _page(query)
    if segments == ["names", "count"]:
        return 200, len(_names())
    if words == ["names", "aphiaid"]:
        return _names_by_aphia_id(last)
    if words == ["ancestors"]:
        return 200, [taxon.name for taxon in _path(last)]
    if words == ["query", "startswith"]:
        return 200, [name for name in _names() if name.lower().startswith(last.lower())]
    if words == ["query", "contains"]:
        return 200, [name for name in _names() if last.lower() in name.lower()]
    if words == ["taxa", "query", "startswith"]:
        return _taxa_by_prefix(last, query)
    endpoint = ENDPOINTS_OF_A_TAXON.get("/".join(words))
    if endpoint is None or not last:
        return _missing("/".join(segments))
    taxon = by_name().get(last)
    found = endpoint(taxon, query) if taxon else None
    return _missing(last) if found is None else (200, found)


def _missing(name: str) -> Answer:
    return 404, {"message": f"Unable to find `{name}`", "code": 404}


@cache
def _names() -> tuple[str, ...]:
    return tuple(sorted(by_name()))


def _path(name: str) -> tuple[Taxon, ...]:
    taxon = by_name().get(name)
    return taxon.path if taxon else ()


def _node(taxon: Taxon) -> Json:
    return {
        "name": taxon.name,
        "rank": taxon.rank,
        "aphiaId": taxon.aphia_id,
        "acceptedAphiaId": taxon.aphia_id,
        "alternateNames": list(taxon.alternate_names),
    }


def _ancestors(taxon: Taxon, query: Query) -> Json:
    nested: Json = {}
    for ancestor in reversed(taxon.path):
        nested = _node(ancestor) | {"children": [nested] if nested else []}
    return nested


def _descendants(taxon: Taxon, query: Query) -> Json:
    return _node(taxon) | {"children": [_descendants(child, query) for child in taxon.children]}


def _descendant_names(taxon: Taxon, query: Query) -> list[str]:
    names = {descendant.name for descendant in taxon.subtree}
    if query.get("accepted", "false").lower() != "true":
        names |= {alternate for descendant in taxon.subtree for alternate in descendant.alternate_names}
    return sorted(names)


ENDPOINTS_OF_A_TAXON: dict[str, Callable[[Taxon, Query], object]] = {
    "taxa/info": lambda taxon, query: _node(taxon),
    "taxa/ancestors": _ancestors,
    "taxa/descendants": _descendants,
    "taxa/children": lambda taxon, query: [_node(child) for child in taxon.children],
    "taxa/parent": lambda taxon, query: _node(taxon.parent) if taxon.parent else None,
    "synonyms": lambda taxon, query: [taxon.name, *taxon.alternate_names],
    "parent": lambda taxon, query: taxon.parent.name if taxon.parent else None,
    "children": lambda taxon, query: [child.name for child in taxon.children] or None,
    "descendants": _descendant_names,
}
"""The endpoints whose path ends with an accepted or alternate name. An unknown name or a result of None means 404."""


def _page(query: Query) -> Answer:
    try:
        limit, offset = int(query.get("limit", DEFAULT_PAGE)), int(query.get("offset", 0))
    except ValueError:
        return 400, {"message": "`limit` and `offset` must be whole numbers", "code": 400}
    limit, offset = max(limit, 0), max(offset, 0)
    items = list(_names()[offset : offset + limit])
    return 200, {"items": items, "limit": limit, "offset": offset, "total": len(_names())}


def _names_by_aphia_id(text: str) -> Answer:
    for taxon in root().subtree:
        if str(taxon.aphia_id) == text:
            alternates = list(taxon.alternate_names)
            names = {"name": taxon.name, "acceptedName": taxon.name, "alternateNames": alternates}
            return 200, {"aphiaId": taxon.aphia_id} | names
    return _missing(text)


def _taxa_by_prefix(prefix: str, query: Query) -> Answer:
    parent = by_name().get(query["parent"]) if "parent" in query else root()
    taxa = parent.subtree if parent else ()
    rank = query.get("rank")
    return 200, [
        _node(taxon)
        for taxon in sorted(taxa, key=lambda taxon: taxon.name)
        if taxon.name.lower().startswith(prefix.lower()) and rank in (None, taxon.rank)
    ]
