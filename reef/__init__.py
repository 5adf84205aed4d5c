"""The embedded FathomNet: drawn frames, a COCO file and a WoRMS, served over loopback HTTP."""
