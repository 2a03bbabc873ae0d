"""The pages of docs/ that are written from the code: ``make docs`` writes them, and a test keeps them equal."""
