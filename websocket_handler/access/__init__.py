"""Who may come in, and what they may do. This package knows tokens, tickets, origins and addresses. It knows no sockets
and no HTTP library, and of a connection it knows only what `access.Holder` says."""
