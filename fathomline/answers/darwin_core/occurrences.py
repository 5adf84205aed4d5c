"""The Darwin Core terms of each answer."""

import json
import re
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache

from fathomline.answers.darwin_core.exif import DEPTH, EXIF_TERMS, PLACE, exif_terms
from fathomline.answers.darwin_core.metadata import WRITTEN_BY_US, Matching, Metadata, normal_path
from fathomline.answers.darwin_core.terms import TERMS
from fathomline.answers.provenance import model_and_version
from fathomline.answers.rows import Row, box_of, is_url
from fathomline.bundle.bundle import BundleContent
from fathomline.errors import listing
from fathomline.progress import warning
from fathomline.taxonomy.ranks import RANKS, Rank

ALWAYS = ("occurrenceID", "basisOfRecord", "occurrenceStatus", "identificationVerificationStatus", "scientificName")
"""Terms that every archive has, even one without a single occurrence."""

LSID = "urn:lsid:marinespecies.org:taxname:"

REQUIRED_BY_OBIS = ("eventDate", "decimalLatitude", "decimalLongitude")
"""What OBIS requires and no answer has: it must come from the metadata or the EXIF."""

DATASET = ("institutionCode", "collectionCode", "datasetID")
"""Terms that distinguish a dataset from all others."""

_NAMESPACE = uuid.UUID("5f0a7cc4-6b5e-5d0c-9f3e-1b6f0d6c7a11")
_OF_A_ROI = ("associatedMedia", "occurrenceRemarks", "organismID")
_EPITHET = re.compile(r"[a-z][a-z-]+")
_OPEN_NAMES = {"sp", "spp", "cf", "aff", "nov", "indet"}
_PICTURES_REMEMBERED = 256
_EXAMPLES = 3


class Occurrences:
    """Turns rows of answers into Darwin Core, and collects what to warn about.

    It also remembers all identifiers, about 100 bytes per row, because an archive must not repeat one.
    """

    def __init__(self, bundle: BundleContent, metadata: Metadata | None) -> None:
        possible = {*WRITTEN_BY_US, *_OF_A_ROI, *EXIF_TERMS, *(metadata.terms if metadata else ())}
        self.terms = tuple(term for term in TERMS if term in possible)
        """Terms that a record can have."""
        self.seen: set[str] = set()
        """Terms that a record has had so far."""
        self._model = model_and_version(bundle)
        self._metadata = metadata
        self._matching = Matching(metadata) if metadata else None
        self._of_picture = lru_cache(maxsize=_PICTURES_REMEMBERED)(self._read_picture)
        self._ids: set[int] = set()
        self._repeated = 0
        self._nameless: Counter[str] = Counter()
        self._incomplete = 0
        self._impossible_count = 0
        self._impossible: list[str] = []
        """The first few."""

    def records(self, rows: Iterable[Row]) -> Iterator[Mapping[str, str]]:
        """Yield the values by term of each row; a row that repeats the picture, id and box of another is left out."""
        for row in rows:
            picture = self._of_picture(row["path"], row["location"])
            identifier = occurrence_id(row, picture)
            if identifier.int in self._ids:
                self._repeated += 1
                continue
            self._ids.add(identifier.int)
            record = self._record(row, picture, identifier)
            self.seen.update(record)
            self._incomplete += any(term not in record for term in REQUIRED_BY_OBIS)
            if row["aphia_id"] is None:
                self._nameless[row["accepted_name"]] += 1
            yield record

    def _record(self, row: Row, picture: Mapping[str, str], identifier: uuid.UUID) -> dict[str, str]:
        record = {
            "occurrenceID": identifier.urn,
            "basisOfRecord": "MachineObservation",
            "occurrenceStatus": "present",
            "associatedMedia": row["location"] if is_url(row["location"]) else row["path"],
            "occurrenceRemarks": _where(row),
            "organismID": row["track"] or "",
            "identificationVerificationStatus": "PredictedByMachine",
            "identificationRemarks": f"probability {row['confidence']:.4f}; {self._model}",
            **_taxon(row),
            **picture,
        }
        return {term: value for term, value in record.items() if value}

    def _read_picture(self, path: str, location: str) -> dict[str, str]:
        """What the metadata says about a picture, and what its EXIF says about the rest."""
        given = self._matching.record(path) if self._matching else {}
        measured, impossible = ({}, []) if is_url(location) else exif_terms(location)
        if impossible:
            self._impossible_count += 1
            if len(self._impossible) < _EXAMPLES:
                self._impossible.append(f"{path}: {', '.join(impossible)}")
        # A latitude of one source and a longitude of the other would be a third place.
        for group in (PLACE, DEPTH):
            if any(term in given for term in group):
                measured = {term: value for term, value in measured.items() if term not in group}
        return {**measured, **given}

    def warn(self) -> None:
        """Print what the user may want to correct, each kind once."""
        if self._nameless:
            warning(
                f"{self._nameless.total()} occurrence(s) have no AphiaID, so OBIS cannot match their names: "
                f"{listing(sorted(self._nameless))}"
            )
        if self._incomplete:
            warning(
                f"{self._incomplete} of {len(self._ids)} occurrence(s) lack a term that OBIS requires "
                f"({', '.join(REQUIRED_BY_OBIS)}); give them with --metadata"
            )
        if self._impossible:
            warning(
                f"the EXIF of {self._impossible_count} picture(s) has impossible values, which were left out, such as "
                f"{listing(self._impossible)}"
            )
        if self._repeated:
            warning(f"{self._repeated} row(s) repeat the picture and box of an earlier row and were left out")
        if self._matching and self._metadata and (unused := self._matching.unused()):
            warning(f"{self._metadata.source}: {len(unused)} row(s) match no answered picture: {listing(unused)}")


