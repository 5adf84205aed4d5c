"""A server that identifies animals in pictures with a bundle, and its web page."""
