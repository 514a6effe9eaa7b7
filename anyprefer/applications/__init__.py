"""Kinds of tasks, each behind one protocol."""
