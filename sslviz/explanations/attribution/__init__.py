"""Which pixels a number goes back to."""
