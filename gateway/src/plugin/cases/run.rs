//! Running a case: on the host that serves, and no other way.

use std::{sync::Arc, time::Instant};

use mountgate_core::{RequestMount, Scope, Verdict};
use mountgate_policy::{Plugin, Rehearsal};
use serde::Serialize;

use super::{
    Case, Difference,
    expect::{Comparison, compare},
};

/// What a policy answered.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// A verdict that stays within the ceiling.
    Verdict {
        /// The verdict.
        verdict: Verdict,
        /// What it leaves of the ceiling; none for a denial.
        #[serde(skip_serializing_if = "Option::is_none")]
        scope: Option<Scope>,
    },
    /// None that counts: a denial, whatever it says.
    Fault {
        /// How: a code of the host's, or `past_ceiling`.
        code: String,
        /// In words.
        text: String,
    },
}

/// How a case went.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Outcome {
    /// The case.
    pub case: String,
    /// Whether the answer is as expected.
    pub passed: bool,
    /// What the policy answered.
    pub answer: Answer,
    /// What is not as expected.
    pub differences: Vec<Difference>,
    /// What the expectation says nothing of.
    pub unchecked: Vec<String>,
    /// How long `configure` and `decide` took together, in microseconds.
    pub micros: u64,
    /// How long `decide` took, in microseconds.
    pub decide_micros: u64,
    /// The instance's memory at its largest, in bytes.
    pub memory_bytes: u64,
    /// What the policy printed.
    pub trace: String,
}

/// Asks the plugin, and compares.
pub fn run(case: &Case, plugin: &Arc<Plugin>) -> Outcome {
    let begun = Instant::now();
    let ceiling = match case.mount.ceiling() {
        Ok(ceiling) => ceiling,
        // Read from a project, a case was checked; one that was signed may be another program's.
        Err(errors) => {
            let text = errors.first().map(ToString::to_string).unwrap_or_default();
            return Outcome::unrun(case, text);
        }
    };
    let mount = Arc::new(RequestMount::of(case.mount.name.clone(), &ceiling));
    let request = case.decision_request(&ceiling);
    let Rehearsal { verdict, micros, memory_bytes, trace } =
        plugin.rehearse(&case.settings.to_string(), &mount, &request);
    let answer = match verdict {
        Err(error) => Answer::fault(&error),
        Ok(verdict) => {
            let scope = match &verdict {
                Verdict::Deny { .. } => Ok(None),
                Verdict::Allow { grant, .. } | Verdict::Hold { grant, .. } => {
                    Scope::narrow(&ceiling, &case.request.touch, grant).map(Some)
                }
            };
            match scope {
                Ok(scope) => Answer::Verdict { verdict, scope },
                Err(error) => Answer::Fault { code: "past_ceiling".to_owned(), text: error.to_string() },
            }
        }
    };
    let Comparison { differences, unchecked } = compare(&case.expect, &answer, &ceiling, &case.request.touch);
    Outcome {
        case: case.name.clone(),
        passed: differences.is_empty(),
        answer,
        differences,
        unchecked,
        micros: u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX),
        decide_micros: micros,
        memory_bytes,
        trace,
    }
}

/// Why the first of the cases that fails does, where one does.
pub fn first_failure(cases: &[Case], plugin: &Arc<Plugin>) -> Option<String> {
    let first = cases.iter().map(|case| run(case, plugin)).find(|outcome| !outcome.passed)?;
    let why = first
        .differences
        .iter()
        .map(|difference| format!("`{}` should be {} and is {}", difference.what, difference.wanted, difference.got));
    let why: Vec<String> = why.collect();
    Some(format!("its case `{}` fails: {}", first.case, why.join("; ")))
}

impl Outcome {
    fn unrun(case: &Case, why: String) -> Self {
        Self {
            case: case.name.clone(),
            passed: false,
            differences: vec![Difference {
                what: "mount".to_owned(),
                wanted: "a ceiling".to_owned(),
                got: why.clone(),
            }],
            answer: Answer::Fault { code: "case_unsound".to_owned(), text: why },
            unchecked: vec![],
            micros: 0,
            decide_micros: 0,
            memory_bytes: 0,
            trace: String::new(),
        }
    }
}
