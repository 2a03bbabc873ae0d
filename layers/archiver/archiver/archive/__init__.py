"""Archiving one dataset: match its files with the catalogue's list, store its datablocks."""
