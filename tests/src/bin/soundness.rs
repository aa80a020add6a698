//! Runs the soundness suite; `cargo xtask soundness` starts what it needs.

use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use mountgate_sql::Dialect;
use mountgate_tests::soundness::{
    mutate::Corpus,
    run::{Plan, run},
    world::Forced,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Engine {
    Sqlite,
    Postgres,
    Both,
}

#[derive(Debug, Parser)]
struct Arguments {
    /// How many cases per engine.
    #[arg(long, default_value_t = 2000)]
    cases: u64,
    /// The seed of all of them.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The store.
    #[arg(long, value_enum, default_value_t = Engine::Both)]
    engine: Engine,
    /// Only this case, with everything about it.
    #[arg(long)]
    case: Option<u64>,
    /// Threads.
    #[arg(long, default_value_t = 2)]
    jobs: usize,
    /// Print every statement.
    #[arg(long)]
    verbose: bool,
    /// Instead: take down one defence after another, in a build in which that can be done (`MOUNTGATE_WEAKEN=1`).
    #[arg(long)]
    defences: bool,
    /// Print also why a direct connection did not take statements.
    #[arg(long)]
    invalid: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if arguments.defences {
        return defences(&arguments);
    }
    let (mut passed, mut failed) = (0, 0);
    for (engine, dialect) in [(Engine::Sqlite, Dialect::Sqlite), (Engine::Postgres, Dialect::Postgres)] {
        if arguments.engine != Engine::Both && arguments.engine != engine {
            continue;
        }
        let plan = Plan {
            dialect,
            cases: arguments.cases,
            seed: arguments.seed,
            only: arguments.case,
            jobs: arguments.jobs,
            verbose: arguments.verbose,
            forced: Forced::default(),
            hidden_only: false,
            until_violated: false,
            corpus: match Corpus::load(dialect) {
                Ok(corpus) => corpus.into(),
                Err(error) => {
                    eprintln!("error: {error:#}");
                    return ExitCode::FAILURE;
                }
            },
        };
        let began = std::time::Instant::now();
        // Panics of the rewriter are findings, told as such.
        std::panic::set_hook(Box::new(|_| {}));
        let report = run(&plan);
        let _ = std::panic::take_hook();
        let report = match report {
            Ok(report) => report,
            Err(error) => {
                eprintln!("error: {error:#}");
                return ExitCode::FAILURE;
            }
        };
        println!("── {} (seed {})\n{}", dialect_name(dialect), plan.seed, report.print(dialect, arguments.invalid));
        println!("{:.0} cases a second", plan.cases as f64 / began.elapsed().as_secs_f64());
        let mut sound = report.violated == 0;
        // Shares mean something only over many cases.
        if plan.cases >= 5000 && plan.only.is_none() {
            for shortfall in report.shortfalls(dialect) {
                println!("short: {shortfall}");
                sound = false;
            }
        }
        *(if sound { &mut passed } else { &mut failed }) += 1;
    }
    println!("{passed} passed, {failed} failed");
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn dialect_name(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Sqlite => "SQLite",
        Dialect::Postgres => "PostgreSQL",
    }
}

/// The table of defences: each down in turn, the case that notices, and whether the store's own wall held meanwhile.
#[cfg(mountgate_weaken)]
fn defences(arguments: &Arguments) -> ExitCode {
    use mountgate_core::weaken::{Defence, set};

    std::panic::set_hook(Box::new(|_| {}));
    let (mut noticed, mut missed) = (0, 0);
    println!("| defence that is down | engine | noticed by | the store's own wall, meanwhile |");
    println!("| --- | --- | --- | --- |");
    for defence in Defence::GENERATED {
        for (engine, dialect) in [(Engine::Sqlite, Dialect::Sqlite), (Engine::Postgres, Dialect::Postgres)] {
            if arguments.engine != Engine::Both && arguments.engine != engine {
                continue;
            }
            let Ok(corpus) = Corpus::load(dialect).map(std::sync::Arc::new) else {
                eprintln!("error: the corpus can't be read");
                return ExitCode::FAILURE;
            };
            let plan = |forced: Forced, hidden_only: bool| Plan {
                dialect,
                cases: arguments.cases,
                seed: arguments.seed,
                only: None,
                jobs: 1,
                verbose: false,
                forced,
                hidden_only,
                until_violated: true,
                corpus: std::sync::Arc::clone(&corpus),
            };
            if defence == Defence::StoreWall {
                let wall = without_any_wall(plan(Forced { walled: Some(true), as_it_is: Some(true) }, true));
                let caught = wall.starts_with("case");
                *(if caught { &mut noticed } else { &mut missed }) += 1;
                let (engine, told) = (dialect_name(dialect), wall.replace('|', "\\|"));
                println!("| {} | {engine} | {told} | was down |", defence.label());
                continue;
            }
            set(defence, true);
            let bare = run(&plan(Forced { walled: Some(false), as_it_is: None }, false));
            // What a verdict adds is the rewriter's alone: the wall holds what the ceiling says.
            let walled = run(&plan(Forced { walled: Some(true), as_it_is: Some(true) }, true));
            set(defence, false);
            let first = |report: &mountgate_tests::soundness::report::Report| {
                report.violations.first().map(|text| text.lines().take(2).collect::<Vec<_>>().join(": `") + "`")
            };
            let (told, caught) = match &bare {
                Ok(report) => match first(report) {
                    Some(case) => (case, true),
                    None => ("nothing".to_owned(), false),
                },
                Err(error) => (format!("error: {error:#}"), false),
            };
            let held = match walled {
                Ok(report) => match first(&report) {
                    None => "held".to_owned(),
                    Some(case) => format!("did not hold: {case}"),
                },
                Err(error) => format!("error: {error:#}"),
            };
            *(if caught { &mut noticed } else { &mut missed }) += 1;
            let cell = |text: &str| text.replace('|', "\\|");
            println!("| {} | {} | {} | {} |", defence.label(), dialect_name(dialect), cell(&told), cell(&held));
        }
    }
    println!("{noticed} passed, {missed} failed");
    if missed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// What comes of worlds behind a wall whose views show everything, with a rewriter that neither masks nor filters: that the
/// wall "held" for the others shows nothing unless this is noticed.
#[cfg(mountgate_weaken)]
fn without_any_wall(plan: Plan) -> String {
    use mountgate_core::weaken::{Defence, set};

    let down = [Defence::StoreWall, Defence::Masks, Defence::Filters];
    for defence in down {
        set(defence, true);
    }
    let report = run(&plan);
    for defence in down {
        set(defence, false);
    }
    match report {
        Err(error) => format!("error: {error:#}"),
        Ok(report) => match report.violations.first() {
            None => "nothing".to_owned(),
            Some(text) => text.lines().take(2).collect::<Vec<_>>().join(": `") + "`",
        },
    }
}

#[cfg(not(mountgate_weaken))]
fn defences(_: &Arguments) -> ExitCode {
    eprintln!("error: in this build no defence can be taken down: run `cargo xtask soundness --defences`");
    ExitCode::FAILURE
}
