"""What do these features say?  Pure functions from Features to results, one file per question."""
