"""What the mock keeps: documents, their history, and how they are found."""
