"""What an agent does with its tasks: it takes them from a queue, works on them, and tells the project's followers."""
