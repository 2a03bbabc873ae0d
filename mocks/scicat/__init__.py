"""A SciCat 5.2 on one machine: an HTTP service that answers as the recorded catalogue does."""
