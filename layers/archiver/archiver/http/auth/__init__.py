"""Who asks, and what this caller may do."""
