"""Trained models in other formats than Keras' own."""
