"""How the command reaches a deployed stage: its configuration, its stack, and AWS."""
