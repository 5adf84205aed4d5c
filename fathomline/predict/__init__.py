"""From trained models to logits on disk, and to a bundle that predicts without the pipeline."""
