//! `mountgate explain`

use std::{io::Read as _, path::Path};

use clap::Args;
use mountgate_core::{ClaimName, ClaimValue, Claims, Refusal, Value, Verdict};
use mountgate_identity::{Identity, IdentityConfig};
use mountgate_policy::HostConfig;

use super::{Exit, Output, block_on};
use crate::{
    claims,
    compose::Composer,
    config::Config,
    explain::{Explain, Explained, explain},
    keys::{IDENTITIES, Keys},
};

const EXAMPLES: &str = "\
Examples:
  mountgate explain --mount support --agent support-bot --claim customer_id=42 \\
      'SELECT status, count(*) FROM orders GROUP BY status'
  mountgate explain --mount support --agent support-bot --param 7 'SELECT * FROM orders WHERE order_id = ?'
  cat query.sql | mountgate explain --mount report --agent report-bot -

It shows the rewritten SQL and filters, which agents never see: for operators. Nothing is run, no budget is used, and
nothing is recorded. An agent that was added brings its own claims; --claim adds a session's.
Ends with 5 where the statement would be refused.";

/// Lay a statement open.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct ExplainArgs {
    /// The mount.
    #[arg(long)]
    mount: String,
    /// The agent.
    #[arg(long)]
    agent: String,
    /// A claim of a session: `name=value`, or `name:type=value`.
    #[arg(long = "claim", value_name = "CLAIM", value_parser = claims::claim)]
    claims: Vec<(ClaimName, ClaimValue)>,
    /// A parameter, in order: JSON (`42`, `true`, `null`, `"42"`), or else text.
    #[arg(long = "param", value_name = "VALUE", value_parser = parameter, allow_hyphen_values = true)]
    parameters: Vec<Value>,
    /// The statement; `-` reads it from standard input.
    sql: String,
}

/// A parameter as JSON, or else as text.
fn parameter(text: &str) -> Result<Value, String> {
    use serde_json::Value as Json;
    match serde_json::from_str::<Json>(text) {
        Ok(Json::Null) => Ok(Value::Null),
        Ok(Json::Bool(truth)) => Ok(Value::Boolean(truth)),
        Ok(Json::Number(number)) => match (number.as_i64(), number.as_f64()) {
            (Some(whole), _) => Ok(Value::Integer(whole)),
            (None, Some(float)) => Ok(Value::Float(float)),
            (None, None) => Err(format!("`{text}` is no number that fits")),
        },
        Ok(Json::String(inner)) => Ok(Value::Text(inner)),
        Ok(Json::Array(_) | Json::Object(_)) => Err(format!("`{text}` is no single value")),
        Err(_) => Ok(Value::Text(text.to_owned())),
    }
}

pub(super) fn run(args: &ExplainArgs, path: &Path, output: &mut Output) -> anyhow::Result<Exit> {
    let config = Config::load(path)?;
    let sql = match args.sql.as_str() {
        "-" => {
            let mut sql = String::new();
            std::io::stdin().read_to_string(&mut sql)?;
            sql
        }
        sql => sql.to_owned(),
    };
    let ask = Explain {
        mount: args.mount.as_str().into(),
        agent: args.agent.as_str().into(),
        claims: claims_of(&config, args)?,
        sql,
        parameters: args.parameters.clone(),
    };
    let keys = Keys::peek(&config.main)?;
    let explained = block_on(async {
        let mut composer = Composer::new(HostConfig::default())?;
        explain(&config, &mut composer, &keys, &ask).await
    })?;
    if output.is_json() {
        output.data(&explained)?;
    } else {
        tell(&explained, output)?;
    }
    Ok(if explained.allowed { Exit::Done } else { Exit::Refused })
}

/// The agent's own claims, where it was added, with the session's over them; as in a session, none may stand in the
/// place of the agent's.
fn claims_of(config: &Config, args: &ExplainArgs) -> anyhow::Result<Claims> {
    let mut all = claims::together(&args.claims).map_err(anyhow::Error::msg)?;
    let path = config.main.server.state.join(IDENTITIES);
    if !path.exists() {
        return Ok(all);
    }
    let agents = Identity::open(path, IdentityConfig::default())?.list_agents()?;
    let own = agents.into_iter().find(|agent| agent.name.as_str() == args.agent && agent.revoked_ms.is_none());
    for (name, value) in own.map(|agent| agent.claims).unwrap_or_default() {
        if all.insert(name.clone(), value).is_some() {
            anyhow::bail!("the claim `{name}` is the agent's own: a session can't change it");
        }
    }
    Ok(all)
}

