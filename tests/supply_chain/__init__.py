"""What the project is made of: the audit of its locks, and the bill of materials."""
