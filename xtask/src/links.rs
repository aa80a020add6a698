//! Links in the documents: to files that are there and, where the text names a symbol, hold it.
//!
//! `ARCHITECTURE.md` says of each invariant which type and which test hold it. A name that has gone since must fail the
//! build, or the table is a claim that nobody checks.

use std::{fs, path::Path};

use anyhow::{Context as _, Result, bail};

use crate::tools;

const DOCUMENTS: [&str; 4] = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md"];

/// A link: its text, its target, and the line that it stands in.
#[derive(Debug, PartialEq, Eq)]
struct Link {
    text: String,
    target: String,
    line: usize,
}

/// Checks all documents.
pub(crate) fn check() -> Result<()> {
    let root = tools::root()?;
    let (mut checked, mut wrong) = (0, Vec::new());
    for document in DOCUMENTS {
        let text = fs::read_to_string(root.join(document)).with_context(|| format!("reading {document}"))?;
        for link in links(&text) {
            checked += 1;
            if let Err(why) = follow(&root, &link) {
                wrong.push(format!("{document}:{}: [{}]({}): {why}", link.line, link.text, link.target));
            }
        }
        if document == "ARCHITECTURE.md" {
            wrong.extend(rows_without_a_test(&text));
        }
    }
    if !wrong.is_empty() {
        bail!("{} of {checked} links lead nowhere:\n{}", wrong.len(), wrong.join("\n"));
    }
    println!("── links: {checked} links in {} documents lead to what they name", DOCUMENTS.len());
    Ok(())
}

fn follow(root: &Path, link: &Link) -> Result<(), String> {
    if link.target.contains("://") || link.target.starts_with('#') || link.target.starts_with("mailto:") {
        return Ok(());
    }
    let path = link.target.split('#').next().unwrap_or_default();
    let full = root.join(path);
    if !full.exists() {
        return Err(format!("`{path}` is not there"));
    }
    let Some(symbol) = link.text.strip_prefix('`').and_then(|text| text.strip_suffix('`')) else { return Ok(()) };
    if !path.ends_with(".rs") || symbol.contains(['/', '.', ' ']) {
        return Ok(());
    }
    let source = fs::read_to_string(&full).map_err(|error| error.to_string())?;
    let names: Vec<&str> = symbol.split("::").collect();
    let (last, owners) = names.split_last().ok_or("no symbol")?;
    if let Some(owner) = owners.iter().find(|owner| !mentions(&source, owner)) {
        return Err(format!("`{path}` does not mention `{owner}`"));
    }
    if !defines(&source, last) {
        return Err(format!("`{path}` defines no `{last}`"));
    }
    if is_test_file(path)
        && owners.is_empty()
        && last.chars().all(|c| !c.is_ascii_uppercase())
        && !is_test(&source, last)
    {
        return Err(format!("`{last}` in `{path}` is no test"));
    }
    Ok(())
}

fn is_test_file(path: &str) -> bool {
    path.ends_with("/tests.rs") || path.contains("/tests/") && !path.starts_with("tests/src/")
}

/// Whether a function of that name stands under a test attribute (a few lines above at most: `#[cfg(…)]` may be there too).
fn is_test(source: &str, name: &str) -> bool {
    let lines: Vec<&str> = source.lines().collect();
    // A property's name stands inside `proptest! { … }`, with its own attribute all the same.
    lines.iter().enumerate().any(|(at, line)| {
        line.contains(&format!("fn {name}("))
            && lines.iter().take(at).rev().take(6).take_while(|line| !line.contains('}')).any(|line| {
                let line = line.trim();
                line.starts_with("#[") && line.contains("test")
            })
    })
}

fn mentions(source: &str, word: &str) -> bool {
    positions(source, word).next().is_some()
}

/// Whether an item or a variant of that name begins there.
fn defines(source: &str, name: &str) -> bool {
    const ITEMS: [&str; 9] = ["fn", "struct", "enum", "trait", "type", "const", "static", "mod", "macro_rules!"];
    positions(source, name).any(|at| {
        let (before, after) = (source.get(..at).unwrap_or_default(), source.get(at + name.len()..).unwrap_or_default());
        let word_before = before.trim_end().rsplit(|c: char| c.is_whitespace()).next().unwrap_or_default();
        let first_on_line = before.rsplit('\n').next().unwrap_or_default().trim().is_empty();
        let variant = first_on_line && after.trim_start_matches(' ').starts_with([',', '(', '{', '=', ':', '\n']);
        ITEMS.contains(&word_before) || variant
    })
}

fn positions<'a>(source: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    let of_word = |c: char| c.is_alphanumeric() || c == '_';
    source.match_indices(word).map(|(at, _)| at).filter(move |at| {
        let before = source.get(..*at).and_then(|text| text.chars().next_back());
        let after = source.get(at + word.len()..).and_then(|text| text.chars().next());
        !before.is_some_and(of_word) && !after.is_some_and(of_word)
    })
}

/// Every row of the invariants' table (its first cell a number) links to a test.
fn rows_without_a_test(text: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut rows = 0;
    for (line, row) in text.lines().enumerate() {
        let first = row.strip_prefix('|').and_then(|rest| rest.split('|').next()).unwrap_or_default().trim();
        if first.parse::<u32>().is_err() {
            continue;
        }
        rows += 1;
        let tested = links(row).iter().any(|link| link.target.contains("tests"));
        if !tested {
            wrong.push(format!("ARCHITECTURE.md:{}: invariant {first} links to no test", line + 1));
        }
    }
    if rows == 0 {
        wrong.push("ARCHITECTURE.md: the table of invariants is missing".to_owned());
    }
    wrong
}

/// The links of a document, those in fenced code left out.
fn links(text: &str) -> Vec<Link> {
    let mut found = Vec::new();
    let mut in_code = false;
    for (line, content) in text.lines().enumerate() {
        if content.trim_start().starts_with("```") {
            in_code = !in_code;
        }
        if in_code {
            continue;
        }
        let mut rest = content;
        while let Some((before, after)) = rest.split_once("](") {
            let Some((target, next)) = after.split_once(')') else { break };
            if let Some((_, text)) = before.rsplit_once('[') {
                found.push(Link { text: text.to_owned(), target: target.to_owned(), line: line + 1 });
            }
            rest = next;
        }
    }
    found
}

#[cfg(test)]
mod tests;
