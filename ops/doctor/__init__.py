"""``onramp doctor``: checks a deployed stage from outside, names what is wrong and how to mend it."""
