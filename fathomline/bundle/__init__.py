"""A trained model as one folder, and predictions with it."""
