//! Serving: a configuration put into force, its ports, its reloads and its end.

mod files;
mod people;
mod reload;
mod signatures;

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::Context as _;
use mountgate_doors::{Hosts, HttpLimits, serve_admin, serve_data};
use mountgate_mediate::{Gateway, Parts, reload::Trigger};
use parking_lot::Mutex;
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    sync::watch,
    task::JoinSet,
};

use self::{
    files::{Seen, Watched},
    people::People,
    reload::Reloader,
};
use crate::{
    compose::{Composer, Digests, host_config, trust},
    config::{Config, ServerSection},
    journal::FileJournal,
    state::State,
};

/// How often acts of the command line are looked for.
const ACTS_EVERY: Duration = Duration::from_secs(1);
/// How often generations are looked for that the last request has left.
const RETIRE_EVERY: Duration = Duration::from_millis(200);

/// What stands over the configuration.
#[derive(Clone, Copy, Debug, Default)]
pub struct Overrides {
    /// The data port; 0 for any that is free.
    pub data_port: Option<u16>,
    /// The admin port; 0 for any that is free.
    pub admin_port: Option<u16>,
    /// The time by which signatures expire, in milliseconds since 1970-01-01T00:00Z.
    pub clock: Option<fn() -> i64>,
}

/// A gateway that is put together and bound to its ports, and does not serve yet.
pub struct Server {
    path: PathBuf,
    config: Config,
    /// The files as they were before they were read.
    seen: Seen,
    state: State,
    composer: Composer,
    digests: Digests,
    gateway: Gateway,
    people: People,
    data: TcpListener,
    admin: TcpListener,
}

impl Server {
    /// Loads the configuration, opens what it names, and binds the ports. Nothing is answered yet.
    ///
    /// # Errors
    /// [`Problems`](crate::config::Problems) where the configuration is wrong or does not fit; others where the state
    /// folder, the ledger or a port can't be had.
    pub async fn start(path: &Path, overrides: Overrides) -> anyhow::Result<Self> {
        let mut seen = Seen::of(&Watched::beside(path));
        let config = Config::load(path)?;
        seen.add(&Watched::of(path, &config));
        let state = State::open(&config.main)?;
        let (data, admin) = bind(&config.main.server, overrides).await?;
        let mut composer = Composer::new(host_config(&config.main, state.keys()))?;
        if let Some(clock) = overrides.clock {
            composer = composer.with_clock(clock);
        }
        let composed = composer.compose(&config, state.keys(), 1).await?;
        let digests = composed.digests.clone();
        let (generation, warnings) = composer.adopt(composed);
        // Last, for it locks the ledger: whatever else is wrong leaves no trace.
        let (identity, ledger) = (state.identity()?, state.ledger()?);
        state.record_waiting(&ledger)?;
        let people = People::open(&config, &state)?;
        for warning in warnings.iter().chain(&config.notices(crate::state::now_ms())) {
            tracing::warn!("{warning}");
        }
        let gateway = Gateway::new(Parts {
            identity,
            ledger,
            gate: config.main.gate.requests,
            generation,
            holds: Some(Arc::new(people.clone())),
            journal: Some(Arc::new(FileJournal::open(state.folder())?)),
            warnings,
        });
        gateway.keep_quarantine(&state.folder().join(crate::keys::QUARANTINE), config.main.quarantine).with_context(
            || {
                format!(
                    "`{}` cannot be read: who is set apart is not known",
                    state.folder().join(crate::keys::QUARANTINE).display()
                )
            },
        )?;
        let (counting, dir) = (gateway.clone(), config.main.ledger.dir.clone());
        let counted = tokio::task::spawn_blocking(move || counting.restore_budgets(&dir)).await?;
        let requests = counted.context(
            "what is left of the mounts' budgets cannot be told from the ledger: `mountgate ledger verify` says where it is broken",
        )?;
        tracing::info!(requests, "budgets are counted");
        if let Some(signed) = composer.trust() {
            let status = signed.store().status();
            for warning in trust::warnings(&status) {
                tracing::warn!("{warning}");
            }
            gateway.tell_signatures(Some(trust::signatures(&status)));
        }
        people.attach(&gateway);
        Ok(Self { path: path.to_owned(), config, seen, state, composer, digests, gateway, people, data, admin })
    }

    /// The gateway.
    pub fn gateway(&self) -> &Gateway {
        &self.gateway
    }

    /// The configuration.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Where agents ask.
    ///
    /// # Errors
    /// Where the system does not say.
    pub fn data_address(&self) -> std::io::Result<SocketAddr> {
        self.data.local_addr()
    }

    /// Where operators ask.
    ///
    /// # Errors
    /// Where the system does not say.
    pub fn admin_address(&self) -> std::io::Result<SocketAddr> {
        self.admin.local_addr()
    }

