"""Tools of other frameworks behind our own protocol."""
