"""The command line, a module for each command. A command is a shell: settings, use case, rendering, exit status."""

from archiver.cli.program import main

__all__ = ["main"]
