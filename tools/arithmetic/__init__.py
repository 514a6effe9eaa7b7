"""The calculator: it recomputes what a response states."""
