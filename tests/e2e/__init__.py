"""The gateway as a process, driven from outside by independent clients."""
