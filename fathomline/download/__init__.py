"""From a COCO file and its URLs to frames on disk."""