    /// Serves until `shutdown` is done and what was under way then has ended, or its time has. Each item of `reloads`
    /// has the files read again.
    ///
    /// # Errors
    /// Where a port stops by itself.
    pub async fn run(
        self,
        mut reloads: tokio::sync::mpsc::Receiver<()>,
        shutdown: impl Future<Output = ()>,
    ) -> anyhow::Result<()> {
        anyhow::ensure!(
            !mountgate_core::weaken::WEAKENED_BUILD,
            "this build can take its defences down (MOUNTGATE_WEAKEN=1): it is for tests and never serves"
        );
        let Self { path, config, seen, state, composer, digests, gateway, people, data, admin } = self;
        let (stop, stopped) = watch::channel(false);
        let limits = limits(&config.main.server);
        let mut ports = JoinSet::new();
        let (agents, operators) = (hosts(&config.main.server), admin_hosts(&config.main.server));
        ports.spawn(serve_data(data, gateway.clone(), limits, agents, until(stopped.clone())));
        let approvals = people.approvals().clone();
        ports.spawn(serve_admin(admin, gateway.clone(), approvals.clone(), limits, operators, until(stopped.clone())));
        let tended = until(stopped.clone());
        let tending = tokio::spawn(async move { approvals.run(tended).await });

        let state = Arc::new(state);
        let mut chores = JoinSet::new();
        chores.spawn(record_acts(Arc::clone(&state), gateway.clone()));
        chores.spawn(retire(gateway.clone()));
        let watched = Arc::new(Mutex::new(Watched::of(&path, &config)));
        chores.spawn(files::watch(gateway.clone(), Arc::clone(&watched), seen));
        let (in_force, signed) = watch::channel(composer.trust().cloned());
        chores.spawn(signatures::keep(gateway.clone(), Arc::clone(&state), signed));
        let reloader =
            Reloader::new(path, config.main, Arc::clone(&state), composer, digests, gateway.clone(), watched, in_force);
        let reloading = reloader.start(until(stopped))?;
        let mut shutdown = std::pin::pin!(shutdown);
        let ended = loop {
            tokio::select! {
                () = &mut shutdown => break Ok(()),
                ended = ports.join_next() => {
                    break Err(anyhow::anyhow!("a port has stopped by itself: {ended:?}"));
                }
                Some(()) = reloads.recv() => gateway.wish_reload(Trigger::Signal),
            }
        };
        // The ports stop taking connections at once and finish what is under way.
        let _ = stop.send(true);
        while ports.join_next().await.is_some() {}
        chores.shutdown().await;
        let _ = reloading.await;
        let _ = tending.await;
        if let Err(error) = state.record_waiting(gateway.ledger()) {
            tracing::error!(%error, "acts of the command line could not be recorded; they wait for the next start");
        }
        ended
    }
}

async fn bind(server: &ServerSection, overrides: Overrides) -> anyhow::Result<(TcpListener, TcpListener)> {
    let with = |mut address: SocketAddr, port: Option<u16>| {
        if let Some(port) = port {
            address.set_port(port);
        }
        address
    };
    let bind = async |name: &str, address: SocketAddr| {
        TcpListener::bind(address).await.with_context(|| {
            format!("the {name} port cannot listen on {address}: is another gateway running? Choose another port")
        })
    };
    let data = bind("data", with(server.data, overrides.data_port)).await?;
    let admin = bind("admin", with(server.admin, overrides.admin_port)).await?;
    Ok((data, admin))
}

/// Done when told to stop, or when nobody is left to tell.
async fn until(mut stopped: watch::Receiver<bool>) {
    let _ = stopped.wait_for(|stop| *stop).await;
}

fn limits(server: &ServerSection) -> HttpLimits {
    HttpLimits {
        header_bytes: server.max_header,
        body_bytes: server.max_body,
        header_timeout: server.header_timeout,
        body_timeout: server.body_timeout,
        idle_timeout: server.idle_timeout,
        write_timeout: server.write_timeout,
        connections: server.max_connections,
        grace: server.shutdown,
        ..HttpLimits::default()
    }
}

fn hosts(server: &ServerSection) -> Hosts {
    Hosts { hosts: server.hosts.clone(), origins: server.origins.clone() }
}

fn admin_hosts(server: &ServerSection) -> Hosts {
    Hosts { hosts: server.admin_hosts.clone(), origins: server.admin_origins.clone() }
}

/// Drops generations that are over, off the way of requests.
async fn retire(gateway: Gateway) {
    let mut clock = tokio::time::interval(RETIRE_EVERY);
    clock.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        clock.tick().await;
        if gateway.retired() > 0 {
            let gateway = gateway.clone();
            let _ = tokio::task::spawn_blocking(move || gateway.retire()).await;
        }
    }
}

async fn record_acts(state: Arc<State>, gateway: Gateway) {
    let mut clock = tokio::time::interval(ACTS_EVERY);
    clock.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        clock.tick().await;
        let (state, gateway) = (Arc::clone(&state), gateway.clone());
        let recorded = tokio::task::spawn_blocking(move || state.record_waiting(gateway.ledger())).await;
        match recorded {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => tracing::error!(%error, "acts of the command line could not be recorded; they wait"),
            Err(_) => return,
        }
    }
}

/// A channel with an item for each SIGHUP.
///
/// # Errors
/// Where the system does not let signals be handled.
pub fn reloads_on_signal() -> std::io::Result<tokio::sync::mpsc::Receiver<()>> {
    let mut hangup = signal(SignalKind::hangup())?;
    let (send, receive) = tokio::sync::mpsc::channel(1);
    tokio::spawn(async move {
        while hangup.recv().await.is_some() {
            // One that waits already covers this one too.
            let _ = send.try_send(());
            if send.is_closed() {
                return;
            }
        }
    });
    Ok(receive)
}

/// Done with the first SIGTERM or SIGINT. A second one ends the process at once.
///
/// # Errors
/// Where the system does not let signals be handled.
pub fn shutdown_on_signal() -> std::io::Result<impl Future<Output = ()>> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let (send, receive) = tokio::sync::oneshot::channel();
    tokio::spawn(async move {
        let mut once = async || {
            tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
        };
        once().await;
        tracing::info!("stopping: what is under way may finish");
        let _ = send.send(());
        once().await;
        std::process::exit(130);
    });
    Ok(async move {
        let _ = receive.await;
    })
}

#[cfg(test)]
mod tests;
