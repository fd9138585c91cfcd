"""What is kept: the configuration that was asked for, what came of it, and the folder of result files."""
