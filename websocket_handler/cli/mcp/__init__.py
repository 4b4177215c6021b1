"""`websocket-handler mcp`: the team of agents as tools of a coding assistant, over the Model Context Protocol."""
