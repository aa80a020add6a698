//! Telling people that a write waits, or what became of it, at addresses that the configuration fixes.
//!
//! A message holds ids, names of mount, agent and relation, the verb and counts: no values, and no text of the agent's.
//! It is signed, kept in the store until the other side says 2xx, tried again with growing pauses, and given up after
//! [`TRIES`]. Redirects are not followed: nobody but the configuration chooses where it goes.

mod address;
mod client;

use std::time::Duration;

use hmac::{Hmac, KeyInit as _, Mac as _};
use rusqlite::params;
use serde_json::json;
use sha2::Sha256;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

pub use self::address::WebhookAddress;
use crate::{
    ApprovalError, Approvals, HoldId, State,
    approvals::{blocking, now_ms},
};

/// How often a message is tried.
const TRIES: u32 = 10;
/// How long the other side may take over one.
const PATIENCE: Duration = Duration::from_secs(10);
/// The pause after the first failure; each further one is twice as long, up to [`LONGEST_MS`].
const FIRST_MS: i64 = 1_000;
const LONGEST_MS: i64 = 600_000;
/// Messages under way at once.
const AT_ONCE: u32 = 8;
/// The most messages that wait for one hook: one that never answers must not fill the file.
pub(crate) const MOST: u32 = 10_000;

/// Whom to tell.
#[derive(Clone)]
pub struct Webhook {
    /// Its name in configuration.
    pub name: String,
    /// Where.
    pub address: WebhookAddress,
    /// What messages are signed with.
    pub secret: Zeroizing<String>,
    /// The states that are told when a hold comes to them.
    pub events: Vec<State>,
}

impl std::fmt::Debug for Webhook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Webhook").field("name", &self.name).field("address", &self.address).finish_non_exhaustive()
    }
}

/// A message that is due.
struct Notice {
    id: String,
    hook: String,
    hold: HoldId,
    state: String,
    tries: u32,
    made_ms: i64,
}

fn mac(secret: &str, seconds: i64, body: &[u8]) -> [u8; 32] {
    // HMAC takes a key of any length.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else { return [0; 32] };
    mac.update(seconds.to_string().as_bytes());
    mac.update(b".");
    mac.update(body);
    mac.finalize().into_bytes().into()
}

/// The signature's header: `t=<seconds since 1970>,v1=<HMAC-SHA256 of "<t>.<body>", in hexadecimal>`.
fn signature(secret: &str, seconds: i64, body: &[u8]) -> String {
    format!("t={seconds},v1={}", data_encoding::HEXLOWER.encode(&mac(secret, seconds, body)))
}

/// Whether a message is of a gateway that knows the secret, and was sent within so many seconds of `now`: what a receiver
/// does.
pub fn verify_signature(secret: &str, header: &str, body: &[u8], now: i64, tolerance: i64) -> bool {
    let parts = header.split_once(',').and_then(|(t, v1)| Some((t.strip_prefix("t=")?, v1.strip_prefix("v1=")?)));
    let Some((seconds, given)) = parts else { return false };
    let (Ok(seconds), Ok(given)) = (seconds.parse::<i64>(), data_encoding::HEXLOWER.decode(given.as_bytes())) else {
        return false;
    };
    let fresh = now.checked_sub(seconds).and_then(i64::checked_abs).is_some_and(|age| age <= tolerance);
    fresh && bool::from(mac(secret, seconds, body).as_slice().ct_eq(&given))
}

