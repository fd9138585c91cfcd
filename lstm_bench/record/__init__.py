"""The stored data: configurations, attempts with their findings, and the folder of result files."""
