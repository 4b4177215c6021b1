"""JSON Web Tokens: who holds one, and which keys verify it."""
