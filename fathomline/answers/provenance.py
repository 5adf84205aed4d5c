"""Which model gave the answers."""

from dataclasses import asdict

from fathomline.bundle.bundle import BundleContent
from fathomline.files import content_digest
from fathomline.version import __version__


def model_and_version(bundle: BundleContent) -> str:
    """The model's name, the first digits of the SHA-256 in its bundle.json, and the version of fathomline."""
    return f"model {bundle.name} {content_digest(asdict(bundle))[:12]}, fathomline {__version__}"
