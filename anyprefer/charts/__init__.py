"""Charts as SVG text, each with the table of its data."""
