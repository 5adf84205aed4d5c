"""Ranks, lineages, the tree they span, and where names are looked up."""
