"""The whole system on one machine, from the wheel alone: gateway, queues in memory, demo agents."""
