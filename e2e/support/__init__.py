"""What the end-to-end test is built from. Python's standard library only."""
