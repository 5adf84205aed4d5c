"""A bundle: trained models in one folder, and predictions on new pictures with them."""
