"""Who may come in and what they may do. It knows tokens, tickets, origins and addresses; it knows no sockets, no HTTP
library, and of a connection only what `access.Holder` says."""
