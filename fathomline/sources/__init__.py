"""Read annotations in whatever form users have them, as the COCO dataset of the pipeline."""
