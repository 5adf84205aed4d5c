"""Download a COCO dataset: its JSON and its frames."""
