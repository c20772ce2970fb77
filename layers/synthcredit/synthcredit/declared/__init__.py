"""Rows without any data, from declared tables: types, ranges, categories, keys, cardinalities, ledger rules.

`reading.load` reads a declaration, `made.DeclaredRows` makes, writes and checks its rows. See docs/declared.md.
"""
