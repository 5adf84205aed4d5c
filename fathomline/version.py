"""The version of the library, where bundles can read it without importing the package's front door."""

__version__ = "0.1.0"
