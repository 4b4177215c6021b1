"""One folder or file per technology. An adapter turns the errors of that technology into those of its port."""
