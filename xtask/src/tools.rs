//! Running other programs so that what fails can be repeated by hand.

use std::{
    env,
    ffi::OsStr,
    fmt::Write as _,
    io::{BufRead as _, BufReader, IsTerminal as _, Read},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Instant,
};

use anyhow::{Context as _, Result, bail};

/// The repository's folder.
pub(crate) fn root() -> Result<PathBuf> {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    Ok(manifest.parent().context("xtask has no folder above it")?.to_owned())
}

/// Where builds go.
pub(crate) fn target_dir() -> Result<PathBuf> {
    let root = root()?;
    Ok(env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), |dir| root.join(dir)))
}

/// `cargo`, run in the repository's folder.
pub(crate) fn cargo() -> Result<Command> {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root()?);
    Ok(command)
}

/// The command as a person would type it.
pub(crate) fn by_hand(command: &Command) -> String {
    let mut out = String::new();
    for (name, value) in command.get_envs() {
        if let Some(value) = value {
            let _ = write!(out, "{}={} ", name.to_string_lossy(), quoted(value));
        }
    }
    let program = Path::new(command.get_program());
    // cargo's own path says nothing that `cargo` does not.
    let is_cargo = program.file_name() == Some(OsStr::new("cargo"));
    out.push_str(&if is_cargo { "cargo".to_owned() } else { quoted(program.as_os_str()) });
    for argument in command.get_args() {
        out.push(' ');
        out.push_str(&quoted(argument));
    }
    out
}

fn quoted(text: &OsStr) -> String {
    let text = text.to_string_lossy();
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,@+%".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text.into_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

/// Says what is done and does it.
///
/// # Errors
/// With the command to run by hand.
pub(crate) fn run(what: &str, command: &mut Command) -> Result<()> {
    let line = by_hand(command);
    println!("── {what}: {line}");
    let begun = Instant::now();
    let status = command.status().with_context(|| format!("{what}: can't run `{line}`"))?;
    if !status.success() {
        bail!("{what} failed ({status}); to see it again, run:\n    {line}");
    }
    println!("── {what}: done in {:.0} s", begun.elapsed().as_secs_f64());
    Ok(())
}

/// Runs it without a word, unless it fails.
///
/// # Errors
/// With what it said, and the command to run by hand.
pub(crate) fn quietly(what: &str, command: &mut Command) -> Result<String> {
    let line = by_hand(command);
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("{what}: can't run `{line}`"))?;
    if !output.status.success() {
        bail!(
            "{what} failed ({}); to see it again, run:\n    {line}\n{}{}",
            output.status,
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Whether a program is there and runs.
pub(crate) fn runs(command: &mut Command) -> bool {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// What tests counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    pub(crate) skipped: u64,
}

impl Counts {
    pub(crate) fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }

    /// The counts of a runner's closing line, if it is one: nextest's, cargo test's, or `3 passed, 0 failed`.
    fn of_line(line: &str) -> Option<Self> {
        let line = plain(line);
        let closing = line.contains("tests run:") || line.contains("test run:") || line.starts_with("test result:");
        let rest = match line.split_once("run:").or_else(|| line.split_once("test result:")) {
            Some((_, rest)) if closing => rest.to_owned(),
            _ if own_closing_line(&line) => line,
            _ => return None,
        };
        let mut counts = Self::default();
        let words: Vec<&str> = rest.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
        for pair in words.windows(2) {
            let [number, word] = pair else { continue };
            let Ok(number) = number.parse::<u64>() else { continue };
            match *word {
                "passed" => counts.passed += number,
                "failed" | "timed" => counts.failed += number,
                "skipped" | "ignored" => counts.skipped += number,
                _ => {}
            }
        }
        Some(counts)
    }
}

fn own_closing_line(line: &str) -> bool {
    let mut words = line.split(' ');
    words.next().is_some_and(|word| word.parse::<u64>().is_ok())
        && words.next() == Some("passed,")
        && words.next().is_some_and(|word| word.parse::<u64>().is_ok())
        && words.next().is_some_and(|word| word.trim_end_matches(',') == "failed")
}

/// The text without colours, trimmed.
fn plain(text: &str) -> String {
    let mut out = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c == '\u{1b}' {
            // To the letter that ends the sequence.
            let _ = chars.by_ref().find(char::is_ascii_alphabetic);
        } else {
            out.push(c);
        }
    }
    out.trim().to_owned()
}

/// Runs tests: shows what they say, and counts.
///
/// # Errors
/// Where they can't be run at all; failed ones are told by the second part of the answer.
pub(crate) fn counted(what: &str, command: &mut Command) -> Result<(Counts, Option<String>)> {
    let line = by_hand(command);
    println!("── {what}: {line}");
    let begun = Instant::now();
    if std::io::stdout().is_terminal() {
        command.env("CARGO_TERM_COLOR", "always");
    }
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("{what}: can't run `{line}`"))?;
    let stderr = child.stderr.take().map(|pipe| std::thread::spawn(move || shown(pipe)));
    let mut counts = child.stdout.take().map(shown).unwrap_or_default();
    if let Some(counted) = stderr.and_then(|thread| thread.join().ok()) {
        counts.add(counted);
    }
    let status = child.wait()?;
    println!("── {what}: {:.0} s, {} passed, {} failed", begun.elapsed().as_secs_f64(), counts.passed, counts.failed);
    if status.success() {
        return Ok((counts, None));
    }
    Ok((counts, Some(format!("{what} failed ({status}); to see it again, run:\n    {line}"))))
}

fn shown(pipe: impl Read) -> Counts {
    let mut counts = Counts::default();
    let mut reader = BufReader::new(pipe);
    let mut line = Vec::new();
    while reader.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
        let text = String::from_utf8_lossy(&line);
        println!("{}", text.trim_end_matches('\n'));
        if let Some(found) = Counts::of_line(&text) {
            counts.add(found);
        }
        line.clear();
    }
    counts
}

#[cfg(test)]
mod tests;
