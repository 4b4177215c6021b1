"""Proofs of delivery on real processes that are really killed."""
