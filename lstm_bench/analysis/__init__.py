"""What attempts mean: statistics, groups of rounds, comparisons, who is best and how fast."""
