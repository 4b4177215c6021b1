"""INTERFACES to the world, with their guarantees in prose."""
