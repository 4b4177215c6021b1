"""The proof kit: publishes to a live deployment, follows it, and counts every broken promise."""
