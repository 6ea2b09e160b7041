"""Reading a schema and running a query that nobody trusts, one file a kind of database. Knows nothing of models."""
