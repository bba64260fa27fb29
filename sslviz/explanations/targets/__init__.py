"""The number that is explained."""
