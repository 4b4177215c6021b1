"""JSON Web Tokens: verifies them, and gets the keys for it."""
