"""One file per technology; each maps foreign errors to those of its port."""
