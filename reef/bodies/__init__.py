"""The body plans, one module per phylum. Each poses an individual at random and returns its parts, back to front."""
