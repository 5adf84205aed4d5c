"""Ways to damage the taxonomy file and a COCO file, and the error that each must cause."""

from collections.abc import Callable
from pathlib import Path

from tests.crafted.damage import document, key


def entry(**values: object) -> Callable[[Path], None]:
    """Replace values in the entry of one concept."""
    return document(lambda content: content["concepts"]["Redfish"].update(values))


TAXONOMY = {
    "no hash": (document(lambda content: content.pop("hash") and None), "expected the keys hash and concepts"),
    "a number as hash": (key(7, "hash"), "`hash` is 7, expected a string"),
    "a list as hash": (key([1], "hash"), r"`hash` is \[1\], expected a string"),
    "another hash": (key("\x1b[2J", "hash"), "the file was edited"),
    "null as concepts": (key(None, "concepts"), "`concepts` is null, expected an object"),
    "a list as concepts": (key([], "concepts"), r"`concepts` is \[\], expected an object"),
    "no concepts": (key({}, "concepts"), r"`concepts` is \{\}, expected an object"),
    "a list as entry": (key(["Animalia"], "concepts", "Redfish"), "'Redfish' is .*expected the keys"),
    "null as entry": (key(None, "concepts", "Redfish"), "'Redfish' is null, expected the keys"),
    "an empty entry": (key({}, "concepts", "Redfish"), "'Redfish' lacks accepted_name"),
    "an unknown key": (entry(colour="red"), r"has the unknown key\(s\) colour"),
    "a key with a line break": (entry(**{"a\nb": 1}), r"has the unknown key\(s\) a\\nb"),
    "a concept without a name": (key({}, "concepts", ""), "concept '' lacks"),
    "a concept with an escape sequence": (
        document(lambda content: content["concepts"].update({"\x1b[2J": content["concepts"]["Redfish"]})),
        "a name has control characters",
    ),
    "a list as name": (entry(accepted_name=["Redfish"]), r"`accepted_name` is \['Redfish'\], expected a string"),
    "a number as rank": (entry(genus=7), "`genus` is 7, expected a name or null"),
    "true as rank": (entry(family=True), "`family` is True, expected a name or null"),
    "an object as rank": (entry(order={}), "`order` is {}, expected a name or null"),
    "a name with a control character": (entry(family="Seba\x07stidae"), "a name has control characters"),
    "a name with reversed text direction": (entry(family="Seba\u202estidae"), "a name has control characters"),
    "a name of spaces": (entry(family=" "), "a name is empty or has spaces around it"),
    "true as AphiaID": (entry(aphia_id=True), "`aphia_id` is True, expected a positive integer"),
    "a float as AphiaID": (entry(aphia_id=1.0), "`aphia_id` is 1.0, expected a positive integer"),
    "a huge AphiaID": (entry(aphia_id=10**400), "`aphia_id` is 1000.*…, expected a positive integer"),
    "a string as AphiaID": (entry(aphia_id="12"), "`aphia_id` is '12', expected a positive integer"),
    "an unknown origin": (entry(origin="hearsay"), "`origin` is 'hearsay', expected one of"),
    "a list as origin": (entry(origin=[]), r"`origin` is \[\], expected a string"),
    "a rank above the lowest name": (entry(rank="genus"), "its rank is genus"),
    "a name at two places": (entry(phylum="Porifera"), "has two places in the tree"),
    "a moved concept": (entry(species="Redfish", genus=None), "the file was edited"),
}


DATASET = {
    "no annotations": (document(lambda content: content.pop("annotations") and None), "`annotations` is missing"),
    "null as annotations": (key(None, "annotations"), "`annotations` is a NoneType, expected a list"),
    "null as annotation": (key([None], "annotations"), "are not JSON objects"),
    "a category without a name": (key([{"id": 1}, {"id": 2}], "categories"), "lack a readable `name`"),
    "a float as id": (key([{"id": 0.5}], "images"), "neither integers nor decimal strings"),
}
