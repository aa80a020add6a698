//! A load generator for benches: keep-alive connections on loopback, bounded in count and time.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{
    Method, Request,
    client::conn::http1::{SendRequest, handshake},
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST},
};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpStream, task::JoinSet};

/// What to ask, again and again.
#[derive(Clone)]
pub struct Target {
    /// Where; on this machine.
    pub address: SocketAddr,
    /// The path.
    pub path: &'static str,
    /// The token, if one is needed.
    pub token: Option<String>,
    /// `Accept`.
    pub accept: &'static str,
    /// The body of request number `n`.
    pub body: Arc<dyn Fn(u64) -> Bytes + Send + Sync>,
    /// What a good answer holds, or the run is not counted but failed.
    pub holds: &'static str,
    /// The process that answers.
    pub process: u32,
}

/// How much.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// Connections at once, each with one request under way.
    pub connections: usize,
    /// For how long.
    pub time: Duration,
    /// Requests at most, all connections together.
    pub most: u64,
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Requests answered.
    pub requests: u64,
    /// From the first request to the last answer.
    pub elapsed: Duration,
    /// Of the single requests.
    pub p50: Duration,
    /// Of the single requests.
    pub p99: Duration,
    /// CPU time of this process meanwhile: the load generator's own.
    pub cpu: Duration,
    /// CPU time of the process that answers meanwhile.
    pub server_cpu: Duration,
}

impl Outcome {
    /// CPU time of the process that answers, for each request.
    pub fn server_cpu_each(&self) -> Duration {
        self.server_cpu / u32::try_from(self.requests.max(1)).unwrap_or(u32::MAX)
    }

    /// Requests a second.
    pub fn rate(&self) -> f64 {
        self.requests as f64 / self.elapsed.as_secs_f64()
    }
}

/// Opens a connection.
///
/// # Errors
/// Where it can't be made, or leads off this machine.
pub async fn connect(address: SocketAddr) -> anyhow::Result<SendRequest<Full<Bytes>>> {
    ensure!(address.ip().is_loopback(), "load is for this machine only, not {address}");
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let (sender, connection) = handshake(TokioIo::new(stream)).await?;
    tokio::spawn(async move {
        let _ = connection.await;
    });
    Ok(sender)
}

impl Target {
    /// Request number `n`.
    ///
    /// # Errors
    /// Where it is no request.
    pub fn request(&self, n: u64) -> anyhow::Result<Request<Full<Bytes>>> {
        let mut request = Request::builder()
            .method(Method::POST)
            .uri(self.path)
            .header(HOST, self.address.to_string())
            .header(CONTENT_TYPE, "application/json")
            .header(ACCEPT, self.accept);
        if let Some(token) = &self.token {
            request = request.header(AUTHORIZATION, format!("Bearer {token}"));
        }
        Ok(request.body(Full::new((self.body)(n)))?)
    }
}

/// Runs it.
///
/// # Errors
/// Where a request fails or its answer is not a good one: a bench of refusals would be fast and worth nothing.
pub async fn run(target: &Target, load: Load) -> anyhow::Result<Outcome> {
    let mut senders = Vec::new();
    for _ in 0..load.connections {
        senders.push(connect(target.address).await?);
    }
    let share = load.most / load.connections.max(1) as u64;
    let (cpu, server, begun) = (own_cpu()?, cpu_of(target.process)?, Instant::now());
    let until = begun + load.time;
    let mut tasks = JoinSet::new();
    for (at, mut sender) in senders.into_iter().enumerate() {
        let target = target.clone();
        tasks.spawn(async move {
            let mut times = Vec::new();
            for n in 0..share {
                let sent = Instant::now();
                if sent >= until {
                    break;
                }
                sender.ready().await?;
                let response = sender.send_request(target.request(at as u64 * share + n)?).await?;
                let status = response.status();
                let body = response.into_body().collect().await?.to_bytes();
                times.push(sent.elapsed());
                let good = status == 200 && holds(&body, target.holds.as_bytes());
                ensure!(good, "{status}: {}", String::from_utf8_lossy(&body));
            }
            Ok(times)
        });
    }
    let mut times = Vec::new();
    while let Some(done) = tasks.join_next().await {
        times.extend(done??);
    }
    let (elapsed, cpu) = (begun.elapsed(), own_cpu()?.saturating_sub(cpu));
    let server_cpu = cpu_of(target.process)?.saturating_sub(server);
    times.sort_unstable();
    let at = |part: usize| times.get(times.len().saturating_sub(1) * part / 100).copied().context("nothing was asked");
    Ok(Outcome { requests: times.len() as u64, elapsed, p50: at(50)?, p99: at(99)?, cpu, server_cpu })
}

fn holds(body: &[u8], wanted: &[u8]) -> bool {
    wanted.is_empty() || body.windows(wanted.len()).any(|window| window == wanted)
}

/// CPU time of this process so far.
///
/// # Errors
/// Where the system does not say.
pub fn own_cpu() -> anyhow::Result<Duration> {
    cpu("self")
}

/// CPU time of a process so far, its threads together.
///
/// # Errors
/// Where there is none of that number.
pub fn cpu_of(process: u32) -> anyhow::Result<Duration> {
    cpu(&process.to_string())
}

fn cpu(process: &str) -> anyhow::Result<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
    // The second field is a name in parentheses, which may hold spaces.
    let (_, rest) = stat.rsplit_once(')').context("the system tells of a process otherwise than expected")?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<u64>().ok());
    let ticks = ticks(11).zip(ticks(12)).context("the system tells of a process otherwise than expected")?;
    // Linux tells these in hundredths of a second, whatever its own clock.
    Ok(Duration::from_millis((ticks.0 + ticks.1) * 10))
}

/// Resident memory of a process, in bytes.
///
/// # Errors
/// Where there is none of that number.
pub fn resident(process: u32) -> anyhow::Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    let kib: u64 = line.trim().trim_end_matches(" kB").trim().parse()?;
    Ok(kib * 1024)
}
