//! Where a mount reads: behind its backend's own wall, where that stands.

use std::{collections::BTreeMap, sync::Arc};

use mountgate_backend::{
    Backend,
    wall::postgres::{PostgresWall, Secrets, Standing},
};
use mountgate_core::{BackendName, Ceiling, ColumnName, RelationName};
use mountgate_driver::{PostgresAdmin, PostgresConfig, StoreConfig, StoreError};
use mountgate_sql::MaskKeys as _;

use super::{Opened, secret_of, site::ceiling, store_config};
use crate::{
    config::{Config, MountConfig, Problem, Problems, Wall},
    keys::Keys,
};

/// Connections that look at walls: one for each backend, for as long as one composition takes.
#[derive(Default)]
pub(super) struct Inspectors(BTreeMap<BackendName, PostgresAdmin>);

/// The mount's own way to its backend, and the ceiling as it is read from there.
pub(super) async fn behind(
    opened: &mut Opened,
    declared: &MountConfig,
    ceiling: Ceiling,
    keys: &Keys,
    inspectors: &mut Inspectors,
    config: &Config,
    warnings: &mut Vec<String>,
) -> Result<(Arc<Backend>, Ceiling), Vec<Problem>> {
    let as_it_is = |opened: &Opened, ceiling| Ok((Arc::clone(&opened.backend), ceiling));
    if opened.config.wall == Wall::Off {
        return as_it_is(opened, ceiling);
    }
    let database = match store_config(&opened.config, opened.secret.as_deref()) {
        Ok(StoreConfig::Postgres(database)) => database,
        Ok(StoreConfig::Sqlite(_)) => return sqlite(declared, &opened.backend, ceiling, keys).await,
        // It is open, so its configuration held.
        Err(_) => return as_it_is(opened, ceiling),
    };
    let (name, mount) = (&declared.backend, &declared.name);
    let why = match raise(opened, declared, &ceiling, &database, keys, inspectors).await {
        Ok((backend, wall)) => {
            if ceiling.relations().values().any(|relation| relation.write.is_some()) {
                warnings.push(format!(
                    "mount `{mount}` lets tables be written, and the wall of backend `{name}` grants no writes: they are refused"
                ));
            }
            return Ok((backend, ceiling.behind(|relation| wall.walled(relation))));
        }
        Err(why) => why,
    };
    let lacks = format!("backend `{name}` has no wall of its own for mount `{mount}`: {why}");
    if opened.config.wall == Wall::Require {
        let place = ["backends".to_owned(), name.to_string(), "wall".to_owned()];
        let how = format!("`mountgate backend provision {name} --apply` builds it");
        return Err(vec![config.main.source.point(&place, None, &format!("{lacks}; {how}"))]);
    }
    warnings.push(format!(
        "{lacks}; the rewrite alone keeps its agents within their ceiling (`mountgate backend provision {name} --apply` builds the wall)"
    ));
    as_it_is(opened, ceiling)
}

/// Behind a wall of the gateway's own making, in each of its connections.
async fn sqlite(
    declared: &MountConfig,
    backend: &Backend,
    ceiling: Ceiling,
    keys: &Keys,
) -> Result<(Arc<Backend>, Ceiling), Vec<Problem>> {
    let masks = keys.masks(&declared.name);
    let key = |relation: &RelationName, column: &ColumnName| masks.key(relation, column);
    match backend.behind_sqlite_wall(ceiling, &key).await {
        Ok((backend, ceiling)) => Ok((Arc::new(backend), ceiling)),
        Err(error) => {
            let why = format!(
                "the wall of backend `{}` can't be built for this mount: {}; write `wall = \"off\"` at the backend to serve with the rewrite alone",
                backend.name(),
                error.detail
            );
            Err(vec![declared.source.point(&["backend".to_owned()], None, &why)])
        }
    }
}

