//! `mountgate plugin bench`

use std::{sync::Arc, time::Instant};

use mountgate_core::RequestMount;
use serde::Serialize;

use super::{Exit, Output, test::component};
use crate::plugin::{cases::Case, project::Project};

/// How long a case's decisions took, in microseconds, each in an instance of its own as on a gateway.
#[derive(Debug, Serialize)]
struct Measured {
    case: String,
    configure_micros: u64,
    median_micros: u64,
    p99_micros: u64,
    fastest_micros: u64,
}

pub(super) fn run(project: &Project, count: u32, output: &mut Output) -> anyhow::Result<Exit> {
    let cases = Case::load_dir(&project.cases())?;
    let plugin = component(project, false)?;
    let mut measured = Vec::new();
    for case in &cases {
        let Ok(ceiling) = case.mount.ceiling() else { continue };
        let mount = Arc::new(RequestMount::of(case.mount.name.clone(), &ceiling));
        let request = case.decision_request(&ceiling);
        let begun = Instant::now();
        // What refuses its settings, or can't decide, has no decision to measure.
        let Ok(policy) = plugin.configure(&case.settings.to_string(), &mount) else { continue };
        let configure_micros = micros(begun);
        let mut times = Vec::new();
        for _ in 0..count {
            let begun = Instant::now();
            if policy.decide(&request).is_err() {
                break;
            }
            times.push(micros(begun));
        }
        times.sort_unstable();
        let at = |part: usize| times.get((times.len() * part / 100).min(times.len().saturating_sub(1))).copied();
        let (Some(median_micros), Some(p99_micros), Some(fastest_micros)) = (at(50), at(99), at(0)) else { continue };
        measured.push(Measured {
            case: case.name.clone(),
            configure_micros,
            median_micros,
            p99_micros,
            fastest_micros,
        });
    }
    anyhow::ensure!(!measured.is_empty(), "no case gets a verdict: there is no decision to measure");
    if output.is_json() {
        output.data(&serde_json::json!({ "decisions": count, "cases": measured }))?;
        return Ok(Exit::Done);
    }
    let rows: Vec<Vec<String>> = measured
        .iter()
        .map(|one| {
            let time = |micros: u64| format!("{micros} µs");
            vec![
                one.case.clone(),
                time(one.median_micros),
                time(one.p99_micros),
                time(one.fastest_micros),
                time(one.configure_micros),
            ]
        })
        .collect();
    output.table(&["case", "median", "p99", "fastest", "configure"], &rows)?;
    output.line(format!("{count} decisions each, one after another, each in a fresh instance as on a gateway"))?;
    Ok(Exit::Done)
}

fn micros(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_micros()).unwrap_or(u64::MAX)
}
