"""Networks built from layers: trunks, heads, and the two ways of putting them together."""
