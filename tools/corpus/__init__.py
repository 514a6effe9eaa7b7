"""Search a local text corpus."""
