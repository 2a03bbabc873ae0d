"""What lies where in our own buckets: runs and their documents, leases, sources."""
