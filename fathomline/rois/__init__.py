"""The ROIs of a subset, as files that pass between stages: their table, their pixels and how both were made."""
