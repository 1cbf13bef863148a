"""Checkpoints: how far a fit has come, kept so that another attempt goes on."""
