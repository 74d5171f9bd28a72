"""The first level: design, fit and contrast maps of one run."""
