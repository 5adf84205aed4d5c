"""The body plans, one module a phylum: each draws lots for a pose and returns the parts, the hindmost first."""
