"""What LocalStack does otherwise than AWS, mended in its running process: a module for each fault."""
