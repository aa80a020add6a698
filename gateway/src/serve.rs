//! Serving: a configuration put into force, its ports, its reloads and its end.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::Context as _;
use mountgate_doors::{Hosts, HttpLimits, serve_admin, serve_data};
use mountgate_mediate::{Gateway, Parts};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    sync::watch,
    task::JoinSet,
};

use crate::{
    compose::{Composed, Composer, host_config},
    config::{Config, MainFile, Problems, ServerSection},
    state::{Act, State},
};

/// How often acts of the command line are looked for.
const ACTS_EVERY: Duration = Duration::from_secs(1);

/// What stands over the configuration.
#[derive(Clone, Copy, Debug, Default)]
pub struct Overrides {
    /// The data port; 0 for any that is free.
    pub data_port: Option<u16>,
    /// The admin port; 0 for any that is free.
    pub admin_port: Option<u16>,
}

/// A gateway that is put together and bound to its ports, and does not serve yet.
pub struct Server {
    path: PathBuf,
    config: Config,
    state: State,
    composer: Composer,
    gateway: Gateway,
    data: TcpListener,
    admin: TcpListener,
}

impl Server {
    /// Loads the configuration, opens what it names, and binds the ports. Nothing is answered yet.
    ///
    /// # Errors
    /// [`Problems`] where the configuration is wrong or does not fit; others where the state folder, the ledger or a
    /// port can't be had.
    pub async fn start(path: &Path, overrides: Overrides) -> anyhow::Result<Self> {
        let config = Config::load(path)?;
        let state = State::open(&config.main)?;
        let (data, admin) = bind(&config.main.server, overrides).await?;
        let mut composer = Composer::new(host_config(&config.main, state.keys()))?;
        let Composed { generation, warnings } = composer.compose(&config, state.keys(), 1).await?;
        // Last, for it locks the ledger: whatever else is wrong leaves no trace.
        let (identity, ledger) = (state.identity()?, state.ledger()?);
        state.record_waiting(&ledger)?;
        for warning in &warnings {
            tracing::warn!("{warning}");
        }
        let gateway = Gateway::new(Parts { identity, ledger, gate: config.main.gate.requests, generation, warnings });
        Ok(Self { path: path.to_owned(), config, state, composer, gateway, data, admin })
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
        let Self { path, config, state, composer, gateway, data, admin } = self;
        let (stop, stopped) = watch::channel(false);
        let limits = limits(&config.main.server);
        let mut ports = JoinSet::new();
        ports.spawn(serve_data(data, gateway.clone(), limits, hosts(&config.main.server), until(stopped.clone())));
        ports.spawn(serve_admin(admin, gateway.clone(), limits, admin_hosts(&config.main.server), until(stopped)));

        let state = Arc::new(state);
        let recording = tokio::spawn(record_acts(Arc::clone(&state), gateway.clone()));
        let mut reloading = Reloading { path, main: config.main, state: Arc::clone(&state), composer, gateway };
        let mut shutdown = std::pin::pin!(shutdown);
        let ended = loop {
            tokio::select! {
                () = &mut shutdown => break Ok(()),
                ended = ports.join_next() => {
                    break Err(anyhow::anyhow!("a port has stopped by itself: {ended:?}"));
                }
                Some(()) = reloads.recv() => reloading.reload().await,
            }
        };
        // The ports stop taking connections at once and finish what is under way.
        let _ = stop.send(true);
        while ports.join_next().await.is_some() {}
        recording.abort();
        let waiting = reloading.state.record_waiting(reloading.gateway.ledger());
        if let Err(error) = waiting {
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

/// What a reload needs.
struct Reloading {
    path: PathBuf,
    /// The main file in force.
    main: MainFile,
    state: Arc<State>,
    composer: Composer,
    gateway: Gateway,
}

impl Reloading {
    /// Reads the files again. Where anything is wrong, all of it is logged and the last good generation stays.
    async fn reload(&mut self) {
        let number = self.gateway.generation().number() + 1;
        let (act, details) = match self.next(number).await {
            Ok(warnings) => {
                tracing::info!(generation = number, warnings, "reloaded");
                ("config.reload", serde_json::json!({ "generation": number }))
            }
            Err(Problems(problems)) => {
                for problem in &problems {
                    tracing::error!("{problem}");
                }
                let in_force = number - 1;
                tracing::error!(generation = in_force, "the configuration is wrong: the last good one stays in force");
                let failed =
                    "the last reload failed, and the configuration before it stays in force: `mountgate check`";
                let mut warnings = (*self.gateway.warnings()).clone();
                warnings.retain(|warning| warning != failed);
                warnings.push(failed.to_owned());
                self.gateway.warn(warnings);
                ("config.reload", serde_json::json!({ "failed": problems, "generation": in_force }))
            }
        };
        let act = Act { who: "gateway".to_owned(), ..Act::of_command_line(act, details) };
        let (state, gateway) = (Arc::clone(&self.state), self.gateway.clone());
        let recorded = tokio::task::spawn_blocking(move || state.record_in(gateway.ledger(), &act)).await;
        if !matches!(recorded, Ok(Ok(()))) {
            tracing::error!("the reload could not be recorded");
        }
    }

    async fn next(&mut self, number: u64) -> Result<usize, Problems> {
        let config = Config::load(&self.path)?;
        let Composed { generation, mut warnings } = self.composer.compose(&config, self.state.keys(), number).await?;
        let MainFile { server, master, gate, ledger, log, .. } = &config.main;
        let old = &self.main;
        let restart = [
            ("[server]", *server != old.server),
            ("[keys]", *master != old.master),
            ("[gate]", *gate != old.gate),
            ("[ledger]", *ledger != old.ledger),
            ("[log]", *log != old.log),
        ];
        warnings.extend(restart.iter().filter(|(_, changed)| *changed).map(|(section, _)| {
            format!("`{section}` has changed: that takes effect when the gateway is started again")
        }));
        for warning in &warnings {
            tracing::warn!("{warning}");
        }
        let count = warnings.len();
        self.gateway.swap(generation, warnings);
        Ok(count)
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
