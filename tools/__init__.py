"""Tools that gather evidence for the judge: one module per tool, one protocol, one registry."""
