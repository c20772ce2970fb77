"""The proof about one synthetic dataset, and the gate that uses it."""
