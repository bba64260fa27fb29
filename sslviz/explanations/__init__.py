"""What lies over the pixels: attention and attribution, and whether to believe them."""
