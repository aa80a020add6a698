//! The settings, as a mount's file has them, checked and prepared.

use std::collections::BTreeMap;

use mountgate_plugin_sdk::{
    prelude::*,
    settings::{DurationSetting, FilterSetting, LimitsSetting, MaskSetting},
    types::Node,
};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value as Json;

use crate::{Fallback, Prepared, Table, Tier};

/// The settings of a mount.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    tiers: Vec<Json>,
    #[serde(default)]
    otherwise: Fallback,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TierSetting {
    when: BTreeMap<String, Json>,
    #[serde(default)]
    tables: BTreeMap<String, Json>,
    #[serde(default)]
    deny: Vec<String>,
    #[serde(default)]
    others: Fallback,
    limits: Option<Json>,
    valid_for: Option<Json>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TableSetting {
    columns: Option<Vec<String>>,
    #[serde(default)]
    masks: BTreeMap<String, Json>,
    filter: Option<String>,
}

impl Settings {
    /// Checks them against the mount and prepares them. Every error names the key, as a path.
    pub(crate) fn prepare(self, mount: &Mount) -> Result<Prepared<'static>, String> {
        if self.tiers.is_empty() && self.otherwise == Fallback::Deny {
            return Err("`tiers` is empty, so every request would be denied: add a tier, or set `otherwise`".into());
        }
        let mut tiers = Vec::with_capacity(self.tiers.len());
        for (index, tier) in self.tiers.into_iter().enumerate() {
            tiers.push(prepare_tier(tier, mount).map_err(|error| format!("tiers[{index}]{error}"))?);
        }
        let ceiling = mount.prepare(|relation| Ok(Some(relation.narrowed().into())))?;
        Ok(Prepared { tiers, otherwise: self.otherwise, ceiling })
    }
}

fn prepare_tier(json: Json, mount: &Mount) -> Result<Tier<'static>, String> {
    let setting: TierSetting = keyed(json).map_err(|error| format!(": {error}"))?;
    let mut when = Vec::with_capacity(setting.when.len());
    for (claim, wanted) in setting.when {
        let values = wanted_values(wanted).map_err(|error| format!(".when.{claim}: {error}"))?;
        when.push((claim.into(), values));
    }
    if !setting.deny.is_empty() && setting.others == Fallback::Deny {
        return Err(
            ".deny: does nothing unless `others = \"ceiling\"`: tables that are not named are denied anyway".into()
        );
    }
    if let Some(twice) = setting.deny.iter().find(|name| setting.tables.contains_key(*name)) {
        return Err(format!(".deny: `{twice}` is granted under `tables` as well"));
    }
    if let Some(unknown) = setting.deny.iter().find(|name| mount.relation(name).is_none()) {
        return Err(format!(".deny: {}", no_table(unknown, mount)));
    }
    let mut tables = BTreeMap::new();
    for (name, table) in setting.tables {
        let prepared = prepare_table(&name, table, mount).map_err(|error| format!(".tables.{name}{error}"))?;
        tables.insert(name, prepared);
    }
    let tables = mount.prepare(|relation| {
        let fallback = setting.others == Fallback::Ceiling && !setting.deny.contains(&relation.name);
        Ok(tables.remove(&relation.name).or_else(|| fallback.then_some(Table::Ceiling)))
    });
    let limits = match setting.limits {
        Some(json) => keyed::<LimitsSetting>(json).map_err(|error| format!(".limits: {error}"))?.into(),
        None => Limits::none(),
    };
    let valid_for = setting.valid_for.map(serde_json::from_value::<DurationSetting>);
    let valid_for = valid_for.transpose().map_err(|error| format!(".valid_for: {error}"))?;
    Ok(Tier {
        when,
        tables: tables.map_err(|error| format!(".tables: {error}"))?,
        limits,
        valid_for_ms: valid_for.map(|duration| duration.0),
    })
}

fn prepare_table(name: &str, json: Json, mount: &Mount) -> Result<Table, String> {
    let setting: TableSetting = keyed(json).map_err(|error| format!(": {error}"))?;
    if let Some(columns) = &setting.columns {
        if columns.is_empty() {
            return Err(".columns: is empty: leave the table out to deny it".into());
        }
        if let Some(masked) = setting.masks.keys().find(|masked| !columns.contains(masked)) {
            return Err(format!(".masks.{masked}: `{masked}` is not among `columns`"));
        }
    }
    let mut masks = Vec::with_capacity(setting.masks.len());
    for (column, mask) in setting.masks {
        let mask = MaskSetting::read(mask).map_err(|error| format!(".masks.{column}: {error}"))?;
        masks.push((column, mask.0));
    }
    let filter = setting.filter.map(|text| FilterSetting::read(&text)).transpose();
    let filter = filter.map_err(|error| format!(".filter: {error}"))?;
    // What the settings say makes sense by itself; the rest is the mount's to say.
    let relation = mount.relation(name).ok_or_else(|| format!(": {}", no_table(name, mount)))?;
    if setting.columns.is_none() && masks.is_empty() && filter.is_none() {
        return Ok(Table::Ceiling);
    }
    let mut narrowed = relation.narrowed();
    if let Some(columns) = setting.columns {
        narrowed = narrowed.only_columns(columns).map_err(|error| format!(".columns: {error}"))?;
    }
    for (column, mask) in masks {
        narrowed = narrowed.mask(&column, mask).map_err(|error| format!(".masks.{column}: {error}"))?;
    }
    if let Some(FilterSetting(filter)) = filter {
        let nodes = filter.clone().into_nodes();
        let unknown = nodes.iter().find_map(|node| match node {
            Node::Column(column) if !relation.may_filter_by(column) => Some(column),
            _ => None,
        });
        if let Some(unknown) = unknown {
            return Err(format!(".filter: the ceiling neither shows nor lends a column `{unknown}` of `{name}`"));
        }
        narrowed = narrowed.filter(filter);
    }
    Ok(Table::Narrowed(narrowed.into()))
}

fn no_table(name: &str, mount: &Mount) -> String {
    let shown: Vec<&str> = mount.relations.iter().map(|relation| relation.name.as_str()).take(10).collect();
    format!("the mount shows no table `{name}`; it shows {}", shown.join(", "))
}

/// serde also reads a struct from a list, by position: no operator means that.
fn keyed<T: DeserializeOwned>(json: Json) -> Result<T, String> {
    if !json.is_object() {
        return Err("write keys and values".into());
    }
    serde_json::from_value(json).map_err(|error| error.to_string())
}

fn wanted_values(json: Json) -> Result<Vec<ClaimValue>, String> {
    match json {
        Json::Array(items) if items.is_empty() => Err("is empty, so the tier never matches".into()),
        Json::Array(items) => items.into_iter().map(wanted_value).collect(),
        one => Ok(vec![wanted_value(one)?]),
    }
}

fn wanted_value(json: Json) -> Result<ClaimValue, String> {
    match json {
        Json::String(text) => Ok(ClaimValue::Text(text)),
        Json::Bool(truth) => Ok(ClaimValue::Boolean(truth)),
        Json::Number(number) => {
            number.as_i64().map(ClaimValue::Integer).ok_or_else(|| format!("`{number}` is no whole number"))
        }
        Json::Null | Json::Array(_) | Json::Object(_) => {
            Err("write a text, a whole number, true or false, or a list of those".into())
        }
    }
}
