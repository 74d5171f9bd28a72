"""`python -m boldglm` is the command `boldglm`."""

from boldglm.cli.main import run

run()
