"""Learning one task after another: tasks, ways to learn them, and what is forgotten."""
