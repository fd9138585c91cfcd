"""The meaning of attempts: statistics, groups of rounds, comparisons, the best rows, speed and learning."""
