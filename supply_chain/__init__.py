"""What the project is made of: known vulnerabilities of every locked package."""
