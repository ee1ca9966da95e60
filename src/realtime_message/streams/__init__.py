"""The seam between the callback service and the workers: the only package that speaks Redis."""
