//! A permissive mount changes nothing: each statement of the corpus and of TPC-H, parsed, resolved, enforced and
//! re-printed under a scope that is the whole database, is accepted and gives the answer of the direct statement.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "differential/acceptance.rs"]
mod acceptance;
#[path = "differential/compare.rs"]
mod compare;
#[path = "differential/corpus.rs"]
mod corpus;
#[path = "differential/postgres.rs"]
mod postgres;
#[path = "differential/sqlite.rs"]
mod sqlite;

#[test]
fn the_corpus_has_three_hundred_statements_and_none_twice_for_a_dialect() {
    let mut all = std::collections::BTreeSet::new();
    for dialect in ["sqlite", "postgres"] {
        let mut own = std::collections::BTreeSet::new();
        for case in corpus::shop(dialect) {
            assert!(own.insert(case.sql.clone()), "{dialect}: `{}` comes twice: {}", case.name, case.sql);
        }
        all.extend(own);
    }
    assert!(all.len() >= 300, "{}", all.len());
}
