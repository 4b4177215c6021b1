"""Measures the gateway, its peers and the limit of the kernel with one load generator, in one run."""
