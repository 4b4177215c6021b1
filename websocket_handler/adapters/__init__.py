"""One folder or file per technology. An adapter turns foreign errors into those of its port."""
