"""What comes from the operating system: clocks, random numbers and memory."""
