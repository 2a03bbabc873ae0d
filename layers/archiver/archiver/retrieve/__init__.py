"""Retrieving datasets: recall, prove and deliver their datablocks, hand out links."""
