"""fathomline: hierarchical classification of marine animals, at whatever rank the picture allows."""
