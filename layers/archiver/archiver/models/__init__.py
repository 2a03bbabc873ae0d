"""What the steps hand to each other and what the catalogue, S3 and the tars say: families of types, and their rules."""
