"""The long-term storage: S3 with tape behind it."""
