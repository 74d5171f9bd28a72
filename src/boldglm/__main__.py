"""`python -m boldglm` is the command `boldglm`."""

from boldglm.cli.command import run

run()
