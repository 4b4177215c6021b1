"""PURE: environment variables as people write them: how settings are declared, what their texts mean, and which names
are misspelt."""
