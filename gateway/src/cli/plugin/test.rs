//! `mountgate plugin test`

use std::sync::Arc;

use anyhow::Context as _;
use mountgate_policy::Plugin;

use super::{Exit, Output, inspect};
use crate::{
    cli::output::say,
    plugin::{
        build::{admit, build},
        capture::Captured,
        cases::{Answer, Case, Outcome, run},
        notation,
        project::Project,
    },
};

/// The project's component: built, or as it is.
pub(super) fn component(project: &Project, no_build: bool) -> anyhow::Result<Arc<Plugin>> {
    if !no_build {
        return Ok(build(project, &|text| say(text))?.plugin);
    }
    let path = project.component();
    let bytes = std::fs::read(&path)
        .with_context(|| format!("`{}` can't be read: run `mountgate plugin build`", path.display()))?;
    admit(project, &bytes)
}

pub(super) fn cases(
    project: &Project,
    no_build: bool,
    only: Option<&str>,
    output: &mut Output,
) -> anyhow::Result<Exit> {
    // Read first: a mistake in a case is told before a build that may take a minute.
    let mut cases = Case::load_dir(&project.cases())?;
    cases.retain(|case| only.is_none_or(|only| case.name.contains(only)));
    anyhow::ensure!(!cases.is_empty(), "no case has `{}` in its name", only.unwrap_or_default());
    let plugin = component(project, no_build)?;
    let outcomes: Vec<Outcome> = cases.iter().map(|case| run(case, &plugin)).collect();
    tell(&outcomes, output)
}

/// Tells how cases went.
pub(super) fn tell(outcomes: &[Outcome], output: &mut Output) -> anyhow::Result<Exit> {
    let failed = outcomes.iter().filter(|outcome| !outcome.passed).count();
    if output.is_json() {
        output.data(&serde_json::json!({ "passed": outcomes.len() - failed, "failed": failed, "cases": outcomes }))?;
        return Ok(if failed == 0 { Exit::Done } else { Exit::Failed });
    }
    let rows: Vec<Vec<String>> = outcomes.iter().map(row).collect();
    output.table(&["", "case", "verdict", "time", "memory", "not compared"], &rows)?;
    for outcome in outcomes.iter().filter(|outcome| !outcome.passed || !outcome.trace.is_empty()) {
        detail(outcome, output)?;
    }
    output.line(format!("{} passed, {failed} failed", outcomes.len() - failed))?;
    Ok(if failed == 0 { Exit::Done } else { Exit::Failed })
}

fn row(outcome: &Outcome) -> Vec<String> {
    vec![
        if outcome.passed { "ok" } else { "FAILED" }.to_owned(),
        outcome.case.clone(),
        word(&outcome.answer),
        format!("{} µs", outcome.decide_micros),
        inspect::bytes(outcome.memory_bytes),
        if outcome.unchecked.is_empty() { "-".to_owned() } else { outcome.unchecked.join(", ") },
    ]
}

fn word(answer: &Answer) -> String {
    match answer {
        Answer::Verdict { verdict, .. } => {
            notation::verdict(verdict).first().map(|line| short(line)).unwrap_or_default()
        }
        Answer::Fault { code, .. } => format!("fault {code}"),
    }
}

/// As much of a line as a table has room for.
fn short(line: &str) -> String {
    const ROOM: usize = 32;
    if line.chars().count() <= ROOM { line.to_owned() } else { line.chars().take(ROOM - 1).chain(['…']).collect() }
}

fn detail(outcome: &Outcome, output: &mut Output) -> anyhow::Result<()> {
    output.line(format!("\n{}", outcome.case))?;
    match &outcome.answer {
        Answer::Verdict { verdict, .. } => {
            for line in notation::verdict(verdict) {
                output.line(format!("  {line}"))?;
            }
        }
        Answer::Fault { code, text } => output.line(format!("  fault {code}: {text}"))?,
    }
    for difference in &outcome.differences {
        output.line(format!("  {}: expected {}, got {}", difference.what, difference.wanted, difference.got))?;
    }
    for line in outcome.trace.lines() {
        output.line(format!("  | {line}"))?;
    }
    Ok(())
}

/// Asks the policy what a gateway was asked, and shows both answers.
pub(super) fn captured(
    project: &Project,
    no_build: bool,
    found: &Captured,
    output: &mut Output,
) -> anyhow::Result<Exit> {
    let plugin = component(project, no_build)?;
    for note in &found.notes {
        say(format!("note: {note}"));
    }
    let outcome = run(&found.case, &plugin);
    if !output.is_json() {
        match &outcome.answer {
            Answer::Verdict { verdict, .. } => {
                for line in notation::verdict(verdict) {
                    output.line(line)?;
                }
            }
            Answer::Fault { code, text } => output.line(format!("fault {code}: {text}"))?,
        }
    }
    tell(&[outcome], output)
}
