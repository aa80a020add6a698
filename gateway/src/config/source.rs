//! A file of configuration and what is wrong with it: file, line, column, the line itself, the next step.

use std::{cell::RefCell, fmt, ops::Range, path::PathBuf, rc::Rc, sync::Arc};

use serde::Serialize;
use toml::de::{DeTable, DeValue};

/// A file of configuration: where it is, how messages name it, and its text.
#[derive(Debug, PartialEq, Eq)]
pub struct Source {
    /// Where it is.
    pub path: PathBuf,
    /// How messages name it: relative to the configuration's folder.
    pub shown: String,
    /// Its text.
    pub text: String,
}

impl Source {
    /// A problem with the key of that path, at the one value (or key) `culprit` within it where that is given.
    pub fn point(&self, place: &[String], culprit: Option<&str>, message: &str) -> Problem {
        let (document, _) = DeTable::parse_recoverable(&self.text);
        let mut span = document.span();
        let mut table = Some(document.get_ref());
        let mut found = None;
        for part in place {
            let Some((key, value)) = table.and_then(|table| table.get_key_value(part.as_str())) else { break };
            span = key.span();
            table = value.get_ref().as_table();
            found = Some(value.get_ref());
        }
        if let Some(culprit) = culprit {
            let inner = match found {
                Some(DeValue::Array(items)) => {
                    items.iter().find(|item| item.get_ref().as_str() == Some(culprit)).map(|item| item.span())
                }
                Some(DeValue::Table(entries)) => entries.get_key_value(culprit).map(|(key, _)| key.span()),
                _ => None,
            };
            span = inner.unwrap_or(span);
        }
        Problem::at(self, span, message)
    }

    /// Line and column of a byte offset, from 1; columns count characters.
    fn position(&self, at: usize) -> (usize, usize) {
        let before = self.text.get(..at).unwrap_or(&self.text);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        (line, column)
    }
}

/// Something that is wrong with the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// The file, relative to the configuration's folder.
    pub file: String,
    /// The line, from 1; 0 where the problem is the file itself.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// What is wrong, and what to do about it.
    pub message: String,
    /// The line, and how many of its characters are meant.
    #[serde(skip)]
    excerpt: Option<(String, usize)>,
}

impl Problem {
    /// A problem with a stretch of a file.
    pub fn at(source: &Source, span: Range<usize>, message: impl Into<String>) -> Self {
        let (line, column) = source.position(span.start);
        let text = source.text.split('\n').nth(line - 1).unwrap_or_default().trim_end_matches('\r');
        let text = concealed(text);
        let marked = source.text.get(span).unwrap_or_default().split('\n').next().unwrap_or_default();
        let width = marked.trim_end().chars().count().max(1);
        Self { file: source.shown.clone(), line, column, message: message.into(), excerpt: Some((text, width)) }
    }

    /// The same, with nothing shown of the line after the stretch: what stands under a key that nobody knows may be
    /// a secret.
    pub(crate) fn alone(mut self) -> Self {
        if let Some((text, width)) = &mut self.excerpt {
            let shown = (self.column - 1).saturating_add(*width);
            if text.chars().skip(shown).any(|c| c == '=') {
                *text = text.chars().take(shown).chain(" …".chars()).collect();
            }
        }
        self
    }

    /// A problem with a file or folder as a whole.
    pub fn of_file(file: impl Into<String>, message: impl Into<String>) -> Self {
        Self { file: file.into(), line: 0, column: 0, message: message.into(), excerpt: None }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "error: {}", self.message)?;
        let Some((text, width)) = &self.excerpt else { return write!(f, "  --> {}", self.file) };
        writeln!(f, "  --> {}:{}:{}", self.file, self.line, self.column)?;
        let gutter = self.line.to_string();
        let blank = " ".repeat(gutter.len());
        // A tab in the line stays a tab below it, so that the caret stands under its mark.
        let indent: String = text.chars().take(self.column - 1).map(|c| if c == '\t' { '\t' } else { ' ' }).collect();
        writeln!(f, " {blank} |")?;
        writeln!(f, " {gutter} | {text}")?;
        let width = (*width).min(text.chars().count().saturating_sub(self.column - 1)).max(1);
        write!(f, " {blank} | {indent}{}", "^".repeat(width))
    }
}

/// A line as messages show it. What may be a secret is not shown: problems are printed, and logged on a reload.
fn concealed(line: &str) -> String {
    let lower = line.to_lowercase();
    let telling = ["pass", "pwd", "secret", "token", "master", "credential", "://"];
    match line.split_once('=') {
        Some((key, _)) if telling.iter().any(|word| lower.contains(word)) => format!("{key}= …"),
        _ => line.to_owned(),
    }
}

/// Everything that is wrong, in the order of files and lines.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Problems(pub Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for problem in &self.0 {
            writeln!(f, "{problem}\n")?;
        }
        match self.0.len() {
            1 => write!(f, "1 error in the configuration"),
            n => write!(f, "{n} errors in the configuration"),
        }
    }
}

impl std::error::Error for Problems {}

/// Where problems of one file are noted while it is read.
#[derive(Clone)]
pub(crate) struct Notes {
    pub(crate) source: Arc<Source>,
    problems: Rc<RefCell<Vec<(usize, Problem)>>>,
}

impl Notes {
    pub(crate) fn new(source: Arc<Source>) -> Self {
        Self { source, problems: Rc::default() }
    }

    pub(crate) fn note(&self, span: &Range<usize>, message: impl Into<String>) {
        self.problems.borrow_mut().push((span.start, Problem::at(&self.source, span.clone(), message)));
    }

    /// Notes a problem with a key, and shows nothing of what stands under it.
    pub(crate) fn note_key(&self, span: &Range<usize>, message: impl Into<String>) {
        self.problems.borrow_mut().push((span.start, Problem::at(&self.source, span.clone(), message).alone()));
    }

    /// The problems, in the order of the file.
    pub(crate) fn take(&self) -> Vec<Problem> {
        let mut problems = self.problems.take();
        problems.sort_by_key(|(at, _)| *at);
        problems.into_iter().map(|(_, problem)| problem).collect()
    }
}
