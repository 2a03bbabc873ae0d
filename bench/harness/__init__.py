"""What the measurements run: stacks, steps, pipelines, datasets."""
