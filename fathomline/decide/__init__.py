"""From class probabilities to one name, and how far it is from the truth."""
