//! What shadows would have decided, as the ledger has it: the dangerous first, each with a decision to look at.

use std::collections::BTreeMap;

use mountgate_core::{AgentName, MountName};
use mountgate_ledger::{Entry, LedgerError};
use serde::{Deserialize, Serialize};

/// How verdicts can stand to each other, the dangerous first.
const OUTCOMES: [(&str, &str); 8] = [
    ("granted", "would be granted, and was denied"),
    ("wider", "would be shown more"),
    ("past_ceiling", "the shadow reaches past the ceiling: would be denied, as its fault"),
    ("failed", "the shadow fails: would be denied"),
    ("denied", "would be denied, and was granted"),
    ("narrower", "would be shown less"),
    ("unjudged", "the policy in force failed: nothing to compare with"),
    ("same", "the same"),
];

/// What shadows would have decided.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// By mount, agent and candidate.
    pub shadows: Vec<Compared>,
    /// Requests that there was no time to compare.
    pub missed: u64,
}

/// One candidate beside one policy, for one agent of a mount.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Compared {
    /// The mount.
    pub mount: MountName,
    /// The agent.
    pub agent: AgentName,
    /// The candidate's name in configuration.
    pub policy: String,
    /// The candidate's component.
    pub plugin: String,
    /// The digest of its settings.
    pub settings: String,
    /// The component in force.
    pub in_force: String,
    /// Requests compared.
    pub compared: u64,
    /// How they came out, the dangerous first; what did not come is absent.
    pub outcomes: Vec<Told>,
}

/// One outcome.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Told {
    /// Its word.
    pub outcome: &'static str,
    /// What it means.
    pub meaning: &'static str,
    /// How often.
    pub count: u64,
    /// What was different, the most frequent first, with a decision for each. Empty for `same`.
    pub examples: Vec<Example>,
}

/// A difference, and where to see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Example {
    /// What is different.
    pub changes: Vec<String>,
    /// How often.
    pub count: u64,
    /// The last decision of which that holds.
    pub decision: String,
}

#[derive(Deserialize)]
struct Record {
    id: String,
    mount: MountName,
    agent: AgentName,
    policy: String,
    plugin: String,
    settings: String,
    in_force: String,
    outcome: String,
    #[serde(default)]
    changes: Vec<String>,
    missed: u64,
}

type Key = (MountName, AgentName, String, String, String, String);

/// By what was different: how often, and the last decision of which that holds.
type Seen = BTreeMap<Vec<String>, (u64, String)>;

/// Counts records as they are read.
#[derive(Default)]
pub struct Reporter {
    groups: BTreeMap<Key, BTreeMap<&'static str, Seen>>,
    missed: u64,
}

impl Reporter {
    /// Takes a record of the kind `shadow`; others are passed over.
    ///
    /// # Errors
    /// Where it is none after all.
    pub fn take(&mut self, entry: &Entry) -> Result<(), LedgerError> {
        if entry.kind() != "shadow" {
            return Ok(());
        }
        let record: Record = serde_json::from_value(entry.record()?)?;
        self.missed = self.missed.saturating_add(record.missed);
        let Record { id, mount, agent, policy, plugin, settings, in_force, outcome, changes, .. } = record;
        // A word that this version does not know is no reason to count it as harmless.
        let outcome = OUTCOMES.iter().find(|(word, _)| *word == outcome).map_or("wider", |(word, _)| word);
        let group = self.groups.entry((mount, agent, policy, plugin, settings, in_force)).or_default();
        let (count, last) = group.entry(outcome).or_default().entry(changes).or_default();
        *count = count.saturating_add(1);
        *last = id;
        Ok(())
    }

    /// The report, with so many examples of each outcome.
    pub fn report(self, examples: usize) -> Report {
        let shadows = self.groups.into_iter().map(|((mount, agent, policy, plugin, settings, in_force), found)| {
            let outcomes: Vec<Told> = OUTCOMES
                .iter()
                .filter_map(|(outcome, meaning)| {
                    let mut all: Vec<Example> = found
                        .get(outcome)?
                        .iter()
                        .map(|(changes, (count, decision))| Example {
                            changes: changes.clone(),
                            count: *count,
                            decision: decision.clone(),
                        })
                        .collect();
                    all.sort_by_key(|example| std::cmp::Reverse(example.count));
                    let count = all.iter().map(|example| example.count).sum();
                    all.truncate(if *outcome == "same" { 0 } else { examples });
                    Some(Told { outcome, meaning, count, examples: all })
                })
                .collect();
            let compared = outcomes.iter().map(|told| told.count).sum();
            Compared { mount, agent, policy, plugin, settings, in_force, compared, outcomes }
        });
        Report { shadows: shadows.collect(), missed: self.missed }
    }
}
