"""Predictions on new pictures with a bundle: the engines that run its models, and how answers are chosen."""
