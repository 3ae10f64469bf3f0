"""The local run: everything Onramp needs on a laptop, without AWS, Meta or 360dialog."""
