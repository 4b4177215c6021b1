"""Attacks, each with its exact answer."""
