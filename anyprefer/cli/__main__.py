"""`python -m anyprefer.cli`, for where the command is not on the path."""

from anyprefer.cli import main

main()
