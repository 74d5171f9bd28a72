"""The entry point of the command, which imports next to nothing before it can be interrupted."""

from boldglm.cli.supervision import exit_when_told


def run() -> None:
    """Run the command line and exit."""
    exit_when_told()
    from boldglm.cli import main

    main.run()
