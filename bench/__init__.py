"""Measurements that are run on request and assert nothing."""
