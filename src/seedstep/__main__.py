"""`python -m seedstep` is the command `seedstep`."""

from seedstep.cli import main

main()
