"""An embedded FathomNet: drawn frames, their COCO files and a WoRMS, served over HTTP on this machine."""
