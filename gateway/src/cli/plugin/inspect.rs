//! `mountgate plugin inspect`

use std::path::Path;

use anyhow::Context as _;
use mountgate_core::Digest;
use mountgate_policy::{Host, HostConfig};
use serde::Serialize;

use super::{Exit, Output};

/// What a component is.
#[derive(Debug, Serialize)]
struct Inspected {
    digest: Digest,
    bytes: u64,
    imports: Vec<String>,
    /// Absent where the host does not admit it.
    #[serde(skip_serializing_if = "Option::is_none")]
    admitted: Option<Admitted>,
    /// Why the host does not admit it.
    #[serde(skip_serializing_if = "Option::is_none")]
    refused: Option<String>,
}

#[derive(Debug, Serialize)]
struct Admitted {
    contract: String,
    name: String,
    summary: String,
    inputs: Vec<&'static str>,
    settings_schema: serde_json::Value,
}

pub(super) fn run(file: &Path, output: &mut Output) -> anyhow::Result<Exit> {
    let bytes = std::fs::read(file)
        .with_context(|| format!("`{}` can't be read; `mountgate plugin build` makes one", file.display()))?;
    let found = inspect(&bytes)?;
    if output.is_json() {
        output.data(&found)?;
    } else {
        tell(&found, output)?;
    }
    Ok(if found.admitted.is_some() { Exit::Done } else { Exit::Failed })
}

fn inspect(bytes: &[u8]) -> anyhow::Result<Inspected> {
    let host = Host::new(HostConfig {
        max_instances: 16,
        ready: 1,
        disk: crate::plugin::build::compiled(),
        ..HostConfig::default()
    })?;
    let (mut admitted, mut refused) = (None, None);
    match host.admit(bytes) {
        Ok(plugin) => {
            let manifest = plugin.manifest();
            let inputs = manifest.inputs;
            let named = [
                ("time", inputs.time),
                ("usage", inputs.usage),
                ("parameters", inputs.parameters),
                ("predicates", inputs.predicates),
                ("ceiling", inputs.ceiling),
            ];
            admitted = Some(Admitted {
                contract: format!("mountgate:policy@{}", plugin.contract().version()),
                name: manifest.name.clone(),
                summary: manifest.summary.clone(),
                inputs: named.into_iter().filter(|(_, reads)| *reads).map(|(name, _)| name).collect(),
                settings_schema: serde_json::from_str(&manifest.settings_schema)?,
            });
        }
        Err(error) => refused = Some(error.to_string()),
    }
    Ok(Inspected {
        digest: Digest::of(bytes),
        bytes: bytes.len() as u64,
        imports: mountgate_policy::imports(bytes)?,
        admitted,
        refused,
    })
}

fn tell(found: &Inspected, output: &mut Output) -> anyhow::Result<()> {
    output.line(format!("digest    {}", found.digest))?;
    output.line(format!("size      {}", bytes(found.bytes)))?;
    let none = || "none".to_owned();
    let list = |items: &[String]| if items.is_empty() { none() } else { items.join("\n          ") };
    output.line(format!("imports   {}", list(&found.imports)))?;
    if let Some(admitted) = &found.admitted {
        output.line(format!("contract  {}", admitted.contract))?;
        output.line(format!("name      {}", admitted.name))?;
        output.line(format!("summary   {}", admitted.summary))?;
        let inputs = if admitted.inputs.is_empty() { none() } else { admitted.inputs.join(", ") };
        output.line(format!("inputs    {inputs}"))?;
        output.line(format!("settings  {}", serde_json::to_string_pretty(&admitted.settings_schema)?))?;
    }
    if let Some(refused) = &found.refused {
        output.line(format!("refused   {refused}"))?;
    }
    Ok(())
}

/// A size for people.
pub(super) fn bytes(bytes: u64) -> String {
    const KIB: u64 = 1 << 10;
    const MIB: u64 = 1 << 20;
    match bytes {
        0..KIB => format!("{bytes} bytes"),
        KIB..MIB => format!("{} KiB", bytes.div_ceil(KIB)),
        _ => format!("{:.1} MiB", bytes as f64 / MIB as f64),
    }
}
