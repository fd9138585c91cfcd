"""What is computed: the specification, its parameters, losses, operation counts, and the axes of a sweep."""
