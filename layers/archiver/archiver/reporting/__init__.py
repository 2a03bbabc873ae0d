"""What SciCat is told: of a dataset, of a run, of a job; and what is believed of what it says."""
