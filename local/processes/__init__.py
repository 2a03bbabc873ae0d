"""The processes of the stack: their programs, ports and locks."""
