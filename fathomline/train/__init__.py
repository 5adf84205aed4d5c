"""From crops and a taxonomy to a trained classifier."""
