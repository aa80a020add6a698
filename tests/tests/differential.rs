//! A permissive mount changes nothing: each statement of the corpus and of TPC-H, parsed, resolved, enforced and
//! re-printed under a scope that is the whole database, is accepted and gives the answer of the direct statement.

#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

#[path = "differential/compare.rs"]
mod compare;
#[path = "differential/corpus.rs"]
mod corpus;
#[path = "differential/postgres.rs"]
mod postgres;
#[path = "differential/sqlite.rs"]
mod sqlite;

#[test]
fn the_corpus_has_three_hundred_statements_and_no_name_twice() {
    let mut all = corpus::statements("statements/common.sql");
    all.extend(corpus::statements("statements/sqlite.sql"));
    all.extend(corpus::statements("statements/postgres.sql"));
    let texts: std::collections::BTreeSet<_> = all.iter().map(|case| case.sql.as_str()).collect();
    assert_eq!(texts.len(), all.len(), "a statement comes twice");
    assert!(all.len() >= 300, "{}", all.len());
}
