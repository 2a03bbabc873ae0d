"""What is written from another place: the pages of docs/ (``make docs``), the Retry of tasks (``make format``)."""
