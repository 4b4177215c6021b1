"""The gateway on one machine: an AWS emulator, four demo agents and a command that starts them all."""