impl Approvals {
    /// Sends what is due, for ever.
    pub(crate) async fn tell(&self) {
        let mut clock = tokio::time::interval(Duration::from_secs(1));
        clock.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            clock.tick().await;
            if self.0.config.webhooks.is_empty() {
                continue;
            }
            if let Err(error) = self.tell_due().await {
                tracing::error!(%error, "webhooks could not be told; it is tried again");
            }
        }
    }

    /// Sends what is due now, and says how much came through.
    pub(crate) async fn tell_due(&self) -> Result<usize, ApprovalError> {
        let this = self.clone();
        let due = blocking(move || this.due()).await?;
        let sent = futures::future::join_all(due.into_iter().map(|notice| self.send(notice))).await;
        Ok(sent.into_iter().filter(|sent| *sent).count())
    }

    /// Takes what is due: it is not due again, here or at another gateway, before this try has had its time.
    fn due(&self) -> Result<Vec<Notice>, ApprovalError> {
        let now = now_ms();
        let store = &self.0.store;
        store.write("take messages of", |write| {
            let taken = || {
                let mut out = Vec::new();
                // What is not on record yet is told to nobody.
                let mut due = write.prepare_cached(
                    "SELECT n.id, n.hook, n.hold, n.state, n.tries, n.made_ms FROM notices n
                     JOIN changes c ON c.hold = n.hold AND c.step = n.step
                     WHERE n.next_ms <= ?1 AND c.recorded = 1 ORDER BY n.next_ms, n.id LIMIT ?2",
                )?;
                let mut rows = due.query(params![now, AT_ONCE])?;
                while let Some(row) = rows.next()? {
                    let hold: String = row.get(2)?;
                    let Ok(hold) = hold.parse() else { continue };
                    out.push(Notice {
                        id: row.get(0)?,
                        hook: row.get(1)?,
                        hold,
                        state: row.get(3)?,
                        tries: row.get(4)?,
                        made_ms: row.get(5)?,
                    });
                }
                for notice in &mut out {
                    notice.tries += 1;
                    write.execute(
                        "UPDATE notices SET tries = ?2, next_ms = ?3 WHERE id = ?1",
                        params![notice.id, notice.tries, now + pause(notice.tries)],
                    )?;
                }
                Ok(out)
            };
            taken().map_err(store.failed("take messages of"))
        })
    }

    async fn send(&self, notice: Notice) -> bool {
        let hook = self.0.config.webhooks.iter().find(|hook| hook.name == notice.hook);
        let sent = match hook {
            Some(hook) => match self.message(&notice).await {
                Ok(body) => {
                    let seconds = now_ms() / 1000;
                    let signed = signature(&hook.secret, seconds, body.as_bytes());
                    let post = client::post(&hook.address, &notice.id, &signed, body);
                    tokio::time::timeout(PATIENCE, post).await.unwrap_or_else(|_| Err("it takes too long".to_owned()))
                }
                Err(error) => Err(error.to_string()),
            },
            // The hook is configured no more.
            None => Ok(()),
        };
        let over = match &sent {
            Ok(()) => true,
            Err(why) if notice.tries >= TRIES => {
                tracing::error!(hook = notice.hook, hold = %notice.hold, why, "a webhook is given up");
                true
            }
            Err(why) => {
                tracing::warn!(hook = notice.hook, hold = %notice.hold, why, "a webhook is tried again later");
                false
            }
        };
        if over {
            let (this, id) = (self.clone(), notice.id);
            let removed = blocking(move || {
                this.0.store.read("take messages of", |connection| {
                    connection.execute("DELETE FROM notices WHERE id = ?1", [id])
                })
            });
            if let Err(error) = removed.await {
                tracing::error!(%error, "a message that was sent is sent again");
            }
        }
        sent.is_ok() && hook.is_some()
    }

    async fn message(&self, notice: &Notice) -> Result<String, ApprovalError> {
        let (this, hold) = (self.clone(), notice.hold);
        let header = blocking(move || Ok(this.0.store.load(&hold)?.header)).await?;
        let body = json!({
            "id": notice.id,
            "event": format!("hold.{}", notice.state),
            "time_ms": notice.made_ms,
            "hold": header.id,
            "mount": header.mount,
            "agent": header.agent,
            "relation": header.relation,
            "verb": header.verb,
            "rows": header.rows,
            "needed": header.needed,
            "expires_ms": header.expires_ms,
            "reverts": header.reverts,
        });
        Ok(body.to_string())
    }
}

/// The pause after that many tries, in milliseconds; never shorter than a try may take.
fn pause(tries: u32) -> i64 {
    let grown = FIRST_MS.saturating_mul(1_i64.checked_shl(tries.saturating_sub(1).min(20)).unwrap_or(i64::MAX));
    grown.min(LONGEST_MS) + i64::try_from(PATIENCE.as_millis()).unwrap_or(0)
}
