"""Export formats: how the rows of a dataset are laid out as files."""
