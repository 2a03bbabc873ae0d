"""The package every function shares: plan, assemble, verify and report datablocks."""
