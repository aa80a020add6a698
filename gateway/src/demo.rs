//! `mountgate demo`: a shop of its own, the gateway before it, and a tour over real HTTP.
//!
//! Nothing in the gateway is different for it: the configuration is files that anyone may edit, the agents are added
//! as any others, and each step asks over the data port. What a step should show is checked, so that a tour that tells
//! something untrue ends as failed.

mod direct;
mod folder;
mod screen;
mod shop;
mod store;
mod tour;
mod trust;

use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args, ValueEnum};

use self::{folder::Folder, screen::Screen, store::Shop, tour::Tour};
use crate::{
    cli::Exit,
    serve::{Overrides, Server, reloads_on_signal, shutdown_on_signal},
};

/// Where the shop is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DemoBackend {
    /// A SQLite file in the demo's folder.
    Sqlite,
    /// A database of its own, `mountgate_demo`, on the server of `--postgres-url`.
    Postgres,
}

/// A demo shop, the gateway before it, and a tour; then it serves on.
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Where the demo keeps its files; made anew each time.
    #[arg(long, value_name = "FOLDER", default_value = "mountgate-demo")]
    dir: PathBuf,
    /// The port for agents; 0 for any that is free.
    #[arg(long, value_name = "PORT", default_value_t = 7411)]
    data_port: u16,
    /// The port for operators; 0 for any that is free.
    #[arg(long, value_name = "PORT", default_value_t = 7412)]
    admin_port: u16,
    /// End after the tour, with 1 if a step did not go as told.
    #[arg(long)]
    once: bool,
    /// The store behind the gateway.
    #[arg(long, value_enum, default_value = "sqlite")]
    backend: DemoBackend,
    /// A PostgreSQL in which this URL's role may make databases and roles.
    #[arg(long, value_name = "URL", required_if_eq("backend", "postgres"))]
    postgres_url: Option<String>,
}

/// Makes the shop, serves it and gives the tour.
///
/// # Errors
/// Where the folder, the store or a port can't be had.
pub fn run(args: &DemoArgs) -> anyhow::Result<Exit> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(demo(args))
}

async fn demo(args: &DemoArgs) -> anyhow::Result<Exit> {
    let screen = Screen::new();
    let folder = Folder::take(&args.dir)?;
    folder.log_to_file()?;
    let (reloads, stopped) = (reloads_on_signal()?, shutdown_on_signal()?);
    screen.say("making the shop …");
    let shop = match (args.backend, &args.postgres_url) {
        (DemoBackend::Sqlite, _) => Shop::in_sqlite(folder.path().join("shop.db"))?,
        (DemoBackend::Postgres, Some(url)) => Shop::in_postgres(url, &folder).await?,
        (DemoBackend::Postgres, None) => anyhow::bail!("`--backend postgres` needs `--postgres-url`"),
    };
    folder.write_configuration(&shop, args.data_port, args.admin_port)?;
    screen.say("signing a policy …");
    trust::publish(folder.path())?;
    screen.say("opening the shop, compiling policies …");
    let overrides =
        Overrides { data_port: Some(args.data_port), admin_port: Some(args.admin_port), ..Overrides::default() };
    let server = Server::start(&folder.main_file(), overrides).await?;
    let (data, admin) = (server.data_address()?, server.admin_address()?);
    let gateway = server.gateway().clone();
    let keys = folder.add_agents(gateway.identity())?;

    // Stopped by a signal, or after the tour where that is all.
    let (end, ended) = tokio::sync::oneshot::channel::<()>();
    let shutdown = async move {
        tokio::select! {
            () = stopped => {}
            _ = ended => {}
        }
    };
    let serving = tokio::spawn(server.run(reloads, shutdown));
    let tour = Tour::new(gateway, data, shop, keys, screen);
    let handle = tokio::runtime::Handle::current();
    let toured = tokio::task::spawn_blocking(move || tour.give(&handle)).await.context("the tour broke off")??;

    folder.describe(data, admin, args.backend, &toured.keys, &toured.sessions)?;
    // Kept until then, or the serving would end with it.
    let end = if args.once {
        drop(end);
        None
    } else {
        toured.invite(&folder, data, admin);
        Some(end)
    };
    serving.await.context("serving broke off")??;
    drop(end);
    Ok(if args.once && toured.failed > 0 { Exit::Failed } else { Exit::Done })
}
