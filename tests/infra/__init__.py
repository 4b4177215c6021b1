"""Proofs of the template, the image, the deployment and what operators read."""
