"""Training on streams without an end."""
