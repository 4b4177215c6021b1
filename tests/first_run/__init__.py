"""What the documents tell people to type, in a fresh clone. `make first-run` runs these tests."""
