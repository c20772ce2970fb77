"""The credit portfolio: a simulated lender, a whole credit book from nothing.

`scenario.load` reads the parameters, `book.make_block` makes a run of customers with all that belongs to them, and
`write.write` a whole book as Parquet. docs/portfolio.md tells the model of the world.
"""
