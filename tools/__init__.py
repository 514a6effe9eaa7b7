"""Tools that gather evidence for the judge: a folder for each family, one base class, one registry."""
