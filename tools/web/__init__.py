"""Search the web and read pages, with limits that a search engine and a private network need."""
