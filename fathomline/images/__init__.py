"""From a COCO file and its frames to a table and an array of crops."""
