"""Answers as a Darwin Core Archive: the terms, what metadata and EXIF say about a picture, and the archive itself."""
