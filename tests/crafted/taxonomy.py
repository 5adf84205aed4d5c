"""The taxonomy and a COCO file, damaged."""

from collections.abc import Callable
from pathlib import Path

from tests.crafted.damage import document, key


def entry(**values: object) -> Callable[[Path], None]:
    """The entry of one concept has other values."""
    return document(lambda content: content["concepts"]["Redfish"].update(values))


TAXONOMY = {
    "no hash": (document(lambda content: content.pop("hash") and None), "expected the keys hash and concepts"),
    "a hash that is a number": (key(7, "hash"), "`hash` is 7, expected a text"),
    "a hash that is a list": (key([1], "hash"), r"`hash` is \[1\], expected a text"),
    "another hash": (key("\x1b[2J", "hash"), "the file was edited"),
    "concepts that are null": (key(None, "concepts"), "`concepts` is null, expected an object"),
    "concepts that are a list": (key([], "concepts"), r"`concepts` is \[\], expected an object"),
    "no concepts": (key({}, "concepts"), r"`concepts` is \{\}, expected an object"),
    "an entry that is a list": (key(["Animalia"], "concepts", "Redfish"), "'Redfish' is .*expected the keys"),
    "an entry that is null": (key(None, "concepts", "Redfish"), "'Redfish' is null, expected the keys"),
    "an empty entry": (key({}, "concepts", "Redfish"), "'Redfish' lacks accepted_name"),
    "a key too many": (entry(colour="red"), "has colour"),
    "a key of two lines": (entry(**{"a\nb": 1}), r"has a\\nb"),
    "a concept without a name": (key({}, "concepts", ""), "concept '' lacks"),
    "a concept that commands the terminal": (
        document(lambda content: content["concepts"].update({"\x1b[2J": content["concepts"]["Redfish"]})),
        "a name has control characters",
    ),
    "a name that is a list": (entry(accepted_name=["Redfish"]), r"`accepted_name` is \['Redfish'\], expected a text"),
    "a rank that is a number": (entry(genus=7), "`genus` is 7, expected a name or null"),
    "a rank that is true": (entry(family=True), "`family` is True, expected a name or null"),
    "a rank that is an object": (entry(order={}), "`order` is {}, expected a name or null"),
    "a name with a control character": (entry(family="Seba\x07stidae"), "a name has control characters"),
    "a name that is turned around": (entry(family="Seba\u202estidae"), "a name has control characters"),
    "a name of spaces": (entry(family=" "), "a name is empty or has spaces around it"),
    "a true AphiaID": (entry(aphia_id=True), "`aphia_id` is True, expected a positive integer"),
    "a float AphiaID": (entry(aphia_id=1.0), "`aphia_id` is 1.0, expected a positive integer"),
    "a huge AphiaID": (entry(aphia_id=10**400), "`aphia_id` is 1000.*…, expected a positive integer"),
    "an AphiaID in words": (entry(aphia_id="12"), "`aphia_id` is '12', expected a positive integer"),
    "a strange origin": (entry(origin="hearsay"), "`origin` is 'hearsay', expected one of"),
    "an origin that is a list": (entry(origin=[]), r"`origin` is \[\], expected a text"),
    "a rank above its own name": (entry(rank="genus"), "its rank is genus"),
    "a name at two places": (entry(phylum="Porifera"), "stands at two places"),
    "another place": (entry(species="Redfish", genus=None), "the file was edited"),
}


DATASET = {
    "no annotations": (document(lambda content: content.pop("annotations") and None), "`annotations` is missing"),
    "annotations that are null": (key(None, "annotations"), "`annotations` is a NoneType, expected a list"),
    "an annotation that is null": (key([None], "annotations"), "are not JSON objects"),
    "a category without a name": (key([{"id": 1}, {"id": 2}], "categories"), "lack a readable `name`"),
    "an id that is a float": (key([{"id": 0.5}], "images"), "neither integers nor decimal strings"),
}
