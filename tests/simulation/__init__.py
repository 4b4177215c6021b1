"""Deterministic simulation: one seed decides everything that happens to whole nodes, clients, SQS and DynamoDB. It adds
faults, and runs in virtual time."""
