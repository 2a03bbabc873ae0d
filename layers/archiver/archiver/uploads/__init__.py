"""Uploads by clients: who may send what where, and what is known of it."""
