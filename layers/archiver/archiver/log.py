"""The one logger: JSON lines, in UTC."""

from aws_lambda_powertools import Logger

logger = Logger(service="archiver", utc=True)
