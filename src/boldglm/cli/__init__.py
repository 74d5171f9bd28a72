"""The command line: parse, run, turn errors into exit codes."""
