"""A WebSocket gateway between people and AI agents: project logs out, work in through SQS."""
