"""Runs LocalStack's Lambda functions as processes under AWS's runtime interface emulator."""
