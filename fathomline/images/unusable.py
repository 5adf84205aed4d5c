"""The one exception for a single image or box that has to be left out, while the rest goes on."""


class Unusable(Exception):
    """An image or a box cannot be used: the message is the reason, in one line, the same on every run."""
