"""The ROIs of a subset, as files that pass between stages: the table, the pixels, and how both were made."""
