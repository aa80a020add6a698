//! New grants that a person has accepted.

use std::collections::BTreeSet;

/// The differences that were accepted, by their ids.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Accepted {
    ids: BTreeSet<String>,
    all: bool,
}

impl Accepted {
    /// Every one.
    pub fn all() -> Self {
        Self { all: true, ..Self::default() }
    }

    /// From a file's text: an id at the beginning of each line; what follows it, empty lines and lines with `#` are for
    /// people.
    ///
    /// # Errors
    /// A line that begins with something else.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut ids = BTreeSet::new();
        for (number, line) in text.lines().enumerate() {
            let Some(id) = line.split_whitespace().next().filter(|word| !word.starts_with('#')) else { continue };
            let sound =
                id.len() == super::report::ID && id.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
            if !sound {
                let line = number.saturating_add(1);
                return Err(format!(
                    "line {line}: `{id}` is no id of a difference: they are in the output of `mountgate replay`"
                ));
            }
            ids.insert(id.to_owned());
        }
        Ok(Self { ids, all: false })
    }

    /// Whether that difference is accepted; one without an id never is, but by accepting all.
    pub fn takes(&self, id: Option<&str>) -> bool {
        self.all || id.is_some_and(|id| self.ids.contains(id))
    }

    /// Those that were not among `seen`: accepted once, and no difference any more.
    pub fn stale<'a>(&'a self, seen: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
        let seen: BTreeSet<&str> = seen.collect();
        self.ids.iter().map(String::as_str).filter(|id| !seen.contains(id)).collect()
    }
}
