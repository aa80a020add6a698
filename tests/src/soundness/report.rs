//! What a run found: cases, acceptance per construct, refusals by reason, violations.

use std::{collections::BTreeMap, fmt::Write as _};

use mountgate_sql::Dialect;

use super::{grammar::CONSTRUCTS, judge::Judged};

/// Of one construct.
#[derive(Clone, Copy, Debug, Default)]
struct Count {
    cases: u64,
    valid: u64,
    accepted: u64,
}

/// Adds up.
#[derive(Debug, Default)]
pub struct Report {
    cases: u64,
    valid: u64,
    accepted: u64,
    answered: u64,
    arbitrary: u64,
    probes: u64,
    permissive: u64,
    mutants: u64,
    mutants_valid: u64,
    mutants_accepted: u64,
    constructs: BTreeMap<&'static str, Count>,
    refusals: BTreeMap<String, (u64, String)>,
    lax: BTreeMap<String, (u64, String)>,
    invalid: BTreeMap<String, (u64, String)>,
    mutants_refused: BTreeMap<String, (u64, String)>,
    /// Each with its case, statement and what is wrong.
    pub violations: Vec<String>,
    /// All violations, those not kept too.
    pub violated: u64,
}

/// Violations that are kept in full.
const KEPT: usize = 40;

impl Report {
    /// Counts a generated statement.
    pub fn count(&mut self, tags: impl Iterator<Item = &'static str>, sql: &str, judged: &Judged) {
        self.cases += 1;
        self.valid += u64::from(judged.valid);
        self.accepted += u64::from(judged.valid && judged.accepted);
        self.answered += u64::from(judged.answered);
        self.arbitrary += u64::from(judged.arbitrary);
        for tag in tags {
            let count = self.constructs.entry(tag).or_default();
            count.cases += 1;
            count.valid += u64::from(judged.valid);
            count.accepted += u64::from(judged.valid && judged.accepted);
        }
        if let (true, Some(refusal)) = (judged.valid, &judged.refusal) {
            let (count, example) = self.refusals.entry(refusal.clone()).or_default();
            *count += 1;
            if example.is_empty() || sql.len() < example.len() {
                sql.clone_into(example);
            }
        }
    }

    /// Notes a statement that the gateway answers though a direct connection does not take it.
    pub fn lax(&mut self, why: &str, sql: &str) {
        note(&mut self.lax, why, sql);
    }

    /// Notes why a direct connection took no statement: faults of the generator's own.
    pub fn invalid(&mut self, why: &str, sql: &str) {
        note(&mut self.invalid, why, sql);
    }

    /// Counts an attack by name or by predicate.
    pub fn probe(&mut self) {
        self.cases += 1;
        self.probes += 1;
    }

    /// Counts a statement asked of a permissive mount.
    pub fn permissive(&mut self) {
        self.permissive += 1;
    }

    /// Counts a statement made from others, apart from those of the grammar.
    pub fn mutant(&mut self, judged: &Judged, sql: &str) {
        self.cases += 1;
        self.probes += 1;
        self.mutants += 1;
        self.mutants_valid += u64::from(judged.valid);
        self.mutants_accepted += u64::from(judged.valid && judged.accepted);
        if let Some(why) = &judged.lax {
            self.lax(why, sql);
        }
        if let (true, Some(refusal)) = (judged.valid, &judged.refusal) {
            note(&mut self.mutants_refused, refusal, sql);
        }
    }

    /// Adds a violation.
    pub fn violation(&mut self, text: String) {
        self.violated += 1;
        if self.violations.len() < KEPT {
            self.violations.push(text);
        }
    }

    /// Whether there is room for another violation to be shrunk.
    pub fn wants_more(&self) -> bool {
        self.violations.len() < KEPT
    }

    /// Adds another's numbers.
    pub fn add(&mut self, other: Self) {
        self.cases += other.cases;
        self.valid += other.valid;
        self.accepted += other.accepted;
        self.answered += other.answered;
        self.arbitrary += other.arbitrary;
        self.probes += other.probes;
        self.permissive += other.permissive;
        self.mutants += other.mutants;
        self.mutants_valid += other.mutants_valid;
        self.mutants_accepted += other.mutants_accepted;
        for (tag, count) in other.constructs {
            let mine = self.constructs.entry(tag).or_default();
            mine.cases += count.cases;
            mine.valid += count.valid;
            mine.accepted += count.accepted;
        }
        for (mine, others) in [
            (&mut self.refusals, other.refusals),
            (&mut self.invalid, other.invalid),
            (&mut self.lax, other.lax),
            (&mut self.mutants_refused, other.mutants_refused),
        ] {
            for (why, (count, example)) in others {
                let entry = mine.entry(why).or_default();
                entry.0 += count;
                if entry.1.is_empty() || example.len() < entry.1.len() {
                    entry.1 = example;
                }
            }
        }
        self.violated += other.violated;
        self.violations.extend(other.violations);
    }

