//! What commands print: data on standard output, words to a person on standard error.

use std::io::{self, Write};

use serde::Serialize;

/// Where data goes, and in which form.
pub struct Output {
    json: bool,
    to: Box<dyn Write>,
}

impl Output {
    /// To standard output.
    pub fn new(json: bool) -> Self {
        Self { json, to: Box::new(io::stdout()) }
    }

    /// To somewhere else.
    pub fn to(json: bool, to: impl Write + 'static) -> Self {
        Self { json, to: Box::new(to) }
    }

    /// Whether JSON is wanted.
    pub(super) fn is_json(&self) -> bool {
        self.json
    }

    /// A line of text.
    pub(super) fn line(&mut self, text: impl AsRef<str>) -> io::Result<()> {
        writeln!(self.to, "{}", text.as_ref())
    }

    /// Data, as indented JSON.
    pub(super) fn data(&mut self, data: &impl Serialize) -> anyhow::Result<()> {
        serde_json::to_writer_pretty(&mut self.to, data)?;
        writeln!(self.to)?;
        Ok(())
    }

    /// Rows under headings, each column as wide as its widest cell.
    pub(super) fn table(&mut self, headings: &[&str], rows: &[Vec<String>]) -> io::Result<()> {
        let width = |at: usize| {
            let cells = rows.iter().filter_map(|row| row.get(at)).map(|cell| cell.chars().count());
            cells.chain(headings.get(at).map(|heading| heading.chars().count())).max().unwrap_or(0)
        };
        let headings: Vec<String> = headings.iter().map(|heading| heading.to_uppercase()).collect();
        for row in std::iter::once(&headings).chain(rows) {
            let mut line = String::new();
            for (at, cell) in row.iter().enumerate() {
                line.push_str(cell);
                line.extend(std::iter::repeat_n(' ', (width(at) + 2).saturating_sub(cell.chars().count())));
            }
            writeln!(self.to, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

/// A moment for people: `2026-11-24T08:53:01Z`.
pub(super) fn moment(unix_ms: i64) -> String {
    jiff::Timestamp::from_second(unix_ms.div_euclid(1000)).map_or_else(|_| unix_ms.to_string(), |at| at.to_string())
}

/// A moment that may not have come.
pub(super) fn maybe(unix_ms: Option<i64>) -> String {
    unix_ms.map_or_else(|| "-".to_owned(), moment)
}

/// A word to whoever sits at the terminal; never data.
pub(super) fn say(text: impl AsRef<str>) {
    eprintln!("{}", text.as_ref());
}
