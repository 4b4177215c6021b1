"""The gateway as a process against emulated SQS and DynamoDB, with load and with faults."""
