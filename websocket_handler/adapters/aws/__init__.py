"""AWS: queues, tables, the load balancer and the container service. Nothing outside this folder knows AWS."""
