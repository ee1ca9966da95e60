"""Rules broken on purpose: for each, some test must fail. `python -m mutations` runs them."""
