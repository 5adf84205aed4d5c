"""What to predict: pictures, folders, and boxes in the formats of other programs."""
