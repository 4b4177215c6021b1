"""Log events and metric names."""
