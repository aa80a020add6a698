//! Reads tables strictly: a key that nobody asked a [`Table`] for is unknown, and noted as such when the table is
//! dropped. So no key can be accepted that does nothing, whatever the table.

use std::{
    borrow::Cow,
    cell::{Cell, RefCell},
    collections::BTreeSet,
    ops::Range,
};

use mountgate_core::ceiling::likely;
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::source::Notes;

type Entries<'d> = DeTable<'d>;

/// A table being read.
pub(crate) struct Table<'d> {
    notes: Notes,
    entries: &'d Entries<'d>,
    span: Range<usize>,
    /// How messages name it; empty for the file itself.
    name: String,
    /// The keys that exist here.
    known: RefCell<BTreeSet<&'static str>>,
    /// Whether its keys are names given by the user.
    open: Cell<bool>,
}

/// A value being read, and the key that it stands under.
pub(crate) struct Value<'d> {
    notes: Notes,
    pub(crate) key: Cow<'d, str>,
    pub(crate) key_span: Range<usize>,
    value: &'d Spanned<DeValue<'d>>,
    /// How messages name it: `tables.orders.columns`.
    name: String,
}

impl<'d> Table<'d> {
    pub(crate) fn root(notes: &Notes, document: &'d Spanned<DeTable<'d>>) -> Self {
        Self::new(notes.clone(), document.get_ref(), 0..0, String::new())
    }

    fn new(notes: Notes, entries: &'d Entries<'d>, span: Range<usize>, name: String) -> Self {
        Self { notes, entries, span, name, known: RefCell::default(), open: Cell::new(false) }
    }

    /// The value under a key, where it is there.
    pub(crate) fn get(&self, key: &'static str) -> Option<Value<'d>> {
        self.known.borrow_mut().insert(key);
        let (name, value) = self.entries.get_key_value(key)?;
        Some(self.value(name, value))
    }

    /// The value under a key that must be there; `example` shows what to write.
    pub(crate) fn require(&self, key: &'static str, example: &str) -> Option<Value<'d>> {
        let found = self.get(key);
        if found.is_none() {
            let place = if self.name.is_empty() { String::new() } else { format!(" in `{}`", self.name) };
            self.reject(format!("`{key}` is missing{place}: write `{example}`"));
        }
        found
    }

    /// Every entry: the keys are names that the user gives.
    pub(crate) fn entries(&self) -> Vec<Value<'d>> {
        self.open.set(true);
        let mut all: Vec<_> = self.entries.iter().map(|(name, value)| self.value(name, value)).collect();
        all.sort_by_key(|value| value.key_span.start);
        all
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Notes a problem with the table as a whole.
    pub(crate) fn reject(&self, message: impl Into<String>) {
        self.notes.note(&self.span, message);
    }

    fn value(&self, name: &'d Spanned<Cow<'d, str>>, value: &'d Spanned<DeValue<'d>>) -> Value<'d> {
        let key = name.get_ref().clone();
        let path = if self.name.is_empty() { key.to_string() } else { format!("{}.{key}", self.name) };
        Value { notes: self.notes.clone(), key, key_span: name.span(), value, name: path }
    }
}

impl Drop for Table<'_> {
    fn drop(&mut self) {
        if self.open.get() {
            return;
        }
        let known = self.known.borrow();
        for (name, _) in self.entries {
            let key = name.get_ref().as_ref();
            if known.contains(key) {
                continue;
            }
            let place = if self.name.is_empty() { String::new() } else { format!(" in `{}`", self.name) };
            let help = match likely(key, known.iter().copied()) {
                Some(near) => format!("; did you mean `{near}`?"),
                None => {
                    let keys: Vec<String> = known.iter().map(|key| format!("`{key}`")).collect();
                    format!(": the keys here are {}", keys.join(", "))
                }
            };
            self.notes.note_key(&name.span(), format!("unknown key `{key}`{place}{help}"));
        }
    }
}

impl<'d> Value<'d> {
    /// The raw value, for what has no shape of its own.
    pub(crate) fn raw(&self) -> &'d DeValue<'d> {
        self.value.get_ref()
    }

    pub(crate) fn span(&self) -> Range<usize> {
        self.value.span()
    }

    /// Notes a problem with the value.
    pub(crate) fn reject(&self, message: impl Into<String>) {
        self.notes.note(&self.span(), message);
    }

    /// Notes a problem with the key.
    pub(crate) fn reject_key(&self, message: impl Into<String>) {
        self.notes.note(&self.key_span, message);
    }

