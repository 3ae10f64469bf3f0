"""The checks, a module for each thing that is looked at. Each is a function from a stage to a finding."""
