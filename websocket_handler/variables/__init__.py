"""PURE: environment variables as people write them. It makes values of their texts, and finds misspelt names."""
