"""Task files in, record files out."""
