"""One construct for each concern of the stack; :mod:`infra.stack` puts them together."""
