//! A map of a body, field by field: each is taken once, and what was not taken is refused.

use mountgate_core::Refusal;

use super::{Item, Path, malformed, shown};

/// The fields of a map that are still to be taken.
pub(crate) struct Fields {
    entries: Vec<(String, Item)>,
    /// Names asked for, for the likely spelling of one that is not known.
    known: Vec<&'static str>,
    path: Path,
}

impl Fields {
    /// Opens a map.
    ///
    /// # Errors
    /// Where the value is no map.
    pub(crate) fn open(item: Item, path: Path) -> Result<Self, Refusal> {
        match item {
            Item::Map(entries) => Ok(Self { entries, known: Vec::new(), path }),
            other => Err(malformed(format!("{} is {}, not a map", path.text(), other.label()))
                .hint("send an object: {\"mount\": …}")),
        }
    }

    /// Takes a field, with its path.
    pub(crate) fn take(&mut self, name: &'static str) -> Option<(Item, Path)> {
        self.known.push(name);
        let at = self.entries.iter().position(|(key, _)| key == name)?;
        Some((self.entries.remove(at).1, self.path.key(name)))
    }

    /// Takes a field that must be there.
    ///
    /// # Errors
    /// Where it is missing.
    pub(crate) fn need(&mut self, name: &'static str) -> Result<(Item, Path), Refusal> {
        self.take(name).ok_or_else(|| {
            // A misspelt field is missing and unknown at once: the spelling is the better news.
            self.unknown().unwrap_or_else(|| malformed(format!("`{name}` is missing from {}", self.path.text())))
        })
    }

    /// Takes a text that must be there.
    ///
    /// # Errors
    /// Where it is missing or no text.
    pub(crate) fn need_text(&mut self, name: &'static str) -> Result<String, Refusal> {
        let (item, path) = self.need(name)?;
        text(item, &path)
    }

    /// Takes a text that may be absent or null.
    ///
    /// # Errors
    /// Where it is there and no text.
    pub(crate) fn text(&mut self, name: &'static str) -> Result<Option<String>, Refusal> {
        match self.take(name) {
            None | Some((Item::Null, _)) => Ok(None),
            Some((item, path)) => text(item, &path).map(Some),
        }
    }

    /// Takes a list that may be absent or null.
    ///
    /// # Errors
    /// Where it is there and no list.
    pub(crate) fn list(&mut self, name: &'static str) -> Result<Option<(Vec<Item>, Path)>, Refusal> {
        match self.take(name) {
            None | Some((Item::Null, _)) => Ok(None),
            Some((Item::List(items), path)) => Ok(Some((items, path))),
            Some((other, path)) => Err(expected(&path, "a list", &other)),
        }
    }

    /// Takes a whole number from zero up that may be absent or null.
    ///
    /// # Errors
    /// Where it is there and no such number.
    pub(crate) fn count(&mut self, name: &'static str) -> Result<Option<u64>, Refusal> {
        match self.take(name) {
            None | Some((Item::Null, _)) => Ok(None),
            Some((item, path)) => count(item, &path).map(Some),
        }
    }

    /// Ends the map.
    ///
    /// # Errors
    /// Where a field was not asked for.
    pub(crate) fn end(self) -> Result<(), Refusal> {
        if let Some(refusal) = self.unknown() {
            return Err(refusal);
        }
        match self.entries.first() {
            None => Ok(()),
            Some((key, _)) => {
                Err(malformed(format!("{} does not go with the rest", self.path.key(key).text())).hint("leave it out"))
            }
        }
    }

    fn unknown(&self) -> Option<Refusal> {
        let known = |key: &str| self.known.contains(&key);
        let (key, _) = self.entries.iter().find(|(key, _)| !known(key))?;
        let refusal = malformed(format!("unknown key {}", self.path.key(key).text()));
        let spelling = likely(key, &self.known);
        Some(refusal.hint(match spelling {
            Some(name) => format!("did you mean `{name}`?"),
            None if self.known.is_empty() => "this object takes no keys".to_owned(),
            None => format!("known here: {}", listed(&self.known)),
        }))
    }

    /// Says which further names the map knows, so that a likely spelling is found before they are asked for.
    #[must_use]
    pub(crate) fn knowing(mut self, names: &[&'static str]) -> Self {
        self.know(names);
        self
    }

    /// As [`Fields::knowing`].
    pub(crate) fn know(&mut self, names: &[&'static str]) {
        self.known.extend_from_slice(names);
    }
}

pub(crate) fn listed(names: &[&str]) -> String {
    let mut names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    names.sort_unstable();
    names.dedup();
    names.join(", ")
}

/// The name that was probably meant.
pub(crate) fn likely<'a>(key: &str, names: &[&'a str]) -> Option<&'a str> {
    let key = shown(key).to_lowercase();
    names
        .iter()
        .map(|name| (strsim::jaro_winkler(&key, name), *name))
        .filter(|(likeness, _)| *likeness > 0.75)
        .max_by(|one, other| one.0.total_cmp(&other.0))
        .map(|(_, name)| name)
}

pub(crate) fn expected(path: &Path, what: &str, got: &Item) -> Refusal {
    malformed(format!("{} must be {what}, not {}", path.text(), got.label()))
}

/// A text.
///
/// # Errors
/// Where it is none.
pub(crate) fn text(item: Item, path: &Path) -> Result<String, Refusal> {
    match item {
        Item::Text(text) => Ok(text),
        other => Err(expected(path, "a text", &other)),
    }
}

/// A whole number from zero up.
///
/// # Errors
/// Where it is none.
pub(crate) fn count(item: Item, path: &Path) -> Result<u64, Refusal> {
    match item {
        Item::Integer(number) => u64::try_from(number).map_err(|_| malformed(format!("{} is below zero", path.text()))),
        other => Err(expected(path, "a whole number", &other)),
    }
}
