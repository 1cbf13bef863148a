"""Fitting a model to a dataset, and measuring it. Runs inside the child only."""
