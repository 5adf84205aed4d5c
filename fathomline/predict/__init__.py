"""Predict the ROIs of both subsets with the trained models, and store the logits."""
