"""The answers for new pictures as files: CSV, JSON lines, COCO, Parquet, Darwin Core, and a web page."""
