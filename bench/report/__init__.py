"""What the measurements tell: the report, its pictures, the page of costs."""
