"""Deterministic simulation: whole nodes, clients, SQS and DynamoDB with faults, in virtual time, from one seed."""