fn tell(explained: &Explained, output: &mut Output) -> anyhow::Result<()> {
    let Explained {
        closed,
        refusal,
        fault,
        touch,
        policy,
        plugin,
        verdict,
        limits,
        scope,
        sql,
        binds,
        wall,
        fenced,
        ..
    } = explained;
    if let Some(touch) = touch {
        output.line("touch")?;
        for relation in &touch.relations {
            let columns: Vec<String> = relation
                .columns
                .iter()
                .map(|(column, uses)| {
                    let uses: Vec<String> = uses
                        .iter()
                        .filter_map(|used| serde_json::to_value(used).ok()?.as_str().map(str::to_owned))
                        .collect();
                    format!("{column} ({})", uses.join(", "))
                })
                .collect();
            output.line(format!("  {}: {}", relation.relation, columns.join(", ")))?;
        }
    }
    output.line(format!("policy\n  {policy}, {plugin}"))?;
    if let Some(verdict) = verdict {
        output.line("verdict")?;
        match verdict {
            Verdict::Deny { code, reason, .. } => output.line(format!("  deny ({code}): {reason}"))?,
            Verdict::Hold { reason, .. } => output.line(format!("  hold for approval: {reason}"))?,
            Verdict::Allow { valid_for_ms, .. } => output.line(match valid_for_ms {
                Some(ms) => format!("  allow, for {ms} ms"),
                None => "  allow".to_owned(),
            })?,
        }
    }
    if let Some(scope) = scope {
        output.line("scope")?;
        for (name, relation) in scope.relations() {
            let columns: Vec<String> = relation
                .columns
                .iter()
                .map(|column| {
                    let masks: Vec<&str> = column.masks.iter().map(mountgate_core::Mask::label).collect();
                    if masks.is_empty() {
                        column.name.to_string()
                    } else {
                        format!("{} [{}]", column.name, masks.join(", "))
                    }
                })
                .collect();
            let filtered = if relation.is_filtered() { ", filtered" } else { "" };
            output.line(format!("  {name}: {}{filtered}", columns.join(", ")))?;
        }
    }
    if let Some(limits) = limits {
        output.line(format!("limits\n  {}", serde_json::to_string(limits.as_ref())?))?;
    }
    if let Some(sql) = sql {
        output.line(format!("sql\n  {sql}"))?;
        for (at, bind) in binds.iter().enumerate() {
            output.line(format!("  {}: {bind}", at + 1))?;
        }
    }
    if !wall.is_empty() {
        output.line("wall")?;
        for (name, shown) in wall {
            output.line(format!("  {name}: {shown}"))?;
        }
    }
    if !fenced.is_empty() {
        output.line(format!("fenced\n  {}", fenced.join(", ")))?;
    }
    if let Some(fault) = fault {
        output.line(format!("the policy failed\n  {fault}"))?;
    }
    let refused = |output: &mut Output, what: &str, refusal: &Refusal| -> std::io::Result<()> {
        output.line(format!("{what}\n  {}: {}", refusal.code, refusal.message))?;
        refusal.hint.as_ref().map_or(Ok(()), |hint| output.line(format!("  {hint}")))
    };
    if let Some(refusal) = refusal {
        refused(output, "refused", refusal)?;
    }
    if let Some(closed) = closed {
        refused(output, "the mount does not serve this caller now", closed)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_json_or_text() {
        assert_eq!(parameter("42"), Ok(Value::Integer(42)));
        assert_eq!(parameter("\"42\""), Ok(Value::Text("42".into())));
        assert_eq!(parameter("null"), Ok(Value::Null));
        assert_eq!(parameter("1.5"), Ok(Value::Float(1.5)));
        assert_eq!(parameter("open"), Ok(Value::Text("open".into())));
        assert_eq!(parameter("007"), Ok(Value::Text("007".into())));
        assert!(parameter("[1]").is_err());
    }
}
