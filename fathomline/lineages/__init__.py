"""Where the lineage of each concept comes from: the user's CSV, an earlier run, the bundled snapshot or WoRMS."""
