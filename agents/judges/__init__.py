"""Judges: ways of scoring candidates behind one interface, and wrappers around any of them."""
