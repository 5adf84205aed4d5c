"""Tables for people and for `dvc plots`."""
