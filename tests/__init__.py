"""Tests, by how much of the system they run: unit, contract, simulation, integration, e2e."""
