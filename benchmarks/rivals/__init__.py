"""What others do with the same work."""
