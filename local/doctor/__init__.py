"""The doctor: walks a real SciCat with the archiver's accounts, and says what works and what mends the rest."""
