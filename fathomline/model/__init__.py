"""A classifier and everything that training and prediction share."""
