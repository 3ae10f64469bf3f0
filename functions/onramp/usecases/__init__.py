"""One module for each thing the product does; each takes its ports as arguments."""
