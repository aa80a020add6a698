//! A TPC-H database at scale 0.01, made here from the specification's rules and the same at each run, for comparing
//! answers. It is no benchmark kit: its texts are simpler than the specification's, and hold what the queries look for.

mod generate;
pub mod load;
mod words;

pub use generate::{Cell, Table, tables};

/// The 22 queries, as committed for a dialect (`sqlite` or `postgres`): name and text.
///
/// # Errors
/// Where a file can't be read.
pub fn queries(dialect: &str) -> std::io::Result<Vec<(String, String)>> {
    (1..=22)
        .map(|number| {
            let path = format!("{}/corpus/tpch/{dialect}/q{number:02}.sql", crate::root());
            std::fs::read_to_string(&path).map(|text| (format!("tpch q{number:02}"), text))
        })
        .collect()
}
