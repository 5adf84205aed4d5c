"""From class probabilities to one taxon, and how far that answer is from the truth."""
