"""What an encoder picked up by accident."""
