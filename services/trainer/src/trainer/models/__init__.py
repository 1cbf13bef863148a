"""Models: from their source to a file that says what it is."""
