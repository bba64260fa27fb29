"""What an encoder bears."""