def occurrence_id(row: Row, picture: Mapping[str, str]) -> uuid.UUID:
    """The identifier of the animal in one box of one picture.

    It follows from the path of the picture, the id of the annotation and the box, but not from the model: a newer model
    gives the same occurrence another name, and databases update the record instead of adding one. Two institutions may
    both have an IMG_0001.JPG, so what the metadata says of DATASET counts, too.

    Args: picture, the terms that its metadata gives.
    """
    dataset = [picture.get(term, "") for term in DATASET]
    key = [*dataset, normal_path(row["path"]), row["annotation_id"], box_of(row)]
    return uuid.uuid5(_NAMESPACE, json.dumps(key))


def _where(row: Row) -> str:
    box = box_of(row)
    part = f"box {', '.join(f'{number:g}' for number in box)} (x, y, width, height) in a" if box else "whole"
    return f"{part} picture of {row['frame_w']} x {row['frame_h']} pixels"


def _taxon(row: Row) -> dict[str, str]:
    return {
        "verbatimIdentification": row["concept_name"],
        "scientificName": row["accepted_name"],
        "scientificNameID": "" if row["aphia_id"] is None else f"{LSID}{row['aphia_id']}",
        "taxonRank": row["rank"],
        **{str(rank): row[rank] or "" for rank in RANKS if rank is not Rank.SPECIES},
        **_epithets(row["accepted_name"], row["genus"], row["species"]),
    }


def _epithets(name: str, genus: str | None, species: str | None) -> dict[str, str]:
    """The epithets of a species or of a taxon below it; none where the name has another form."""
    words = (species or "").split()
    if len(words) != 2 or words[0] != genus or not _is_epithet(words[1]):
        return {}
    found = {"specificEpithet": words[1]}
    below = name.split()
    if below[:2] == words and len(below) == 3 and _is_epithet(below[2]):
        found["infraspecificEpithet"] = below[2]
    return found


def _is_epithet(word: str) -> bool:
    return _EPITHET.fullmatch(word) is not None and word not in _OPEN_NAMES
