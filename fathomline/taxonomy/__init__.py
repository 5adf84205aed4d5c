"""Ranks, lineages, the tree they form, and the file that stores it."""
