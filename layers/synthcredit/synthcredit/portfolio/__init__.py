"""The credit portfolio: a simulated lender, a whole book from nothing."""
