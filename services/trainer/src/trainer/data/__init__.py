"""Data: from announced records to arrays that a model is trained on."""
