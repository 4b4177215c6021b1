"""PURE: environment variables as people write them: their text becomes a value, and their names are compared."""
