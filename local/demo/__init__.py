"""The demonstration: real cryo-EM files, archived, retrieved, compared."""
