"""A server that answers pictures with a bundle, and the page to use it with."""
