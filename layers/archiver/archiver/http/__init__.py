"""The HTTP API: what SciCat, the Ingestor and users of download links call."""
