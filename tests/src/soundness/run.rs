//! Runs cases: a world every so many, its statements one after another.

use std::{
    path::PathBuf,
    sync::atomic::{AtomicU64, Ordering},
};

use mountgate_sql::Dialect;

use super::{
    engine::{
        Outcome, Stores, Which,
        postgres::{Postgres, Server},
        sqlite::Sqlite,
    },
    grammar::Generator,
    judge::{Judge, Judged, shown},
    mutate::{self, Corpus},
    probes,
    report::Report,
    rng::Rng,
    tree::{Printed, Tree},
    world::{Forced, World},
};

/// What to run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The store.
    pub dialect: Dialect,
    /// How many cases.
    pub cases: u64,
    /// The seed of all of them.
    pub seed: u64,
    /// Only this case.
    pub only: Option<u64>,
    /// Threads.
    pub jobs: usize,
    /// Print each case.
    pub verbose: bool,
    /// What is the same in every world.
    pub forced: Forced,
    /// Look only for what is hidden and shows (O2, canaries): of other violations nothing is told.
    pub hidden_only: bool,
    /// End with the first violation.
    pub until_violated: bool,
    /// Statements to make others from.
    pub corpus: std::sync::Arc<Corpus>,
}

/// Statements per world: laying one out costs as much as some hundred statements.
fn per_world(dialect: Dialect) -> u64 {
    match dialect {
        Dialect::Sqlite => 60,
        Dialect::Postgres => 150,
    }
}

/// Runs the plan on its threads.
///
/// # Errors
/// Where a store can't be reached, or a world can't be laid out.
pub fn run(plan: &Plan) -> anyhow::Result<Report> {
    let per = per_world(plan.dialect);
    let worlds: Vec<u64> = match plan.only {
        Some(case) => vec![case / per],
        None => (0..plan.cases.div_ceil(per)).collect(),
    };
    let next = AtomicU64::new(0);
    let jobs = plan.jobs.clamp(1, worlds.len().max(1));
    let reports: Vec<anyhow::Result<Report>> = std::thread::scope(|scope| {
        let handles: Vec<_> = (0..jobs)
            .map(|job| {
                scope.spawn({
                    let (next, worlds) = (&next, &worlds);
                    move || worker(plan, job, next, worlds)
                })
            })
            .collect();
        handles
            .into_iter()
            .map(|handle| handle.join().unwrap_or_else(|_| Err(anyhow::anyhow!("a worker panicked"))))
            .collect()
    });
    let mut total = Report::default();
    for report in reports {
        total.add(report?);
    }
    Ok(total)
}

fn worker(plan: &Plan, job: usize, next: &AtomicU64, worlds: &[u64]) -> anyhow::Result<Report> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut report = Report::default();
    runtime.block_on(async {
        let server = match plan.dialect {
            Dialect::Sqlite => None,
            Dialect::Postgres => {
                let server = Server::of_environment(&job.to_string())?;
                server.create().await?;
                Some(server)
            }
        };
        let memory = PathBuf::from("/dev/shm");
        let scratch = tempfile::tempdir_in(if memory.is_dir() { memory } else { std::env::temp_dir() })?;
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed) as usize;
            let Some(index) = worlds.get(at) else { break };
            if plan.until_violated && report.violated > 0 {
                break;
            }
            let mut rng = Rng::new(plan.seed, index * 2 + 1);
            let world = World::generate(plan.dialect, plan.forced, &mut rng);
            match &server {
                None => {
                    let stores = Sqlite::load(&world, scratch.path()).await?;
                    cases(plan, *index, &world, stores, &mut report).await?;
                }
                Some(server) => {
                    let stores = Postgres::load(&world, server).await?;
                    cases(plan, *index, &world, stores, &mut report).await?;
                }
            }
        }
        match server {
            Some(server) => server.drop().await,
            None => Ok(()),
        }
    })?;
    Ok(report)
}

