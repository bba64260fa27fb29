"""What readouts decode."""
