"""AWS as the service uses it: S3, Step Functions, Secrets Manager."""
