"""Rows without any data, from declared tables: types, ranges, categories, keys, cardinalities and ledger rules.

`reading.load` reads a declaration, `made.DeclaredRows` makes, writes and checks its rows. docs/declared.md is for users.
"""
