"""Check responses by running Python, in a sandbox."""
