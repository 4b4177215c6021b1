"""Log events, log lines, and the table of metrics."""
