"""The model's process: started, guarded and spoken to by the trainer."""
