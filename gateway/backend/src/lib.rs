//! Backends: the only way from a recorded, permitted, authorised read to a store's rows.