    /// Acceptance over all valid statements, in percent.
    pub fn acceptance(&self) -> f64 {
        percent(self.accepted, self.valid)
    }

    /// What falls short of what is asked for: 98 % overall, 95 % of each construct, each in 1 % of the cases.
    pub fn shortfalls(&self, dialect: Dialect) -> Vec<String> {
        let mut out = Vec::new();
        if self.acceptance() < 98.0 {
            out.push(format!("{:.2} % of valid statements are accepted, fewer than 98 %", self.acceptance()));
        }
        let statements = self.cases - self.probes;
        for (name, lite, post) in CONSTRUCTS {
            if !(if dialect == Dialect::Sqlite { *lite } else { *post }) {
                continue;
            }
            let count = self.constructs.get(name).copied().unwrap_or_default();
            if percent(count.accepted, count.valid) < 95.0 {
                out.push(format!("`{name}`: {:.2} % accepted, fewer than 95 %", percent(count.accepted, count.valid)));
            }
            if percent(count.cases, statements) < 1.0 {
                out.push(format!(
                    "`{name}` is in {:.2} % of the statements, fewer than 1 %",
                    percent(count.cases, statements)
                ));
            }
        }
        out
    }

    /// As text. `all`: with why statements were invalid.
    pub fn print(&self, dialect: Dialect, all: bool) -> String {
        let mut out = String::new();
        let statements = self.cases - self.probes;
        let _ = writeln!(
            out,
            "{} cases: {statements} statements ({} valid, {:.2} % of them accepted, {} answered with rows, {} of no certain \
             answer), {} attacks; {} asked of a permissive mount too",
            self.cases,
            self.valid,
            self.acceptance(),
            self.answered,
            self.arbitrary,
            self.probes - self.mutants,
            self.permissive
        );
        let _ = writeln!(
            out,
            "{} mutants of these and of the corpus ({} valid, {:.2} % of them accepted)",
            self.mutants,
            self.mutants_valid,
            percent(self.mutants_accepted, self.mutants_valid)
        );
        let _ = writeln!(out, "\n{:<24} {:>8} {:>8} {:>10}", "construct", "cases", "valid", "accepted");
        for (name, lite, post) in CONSTRUCTS {
            if if dialect == Dialect::Sqlite { *lite } else { *post } {
                let count = self.constructs.get(name).copied().unwrap_or_default();
                let _ = writeln!(
                    out,
                    "{name:<24} {:>7.2}% {:>7.2}% {:>9.2}%",
                    percent(count.cases, statements),
                    percent(count.valid, count.cases),
                    percent(count.accepted, count.valid)
                );
            }
        }
        let _ = writeln!(out, "\nrefusals of valid statements, by reason:");
        let mut refusals: Vec<_> = self.refusals.iter().collect();
        refusals.sort_by_key(|(_, (count, _))| std::cmp::Reverse(*count));
        for (why, (count, example)) in refusals {
            let _ = writeln!(out, "{count:>8}  {why}\n          {example}");
        }
        let _ = writeln!(out, "\nanswered though a direct connection does not take them, by its reason:");
        for (why, (count, example)) in &self.lax {
            let _ = writeln!(out, "{count:>8}  {why}\n          {example}");
        }
        let _ = writeln!(out, "\nrefusals of valid mutants, by reason:");
        let mut refusals: Vec<_> = self.mutants_refused.iter().collect();
        refusals.sort_by_key(|(_, (count, _))| std::cmp::Reverse(*count));
        for (why, (count, example)) in refusals.iter().take(if all { usize::MAX } else { 8 }) {
            let _ = writeln!(out, "{count:>8}  {why}\n          {example}");
        }
        if all {
            let _ = writeln!(out, "\nnot taken by a direct connection, by reason:");
            let mut invalid: Vec<_> = self.invalid.iter().collect();
            invalid.sort_by_key(|(_, (count, _))| std::cmp::Reverse(*count));
            for (why, (count, example)) in invalid.iter().take(25) {
                let _ = writeln!(out, "{count:>8}  {why}\n          {example}");
            }
        }
        let _ = writeln!(out, "\n{} violations", self.violated);
        for violation in &self.violations {
            let _ = writeln!(out, "\n{violation}");
        }
        out
    }
}

fn percent(part: u64, whole: u64) -> f64 {
    if whole == 0 { 100.0 } else { part as f64 * 100.0 / whole as f64 }
}

/// Counts a store's reason, without its numbers.
fn note(reasons: &mut BTreeMap<String, (u64, String)>, why: &str, sql: &str) {
    let why = why.split(" in SELECT").next().and_then(|why| why.split(" in WITH").next()).unwrap_or(why);
    let why: String = why.chars().map(|c| if c.is_ascii_digit() { '9' } else { c }).take(90).collect();
    let (count, example) = reasons.entry(why).or_default();
    *count += 1;
    if example.is_empty() || sql.len() < example.len() {
        sql.clone_into(example);
    }
}
