"""Files: tasks and pictures in, records out, run folders, and pairs of any preference dataset."""
