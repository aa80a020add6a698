//! A case's mount as a ceiling, and its request as the host takes it: made as composition and `mediate` make them.

use std::{collections::BTreeMap, sync::Arc};

use jiff::{Timestamp, tz::TimeZone};
use mountgate_core::{
    Catalogue, Ceiling, ColumnInfo, DecisionRequest, LimitKey, Limits, RelationInfo, RequestTime,
    ceiling::{CeilingError, RelationDeclaration},
    request::RequestRelation,
};

use super::{Case, CaseMount, CaseTable, Shown};

impl CaseMount {
    /// The ceiling.
    ///
    /// # Errors
    /// What does not fit: a mask or filter on a column of another type.
    pub fn ceiling(&self) -> Result<Ceiling, Vec<CeilingError>> {
        let mut declared = BTreeMap::new();
        let mut catalogue = Catalogue::default();
        for (name, table) in &self.tables {
            declared.insert(name.clone(), declaration(table));
            let (schema, bare) = name.as_str().split_once('.').unwrap_or(("main", name.as_str()));
            let info = RelationInfo {
                schema: schema.to_owned(),
                name: bare.to_owned(),
                columns: table
                    .columns
                    .iter()
                    .map(|column| ColumnInfo {
                        name: column.name.clone(),
                        ty: column.ty.clone(),
                        store_type: column.ty.label(),
                        loose_equality: false,
                    })
                    .collect(),
                key: table.columns.iter().filter(|column| column.key).map(|column| column.name.clone()).collect(),
            };
            catalogue.relations.insert(name.clone(), info);
        }
        let limits = self.limits.clone().or(&Limits::defaults());
        Ceiling::build(&declared, &catalogue, vec![], limits, LimitKey::default(), None, None)
    }

    /// The moment as policies of this mount are told it.
    fn local_time(&self, unix_ms: i64) -> Option<RequestTime> {
        let zone = TimeZone::get(&self.zone).ok()?;
        let local = zone.to_datetime(Timestamp::from_millisecond(unix_ms).ok()?);
        Some(RequestTime {
            unix_ms,
            weekday: local.weekday().to_monday_one_offset().unsigned_abs(),
            minute: u16::from(local.hour().unsigned_abs()) * 60 + u16::from(local.minute().unsigned_abs()),
            date: local.date().to_string(),
        })
    }
}

fn declaration(table: &CaseTable) -> RelationDeclaration {
    let shown = |to: Shown| {
        table.columns.iter().filter(move |column| column.shown == to).map(|column| column.name.clone()).collect()
    };
    RelationDeclaration {
        columns: shown(Shown::Agents),
        masks: table.columns.iter().filter_map(|column| Some((column.name.clone(), column.mask.clone()?))).collect(),
        lend: shown(Shown::Policies),
        filter: table.filter.clone(),
        ..RelationDeclaration::default()
    }
}

impl Case {
    /// What the host is asked.
    pub fn decision_request(&self, ceiling: &Ceiling) -> DecisionRequest {
        let request = &self.request;
        let touched =
            request.touch.relations.iter().filter_map(|touched| {
                Some(RequestRelation::of(&touched.relation, ceiling.relation(&touched.relation)?))
            });
        DecisionRequest {
            agent: request.agent.as_str().into(),
            session: request.session.as_deref().map(Into::into),
            claims: Arc::new(request.claims.clone()),
            mount: self.mount.name.clone(),
            door: request.door,
            purpose: request.purpose.clone(),
            time: request.time_ms.and_then(|ms| self.mount.local_time(ms)),
            usage: request.usage.map(Into::into),
            parameters: Some(request.parameters.clone()),
            touch: Arc::new(request.touch.clone()),
            ceiling: Arc::new(touched.collect()),
            limits: Arc::new(ceiling.limits.clone()),
        }
    }
}
