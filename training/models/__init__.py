"""Families of models: how each kind is loaded, read and batched for training."""
