"""The CDK application: a typed configuration and one stack, composed of one construct for each concern."""
