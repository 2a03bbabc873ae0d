"""A stand-in for tape: an S3 proxy that makes what was written unreadable until it is recalled."""
