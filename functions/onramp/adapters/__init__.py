"""The ports of `onramp.ports` on AWS, Meta and 360dialog."""
