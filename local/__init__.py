"""The one-machine stack: LocalStack, the process Lambda executor, the mocks, and what starts and stops them."""
