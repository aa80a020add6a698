//! Raw access to stores: SQLite and PostgreSQL, streaming typed rows. Only `backend` and the benches' floor may depend on it.
