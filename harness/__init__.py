"""The whole product in one process, between the simulators: what tests, benchmarks and the soak share."""
