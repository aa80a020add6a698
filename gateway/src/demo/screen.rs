//! What the tour looks like: at most a hundred columns, colours on a terminal only.

use std::{fmt::Write as _, io::IsTerminal as _};

/// The widest line.
const WIDTH: usize = 100;
/// Where what a label names begins.
const INDENT: usize = 11;
/// The widest cell of a sheet.
const CELL: usize = 38;

/// Columns and rows as text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Sheet {
    pub(super) columns: Vec<String>,
    pub(super) rows: Vec<Vec<String>>,
}

/// How a text is meant.
#[derive(Clone, Copy)]
pub(super) enum Tone {
    Plain,
    Strong,
    Dim,
    Good,
    Bad,
    Sql,
}

/// Standard output.
#[derive(Clone, Copy)]
pub(super) struct Screen {
    colours: bool,
}

impl Screen {
    pub(super) fn new() -> Self {
        let wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Self { colours: wanted && std::io::stdout().is_terminal() }
    }

    #[cfg(test)]
    pub(super) fn plain() -> Self {
        Self { colours: false }
    }

    /// A word to whoever waits; never part of the tour.
    pub(super) fn say(self, text: &str) {
        eprintln!("{}", self.toned(Tone::Dim, text));
    }

    pub(super) fn toned(self, tone: Tone, text: &str) -> String {
        let code = match tone {
            _ if !self.colours => return text.to_owned(),
            Tone::Plain => return text.to_owned(),
            Tone::Strong => "1",
            Tone::Dim => "2",
            Tone::Good => "32",
            Tone::Bad => "31",
            Tone::Sql => "36",
        };
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    }

    /// A heading over the whole width.
    pub(super) fn heading(self, text: &str) -> String {
        let text = clip(text, WIDTH - 6);
        let rule = "─".repeat(WIDTH.saturating_sub(text.chars().count() + 4));
        format!(
            "\n{} {} {}\n",
            self.toned(Tone::Dim, "──"),
            self.toned(Tone::Strong, &text),
            self.toned(Tone::Dim, &rule)
        )
    }

    /// A label and what it names, wrapped where it is long.
    pub(super) fn labelled(self, label: &str, tone: Tone, text: &str) -> String {
        let mut out = String::new();
        let lines: Vec<String> = text.lines().flat_map(|line| wrap(line, WIDTH - INDENT)).collect();
        for (at, line) in lines.iter().enumerate() {
            let label = if at == 0 { label } else { "" };
            let _ = writeln!(
                out,
                "  {}{}",
                self.toned(Tone::Dim, &format!("{label:<width$}", width = INDENT - 2)),
                self.toned(tone, line)
            );
        }
        out
    }

    /// The first rows of a sheet.
    pub(super) fn sheet(self, sheet: &Sheet, most: usize) -> String {
        let mut out = String::new();
        let shown = sheet.rows.get(..most.min(sheet.rows.len())).unwrap_or_default();
        let cell = |text: &str| clip(&text.replace(char::is_control, " "), CELL);
        let width = |at: usize| {
            let cells = shown.iter().filter_map(|row| row.get(at)).chain(sheet.columns.get(at));
            cells.map(|text| cell(text).chars().count()).max().unwrap_or(0)
        };
        let lines = std::iter::once((&sheet.columns, Tone::Dim)).chain(shown.iter().map(|row| (row, Tone::Plain)));
        for (row, tone) in lines {
            let mut line = String::new();
            for (at, text) in row.iter().enumerate() {
                let text = cell(text);
                let pad = (width(at) + 2).saturating_sub(text.chars().count());
                line.push_str(&text);
                line.extend(std::iter::repeat_n(' ', pad));
            }
            let line = clip(line.trim_end(), WIDTH - INDENT);
            let _ = writeln!(out, "{:INDENT$}{}", "", self.toned(tone, &line));
        }
        if sheet.rows.len() > shown.len() {
            let more = format!("… and {} more", sheet.rows.len() - shown.len());
            let _ = writeln!(out, "{:INDENT$}{}", "", self.toned(Tone::Dim, &more));
        }
        out
    }
}

/// The text, cut to so many characters.
pub(super) fn clip(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let mut out: String = text.chars().take(most.saturating_sub(1)).collect();
    out.push('…');
    out
}

/// Lines of at most so many characters, broken between words, or within one that is longer than a line.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let lead: String = text.chars().take_while(|c| *c == ' ').collect();
    let (mut lines, mut line) = (Vec::new(), lead);
    let mut fresh = true;
    for word in text.split_whitespace() {
        let mut word: Vec<char> = word.chars().collect();
        if !fresh && line.chars().count() + 1 + word.len() > width {
            lines.push(std::mem::take(&mut line));
            fresh = true;
        }
        while word.len() > width {
            let rest = word.split_off(width);
            lines.push(word.into_iter().collect());
            word = rest;
        }
        if !fresh {
            line.push(' ');
        }
        line.extend(word);
        fresh = false;
    }
    lines.push(line);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_wider_than_a_hundred_columns() {
        let long = "x".repeat(250);
        let screen = Screen::plain();
        let sheet = Sheet { columns: vec![long.clone(); 5], rows: vec![vec![long.clone(); 5]; 9] };
        let words = "word ".repeat(80);
        for text in [
            screen.heading(&long),
            screen.labelled("asks", Tone::Sql, &long),
            screen.labelled("asks", Tone::Sql, &words),
            screen.sheet(&sheet, 3),
        ] {
            for line in text.lines() {
                assert!(line.chars().count() <= WIDTH, "{line}");
            }
        }
    }

    #[test]
    fn wrapping_keeps_every_word_and_indent() {
        assert_eq!(wrap("  SELECT a FROM b", 12), ["  SELECT a", "FROM b"]);
        assert_eq!(wrap("abcdefgh ij", 3), ["abc", "def", "gh", "ij"]);
        assert_eq!(wrap("", 3), [""]);
    }
}
