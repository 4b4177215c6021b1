"""Looks up the known vulnerabilities of every locked package, and checks the bill of materials."""
