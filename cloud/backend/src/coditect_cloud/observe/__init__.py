"""What the service measures, logs and traces."""
