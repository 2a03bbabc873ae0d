"""Tars: their headers, their layout over parts and datablocks, what may stand in them, and whose they are."""
