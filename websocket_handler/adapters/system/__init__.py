"""What the operating system gives: clocks, chance and memory."""
