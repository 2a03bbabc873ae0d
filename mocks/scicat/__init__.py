"""A SciCat of one of three releases on one machine: an HTTP service that answers as the recorded ones do."""