/// The backend behind the mount's wall; or why there is none.
async fn raise(
    opened: &mut Opened,
    declared: &MountConfig,
    ceiling: &Ceiling,
    database: &PostgresConfig,
    keys: &Keys,
    inspectors: &mut Inspectors,
) -> Result<(Arc<Backend>, PostgresWall), String> {
    // `/healthz` tells warnings to whoever asks; names of tables and roles, and a server's words, are for the log.
    let logged = |what: &str, detail: &str| {
        tracing::warn!(backend = %declared.backend, mount = %declared.name, detail, "no wall: {what}");
        format!("{what} (`mountgate backend check {}`)", declared.backend)
    };
    let wall = postgres(declared, ceiling, database, keys)
        .map_err(|why| logged("the mount's file has no form in PostgreSQL's wall", &why))?;
    let inspector = match inspectors.0.remove(&declared.backend) {
        Some(inspector) => inspector,
        None => PostgresAdmin::connect(database)
            .await
            .map_err(|error| logged("the database can't be looked at", &error.detail))?,
    };
    let standing = wall.inspect(&inspector).await;
    inspectors.0.insert(declared.backend.clone(), inspector);
    match standing.map_err(|error| logged("the database can't be looked at", &error.detail))? {
        Standing::Missing => return Err("none is provisioned".to_owned()),
        Standing::Drifted(findings) => {
            let breaches: Vec<&str> =
                findings.iter().filter(|finding| finding.breach).map(|finding| finding.text.as_str()).collect();
            return Err(logged("what is provisioned is not as it should be", &breaches.join("; ")));
        }
        Standing::Whole(_) => {}
    }
    let digest = wall.digest();
    if let Some((known, backend)) = opened.walls.get(&declared.name)
        && *known == digest
    {
        return Ok((Arc::clone(backend), wall));
    }
    let backend = Backend::behind_postgres_wall(declared.backend.clone(), database.clone(), &wall).await;
    let backend = Arc::new(backend.map_err(|error| logged("its login gets nowhere", &error.detail))?);
    opened.walls.insert(declared.name.clone(), (digest, Arc::clone(&backend)));
    Ok((backend, wall))
}

fn postgres(
    declared: &MountConfig,
    ceiling: &Ceiling,
    database: &PostgresConfig,
    keys: &Keys,
) -> Result<PostgresWall, String> {
    let masks = keys.masks(&declared.name);
    PostgresWall::new(&declared.name, ceiling, keys.wall(database.database(), &declared.name), &|relation, column| {
        masks.key(relation, column)
    })
}

/// The walls that the mounts of a PostgreSQL backend ask for.
pub struct Walls {
    /// The database, with the login that the gateway's configuration names.
    pub database: PostgresConfig,
    /// The walls, by mount.
    pub walls: Vec<PostgresWall>,
}

impl Walls {
    /// Builds all of them, or builds them anew; in one transaction.
    ///
    /// # Errors
    /// Where the database refuses a statement. Nothing is changed then.
    pub async fn build(&self, admin: &PostgresAdmin) -> Result<(), StoreError> {
        let scripts: Vec<String> = self.walls.iter().map(|wall| wall.provision(Secrets::Written)).collect();
        admin.run(&scripts.join("\n")).await
    }
}

/// The walls that the mounts of that backend ask for; `None` where its walls are not built by hand.
///
/// # Errors
/// Where there is no such backend, where it can't be asked, and every mount that does not fit it.
pub async fn walls(config: &Config, keys: &Keys, name: &BackendName) -> Result<Option<Walls>, Problems> {
    let fault = |key: Option<&str>, why: String| {
        let place: Vec<String> = ["backends", name.as_str()].into_iter().chain(key).map(str::to_owned).collect();
        Problems(vec![config.main.source.point(&place, None, &why)])
    };
    let Some(section) = config.main.backends.get(name) else {
        return Err(fault(None, format!("there is no backend `{name}`")));
    };
    let secret = secret_of(section).map_err(|(key, why)| fault(Some(key), why))?;
    let database = match store_config(section, secret.as_deref()) {
        Ok(StoreConfig::Postgres(database)) => database,
        Ok(StoreConfig::Sqlite(_)) => return Ok(None),
        Err(error) => return Err(fault(None, error.detail)),
    };
    let store = mountgate_driver::Store::open(StoreConfig::Postgres(database.clone())).await;
    let store = store.map_err(|error| fault(None, format!("backend `{name}` cannot be opened: {}", error.detail)))?;
    let backend = Backend::new(name.clone(), store);
    let (mut walls, mut problems) = (Vec::new(), Vec::new());
    for declared in config.mounts.values().filter(|declared| &declared.backend == name) {
        let built = match ceiling(declared, &backend).await {
            Ok(ceiling) => postgres(declared, &ceiling, &database, keys)
                .map_err(|why| vec![declared.source.point(&["tables".to_owned()], None, &why)]),
            Err(problems) => Err(problems),
        };
        match built {
            Ok(wall) => walls.push(wall),
            Err(more) => problems.extend(more),
        }
    }
    if problems.is_empty() { Ok(Some(Walls { database, walls })) } else { Err(Problems(problems)) }
}
