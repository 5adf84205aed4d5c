"""From crops and a taxonomy to class probabilities."""