    /// Notes a problem with a stretch of the value.
    pub(crate) fn reject_at(&self, span: &Range<usize>, message: impl Into<String>) {
        self.notes.note(span, message);
    }

    pub(crate) fn mistyped(&self, wanted: &str) {
        self.reject(format!("`{}` should be {wanted}, and is {}", self.name, article(self.raw())));
    }

    pub(crate) fn is_table(&self) -> bool {
        self.raw().is_table()
    }

    pub(crate) fn table(&self) -> Option<Table<'d>> {
        match self.raw() {
            DeValue::Table(entries) => {
                // A table's own header says more than its first line.
                let span = if self.span().is_empty() { self.key_span.clone() } else { self.span() };
                Some(Table::new(self.notes.clone(), entries, span, self.name.clone()))
            }
            _ => {
                self.mistyped("a table");
                None
            }
        }
    }

    /// A list of tables.
    pub(crate) fn tables(&self) -> Option<Vec<Table<'d>>> {
        let DeValue::Array(items) = self.raw() else {
            self.mistyped("a list of tables");
            return None;
        };
        let mut out = Vec::with_capacity(items.len());
        for item in items {
            match item.get_ref() {
                DeValue::Table(entries) => {
                    out.push(Table::new(self.notes.clone(), entries, item.span(), self.name.clone()));
                }
                other => self.reject_at(
                    &item.span(),
                    format!("`{}` should be a list of tables, and this is {}", self.name, article(other)),
                ),
            }
        }
        Some(out)
    }

    pub(crate) fn string(&self) -> Option<&'d str> {
        match self.raw() {
            DeValue::String(text) => Some(text.as_ref()),
            _ => {
                self.mistyped("a string");
                None
            }
        }
    }

    pub(crate) fn boolean(&self) -> Option<bool> {
        match self.raw() {
            DeValue::Boolean(truth) => Some(*truth),
            _ => {
                self.mistyped("`true` or `false`");
                None
            }
        }
    }

    /// A whole number within bounds.
    pub(crate) fn integer(&self, least: i64, most: i64) -> Option<i64> {
        let DeValue::Integer(digits) = self.raw() else {
            self.mistyped("a whole number");
            return None;
        };
        match i64::from_str_radix(digits.as_str(), digits.radix()) {
            Ok(number) if (least..=most).contains(&number) => Some(number),
            _ => {
                let bounds =
                    if most == i64::MAX { format!("at least {least}") } else { format!("from {least} to {most}") };
                self.reject(format!("`{}` should be {bounds}", self.name));
                None
            }
        }
    }

    /// A string that `read` understands; what it says of one that it doesn't is noted.
    pub(crate) fn parsed<T, E: std::fmt::Display>(&self, read: impl FnOnce(&str) -> Result<T, E>) -> Option<T> {
        let text = self.string()?;
        read(text).map_err(|why| self.reject(format!("`{}`: {why}", self.name))).ok()
    }

    /// One of a few words.
    pub(crate) fn choice<T: Copy>(&self, choices: &[(&'static str, T)]) -> Option<T> {
        let text = self.string()?;
        let found = choices.iter().find(|(word, _)| *word == text).map(|(_, choice)| *choice);
        if found.is_none() {
            let words: Vec<String> = choices.iter().map(|(word, _)| format!("`{word}`")).collect();
            let near = match likely(text, choices.iter().map(|(word, _)| *word)) {
                Some(near) => format!("; did you mean `{near}`?"),
                None => String::new(),
            };
            self.reject(format!("`{}` is one of {}, and not `{text}`{near}", self.name, words.join(", ")));
        }
        found
    }

    /// Strings, each with its span, none twice.
    pub(crate) fn strings(&self) -> Option<Vec<(&'d str, Range<usize>)>> {
        let DeValue::Array(items) = self.raw() else {
            self.mistyped("a list of strings");
            return None;
        };
        let mut out: Vec<(&str, Range<usize>)> = Vec::new();
        let mut sound = true;
        for item in items {
            let DeValue::String(text) = item.get_ref() else {
                sound = false;
                self.reject_at(
                    &item.span(),
                    format!("`{}` should be a list of strings, and this is {}", self.name, article(item.get_ref())),
                );
                continue;
            };
            if out.iter().any(|(seen, _)| *seen == &**text) {
                sound = false;
                self.reject_at(&item.span(), format!("`{text}` is in `{}` twice: once is enough", self.name));
                continue;
            }
            out.push((text.as_ref(), item.span()));
        }
        sound.then_some(out)
    }

    /// How messages name it.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }
}

/// A value's type, as a message says it.
fn article(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(_) => "a boolean",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}
