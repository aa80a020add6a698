//! What came of a replay: differences, the dangerous first, each with requests to look at.

use std::collections::BTreeMap;

use data_encoding::HEXLOWER;
use mountgate_core::{AgentName, Digest, MountName, Touch};
use mountgate_mediate::replay::{Past, Replayed};
use serde::Serialize;

use super::Accepted;

/// The length of a difference's id, in hexadecimal digits.
pub(super) const ID: usize = 24;
/// Differences that are told apart. Beyond, new grants are counted and can't be accepted one by one.
const KEPT: usize = 10_000;

/// How outcomes are ordered, and what they mean.
const OUTCOMES: [(&str, &str); 6] = [
    ("granted", "was refused, and would be granted"),
    ("wider", "would be shown more, or otherwise"),
    ("past_ceiling", "the policy would reach past the ceiling: refused, as its fault"),
    ("failed", "the policy would fail: refused"),
    ("denied", "was granted, and would be refused"),
    ("narrower", "would be shown less"),
];

/// What came of it.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Replay {
    /// Records looked at, of every kind.
    pub records: u64,
    /// Requests asked again.
    pub replayed: u64,
    /// Those of which nothing would be different.
    pub same: u64,
    /// Requests of agents with a policy of their own, and of other mounts: not asked again.
    pub other: u64,
    /// Refused by the gateway before any policy was asked, by code: a policy changes nothing of that. What another mount's
    /// file shows that the one in force does not is told as the ceiling's difference.
    pub not_asked: BTreeMap<String, u64>,
    /// Requests that are not judged, by why, each with the last one.
    pub unjudged: BTreeMap<String, (u64, String)>,
    /// New grants beyond the differences that are told apart.
    pub more_new_grants: u64,
    /// Other differences beyond those.
    pub more: u64,
    #[serde(skip)]
    found: BTreeMap<Key, Difference>,
}

/// By outcome's place, mount, agent, and everything that is different.
type Key = (usize, MountName, Option<AgentName>, String, Vec<String>, Option<Digest>);

/// Requests of which the same is different.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// What it is accepted by: the same for the same change of the same kind of request, whatever ledger it is found in.
    pub id: Option<String>,
    /// In a word: `granted`, `wider`, `past_ceiling`, `failed`, `denied`, `narrower`.
    pub outcome: &'static str,
    /// The mount.
    pub mount: MountName,
    /// The agent; none for what the mount's ceiling shows to all.
    pub agent: Option<AgentName>,
    /// What the requests touch.
    pub touch: String,
    /// What is different, the dangerous first.
    pub changes: Vec<String>,
    /// How many requests.
    pub requests: u64,
    /// The first of them.
    pub first: Option<String>,
    /// The last.
    pub last: Option<String>,
}

impl Difference {
    /// Whether something could come back that could not before.
    pub fn is_new_grant(&self) -> bool {
        matches!(self.outcome, "granted" | "wider")
    }

    /// What the outcome means.
    pub fn meaning(&self) -> &'static str {
        OUTCOMES.iter().find(|(word, _)| *word == self.outcome).map_or("", |(_, meaning)| meaning)
    }
}

/// A request that was asked again.
pub(super) struct Asked<'a> {
    pub(super) id: &'a str,
    pub(super) mount: &'a MountName,
    pub(super) agent: &'a AgentName,
    pub(super) past: &'a Past,
}

impl Replay {
    /// Every difference, the dangerous first.
    pub fn differences(&self) -> impl Iterator<Item = &Difference> {
        self.found.values()
    }

    /// How many differences newly grant something and are not accepted.
    pub fn new_grants(&self, accepted: &Accepted) -> u64 {
        let found = self.differences().filter(|one| one.is_new_grant() && !accepted.takes(one.id.as_deref())).count();
        // Not told apart, so not accepted but with all.
        let more = if accepted.takes(None) { 0 } else { self.more_new_grants };
        more.saturating_add(found as u64)
    }

    pub(super) fn unjudged(&mut self, why: &str, id: &str) {
        let (count, last) = self.unjudged.entry(why.to_owned()).or_default();
        *count = count.saturating_add(1);
        id.clone_into(last);
    }

    pub(super) fn not_asked(&mut self, code: &str) {
        let count = self.not_asked.entry(code.to_owned()).or_default();
        *count = count.saturating_add(1);
    }

    pub(super) fn judged(&mut self, asked: &Asked<'_>, replayed: &Replayed) {
        self.replayed = self.replayed.saturating_add(1);
        let touch = spelt(&asked.past.touch);
        self.note(asked.mount, Some(asked.agent), touch, replayed, Some(asked.id));
    }

    /// What the mount's ceiling shows otherwise, whoever asks.
    pub(super) fn ceiling(&mut self, mount: &MountName, replayed: &Replayed) {
        self.note(mount, None, "its ceiling".to_owned(), replayed, None);
    }

    fn note(
        &mut self,
        mount: &MountName,
        agent: Option<&AgentName>,
        touch: String,
        replayed: &Replayed,
        id: Option<&str>,
    ) {
        let Some(place) = OUTCOMES.iter().position(|(word, _)| *word == replayed.outcome) else {
            self.same = self.same.saturating_add(u64::from(id.is_some()));
            return;
        };
        let key = (place, mount.clone(), agent.cloned(), touch.clone(), replayed.changes.clone(), replayed.grant);
        if self.found.len() >= KEPT && !self.found.contains_key(&key) {
            let more = if replayed.is_new_grant() { &mut self.more_new_grants } else { &mut self.more };
            *more = more.saturating_add(1);
            return;
        }
        let accepted_by = replayed.grant.and_then(|_| serde_json::to_vec(&key).ok());
        let found = self.found.entry(key).or_insert_with(|| Difference {
            id: accepted_by.map(|spelt| HEXLOWER.encode(Digest::of(&spelt).as_bytes()).chars().take(ID).collect()),
            outcome: replayed.outcome,
            mount: mount.clone(),
            agent: agent.cloned(),
            touch,
            changes: replayed.changes.clone(),
            requests: 0,
            first: id.map(str::to_owned),
            last: None,
        });
        found.requests = found.requests.saturating_add(u64::from(id.is_some()));
        found.last = id.map(str::to_owned);
    }
}

/// `read orders (order_id filtered, status projected)`.
fn spelt(touch: &Touch) -> String {
    let relations = touch.relations.iter().map(|relation| {
        let columns = relation.columns.iter().map(|(column, uses)| {
            let uses: Vec<&str> = uses.iter().map(mountgate_core::Use::label).collect();
            format!("{column} {}", uses.join("+"))
        });
        format!("{} ({})", relation.relation, columns.collect::<Vec<_>>().join(", "))
    });
    let verb = match touch.verb {
        mountgate_core::Verb::Read => "read",
        mountgate_core::Verb::Insert => "insert",
        mountgate_core::Verb::Update => "update",
        mountgate_core::Verb::Delete => "delete",
    };
    format!("{verb} {}", relations.collect::<Vec<_>>().join(", "))
}