async fn cases<S: Stores>(
    plan: &Plan,
    index: u64,
    world: &World,
    stores: S,
    report: &mut Report,
) -> anyhow::Result<()> {
    let mut judge = Judge::new(world, stores).await?;
    let per = per_world(plan.dialect);
    for case in index * per..(index + 1) * per {
        if plan.only.is_some_and(|only| only != case) || plan.only.is_none() && case >= plan.cases {
            continue;
        }
        if plan.until_violated && report.violated > 0 {
            return Ok(());
        }
        let mut rng = Rng::new(plan.seed, case * 2);
        match rng.below(100) {
            0..5 if !plan.hidden_only => {
                if let Some(names) = probes::names(world, &mut rng) {
                    report.probe();
                    let mut judged = Judged::default();
                    let (hidden, absent) = (&names.hidden, &names.absent);
                    judge.names((&hidden.0, &hidden.1), (&absent.0, &absent.1), &mut judged);
                    for finding in judged.findings {
                        report.violation(format!(
                            "case {case} [{}]\n{}\n   {}",
                            finding.claim, hidden.1.sql, finding.how
                        ));
                    }
                    continue;
                }
            }
            5..10 => {
                if let Some(tree) = probes::early(world, &mut rng) {
                    report.probe();
                    let judged = judge.judge(&tree.print(world.dialect)).await;
                    told(plan, case, world, &mut judge, &tree, judged, report).await;
                    continue;
                }
            }
            10 if !plan.hidden_only => {
                report.probe();
                let (statement, mut judged) = (probes::function(world, &mut rng), Judged::default());
                judge.function(&statement, &mut judged);
                for finding in judged.findings {
                    report.violation(format!("case {case} [{}]\n{}\n   {}", finding.claim, statement.sql, finding.how));
                }
                continue;
            }
            11..13 if !plan.hidden_only => {
                if let Some((statement, expected)) = probes::grouped(world, &mut rng) {
                    report.probe();
                    let mut judged = Judged::default();
                    judge.grouped(&statement, &expected, &mut judged).await;
                    for finding in judged.findings {
                        report.violation(format!("case {case} [groups]\n{}\n   {}", statement.sql, finding.how));
                    }
                    continue;
                }
            }
            13..15 => {
                if let Some(tree) = probes::keyed(world, &mut rng) {
                    report.probe();
                    let mut judged = judge.judge(&tree.print(world.dialect)).await;
                    if !judged.accepted {
                        judged.findings.push(super::judge::Finding {
                            claim: "keys",
                            how: format!("a look-up by key is refused: {:?}", judged.refusal),
                        });
                    }
                    told(plan, case, world, &mut judge, &tree, judged, report).await;
                    continue;
                }
            }
            15 => {
                if let Some(tree) = probes::shadowed(world, &mut rng) {
                    report.probe();
                    let judged = judge.judge(&tree.print(world.dialect)).await;
                    told(plan, case, world, &mut judge, &tree, judged, report).await;
                    continue;
                }
            }
            16..30 => {
                let tree = if rng.chance(50) {
                    plan.corpus.statement(world, &mut rng)
                } else {
                    let (one, other) = (Generator::statement(world, &mut rng), Generator::statement(world, &mut rng));
                    mutate::crossed(&one.tree, &other.tree, &mut rng)
                };
                let printed = tree.print(world.dialect);
                if plan.verbose {
                    println!("case {case}: {}{}", printed.sql, shown(&printed.params));
                }
                judge.mutants = true;
                let judged = judge.judge(&printed).await;
                if plan.only.is_some() {
                    println!("{printed:?}\n{judged:#?}\n{world:#?}");
                }
                report.mutant(&judged, &printed.sql);
                told(plan, case, world, &mut judge, &tree, judged, report).await;
                judge.mutants = false;
                continue;
            }
            _ => {}
        }
        let statement = Generator::statement(world, &mut rng);
        let printed = statement.tree.print(world.dialect);
        if plan.verbose {
            println!("case {case}: {}{}", printed.sql, shown(&printed.params));
        }
        let mut judged = judge.judge(&printed).await;
        report.count(statement.tags.iter().copied(), &printed.sql, &judged);
        if !judged.valid
            && !judged.demanded
            && let Outcome::Invalid(why) = judge.stores.direct(Which::Copy, &printed.sql, &printed.params).await
        {
            report.invalid(&why, &printed.sql);
        }
        if judged.valid && judged.accepted && (plan.dialect == Dialect::Sqlite || case % 3 == 0) {
            report.permissive();
            judge.permissive(&printed, &mut judged).await;
        }
        if let Some(why) = &judged.lax {
            report.lax(why, &printed.sql);
        }
        if plan.only.is_some() {
            println!("{printed:?}\n{judged:#?}\n{world:#?}");
        }
        told(plan, case, world, &mut judge, &statement.tree, judged, report).await;
    }
    Ok(())
}

async fn told<S: Stores>(
    plan: &Plan,
    case: u64,
    world: &World,
    judge: &mut Judge<'_, S>,
    tree: &Tree,
    judged: Judged,
    report: &mut Report,
) {
    let shows = |finding: &&super::judge::Finding| !plan.hidden_only || ["O2", "canary"].contains(&finding.claim);
    let Some(finding) = judged.findings.iter().find(shows) else { return };
    if !report.wants_more() {
        report.violation(String::new());
        return;
    }
    let (tree, finding) = shrink(judge, tree.clone(), finding.clone(), plan.dialect).await;
    let printed: Printed = tree.print(world.dialect);
    report.violation(format!(
        "case {case} [{}]\n{}{}\n   {}",
        finding.claim,
        printed.sql,
        shown(&printed.params),
        finding.how
    ));
}

/// The smallest statement found that still shows a violation of the same claim.
async fn shrink<S: Stores>(
    judge: &mut Judge<'_, S>,
    mut tree: Tree,
    mut finding: super::judge::Finding,
    dialect: Dialect,
) -> (Tree, super::judge::Finding) {
    let mut tries = 0;
    'again: loop {
        for smaller in tree.smaller() {
            tries += 1;
            if tries > 1500 {
                return (tree, finding);
            }
            let printed = smaller.print(dialect);
            let mut judged = judge.judge(&printed).await;
            if finding.claim == "O3" {
                judge.permissive(&printed, &mut judged).await;
            }
            if let Some(same) = judged.findings.into_iter().find(|found| found.claim == finding.claim) {
                (tree, finding) = (smaller, same);
                continue 'again;
            }
        }
        return (tree, finding);
    }
}
