"""From frames and boxes to ROIs."""
