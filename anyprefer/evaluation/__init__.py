"""Measurements: how often a judge is right, on data whose answers are known."""
