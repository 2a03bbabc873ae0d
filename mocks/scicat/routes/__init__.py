"""The HTTP routes, by what they are about. Paths are written in lower case: Express matches any."""
