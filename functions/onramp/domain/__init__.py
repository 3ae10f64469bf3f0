"""What a signup is and how it moves: pure data and rules, no I/O, no clock, no randomness."""
