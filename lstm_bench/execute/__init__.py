"""The parent of the workers: it plans, starts workers turn by turn, listens, and resumes."""
