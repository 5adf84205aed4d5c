"""Where the lineage of each concept comes from: WoRMS, the snapshot, a CSV, an earlier run."""
