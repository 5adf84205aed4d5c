"""The files that pass between stages: what they hold, and how they are checked."""
