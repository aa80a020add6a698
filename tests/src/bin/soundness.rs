//! Runs the soundness suite; `cargo xtask soundness` starts what it needs.

use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use mountgate_sql::Dialect;
use mountgate_tests::soundness::run::{Plan, run};

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
    /// Print also why a direct connection did not take statements.
    #[arg(long)]
    invalid: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
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
