//! Walls of PostgreSQL backends, built as `mountgate backend provision --apply` builds them.

use std::path::Path;

use mountgate::{compose::wall::walls, config::Config, keys::Keys};
use mountgate_driver::PostgresAdmin;

/// Builds the walls of every PostgreSQL backend of that configuration, as the backend's own login.
///
/// # Errors
/// Where the configuration does not hold, or the database refuses.
pub async fn provision(main: &Path) -> anyhow::Result<()> {
    let config = Config::load(main)?;
    let keys = Keys::open(&config.main)?;
    for name in config.main.backends.keys() {
        let Some(walls) = walls(&config, &keys, name).await? else { continue };
        let admin = PostgresAdmin::connect(&walls.database).await.map_err(|error| anyhow::anyhow!("{error:?}"))?;
        walls.build(&admin).await.map_err(|error| anyhow::anyhow!("{error:?}"))?;
    }
    Ok(())
}
