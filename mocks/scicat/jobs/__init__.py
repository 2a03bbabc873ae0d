"""Jobs: who may make them, what a configuration makes of them."""
