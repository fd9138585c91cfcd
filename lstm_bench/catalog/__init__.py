"""What there is and what was chosen: plugins, selectors, required kernels, data files."""
