"""What the API is told: progress, measurements and the finished model."""
