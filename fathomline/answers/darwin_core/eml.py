"""eml.xml: what a Darwin Core Archive is about, who made it, and who may use it."""

import re
import uuid
from xml.etree import ElementTree

from fathomline.answers.darwin_core.metadata import Metadata
from fathomline.answers.provenance import model_and_version
from fathomline.bundle.bundle import BundleContent
from fathomline.errors import visible

Element = ElementTree.Element

_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)


def eml(bundle: BundleContent, metadata: Metadata | None, digest: str) -> bytes:
    """An EML 2.1.1 document that follows GBIF's profile 1.1.

    What describes the whole dataset comes from the metadata, where all pictures agree: `datasetName`, `rightsHolder`
    or `institutionCode`, `license`, `language`, and the latest `modified` as date of publication. Without `modified`
    there is no such date, which EML permits; GBIF's publishing tool writes it.

    Args: digest, SHA-256 of the occurrences in hexadecimal; it identifies the dataset.
    """
    root = Element(
        "eml:eml",
        {
            "xmlns:eml": "eml://ecoinformatics.org/eml-2.1.1",
            "xmlns:xsi": "http://www.w3.org/2001/XMLSchema-instance",
            "xsi:schemaLocation": "eml://ecoinformatics.org/eml-2.1.1 "
            "http://rs.gbif.org/schema/eml-gbif-profile/1.1/eml.xsd",
            "packageId": f"urn:uuid:{uuid.UUID(digest[:32])}",
            "system": "fathomline",
            "scope": "system",
            "xml:lang": "en",
        },
    )
    _describe(ElementTree.SubElement(root, "dataset"), bundle, metadata)
    return xml_bytes(root)


def xml_bytes(root: Element) -> bytes:
    """The document, indented, in UTF-8."""
    ElementTree.indent(root)
    return b"<?xml version='1.0' encoding='utf-8'?>\n" + ElementTree.tostring(root, encoding="utf-8") + b"\n"


def _describe(dataset: Element, bundle: BundleContent, metadata: Metadata | None) -> None:
    def stated(*terms: str) -> str | None:
        values = (metadata.only(term) for term in terms) if metadata else ()
        return next((value for value in values if value), None)

    software = model_and_version(bundle)
    party = stated("rightsHolder", "institutionCode") or software
    _add(dataset, "title", stated("datasetName") or f"Marine animals identified by the {software}")
    for role in ("creator", "metadataProvider"):
        _add(ElementTree.SubElement(dataset, role), "organizationName", party)
    if published := _latest_modified(metadata):
        _add(dataset, "pubDate", published)
    _add(dataset, "language", stated("language") or "en")
    abstract = (
        f"Regions of interest in pictures, identified by the {software}. Every name was predicted by a machine; no "
        f"person has verified it. The model was trained on: {bundle.attribution or 'pictures not stated'}. The "
        f"license of the model's weights is {bundle.license}."
    )
    _add(ElementTree.SubElement(dataset, "abstract"), "para", abstract)
    _add_rights(ElementTree.SubElement(dataset, "intellectualRights"), stated("license"))
    _add(ElementTree.SubElement(dataset, "contact"), "organizationName", party)


def _latest_modified(metadata: Metadata | None) -> str | None:
    """A day or a year: GBIF's profile permits nothing between."""
    records = metadata.records.values() if metadata else ()
    latest = max((record["modified"] for record in records if "modified" in record), default=None)
    return latest and (latest[:10] if _DAY.match(latest) else latest[:4])


def _add_rights(rights: Element, license_text: str | None) -> None:
    if license_text is None:
        _add(rights, "para", "Not stated: whoever publishes this dataset chooses its license.")
    elif license_text.startswith(("http://", "https://")):
        para = ElementTree.SubElement(rights, "para")
        para.text = "This work is licensed under "
        link = ElementTree.SubElement(para, "ulink", {"url": visible(license_text)})
        _add(link, "citetitle", license_text)
    else:
        _add(rights, "para", license_text)


def _add(parent: Element, tag: str, text: str) -> None:
    ElementTree.SubElement(parent, tag).text = visible(text)  # XML cannot hold control characters
