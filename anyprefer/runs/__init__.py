"""Runs: the folder, the journal, the runner and its progress."""
