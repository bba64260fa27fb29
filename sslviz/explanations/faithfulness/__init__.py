"""Whether an explanation is true."""
