//! Cedar: decides by policies in the Cedar language, from the mount's settings. Teams that have Cedar write no code.
//!
//! ```toml
//! policy = "examples/cedar"
//!
//! [settings]
//! policies = '''
//! @rows("region = claim.region")
//! permit (principal, action == Action::"read", resource in Table::"customers")
//! when { context.claims has region };
//!
//! forbid (principal, action, resource == Column::"customers.email")
//! unless { context.claims has team && context.claims.team == "support" };
//! '''
//! ```
//!
//! For each table that a request touches, the agent (`Agent::"support-bot"`) asks to `read` it (`Table::"customers"`), and
//! each of its columns (`Column::"customers.email"`, which is in its table). What is permitted is granted; the mount's file
//! still holds, whatever Cedar says. `context` has `claims`, `mount`, `door`, `time` (`weekday` from 1 for Monday, `minute` of
//! the local day, `date`) and, where the agent says one, `purpose`.
//!
//! Rows: an annotation `@rows` on a `permit` has the rows that it permits, in a mount file's own notation. A table that
//! several permits allow shows the rows of any of them; one of them without `@rows` shows all.
//!
//! Closed by default: what no policy permits is denied, and a `forbid` that can't be evaluated (an attribute that is not
//! there) forbids.

use std::collections::HashSet;

use cedar_policy::{
    Authorizer, Context, Decision, Effect, Entities, Entity, EntityId, EntityTypeName, EntityUid, PolicyId, PolicySet,
    Request as Question, Response,
};
use mountgate_plugin_sdk::{prelude::*, settings::FilterSetting};
use serde::{Deserialize, Serialize};

/// The policy.
pub struct Cedar;

/// The mount's settings.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Cedar policies.
    policies: String,
}

/// What is prepared: the policies' text, which is known to parse. Cedar has no form that is read faster.
#[derive(Serialize, Deserialize)]
pub struct Prepared {
    policies: String,
}

impl Policy for Cedar {
    type Settings = Settings;
    type Prepared<'a> = Prepared;

    fn describe() -> Manifest {
        Manifest::new("examples/cedar", "decides by Cedar policies in its settings").input(Input::Time).settings_schema(
            r#"{
                "type": "object",
                "additionalProperties": false,
                "required": ["policies"],
                "properties": { "policies": { "type": "string", "description": "policies in the Cedar language" } }
            }"#,
        )
    }

    fn configure(settings: Settings, _: &Mount) -> Result<Prepared, String> {
        let policies = parse(&settings.policies)?;
        if policies.policies().next().is_none() {
            return Err("`policies` has no policy: what none permits is denied".to_owned());
        }
        if policies.templates().next().is_some() {
            return Err("`policies` has a template (`?principal`, `?resource`): write it out, for nothing links it".to_owned());
        }
        for policy in policies.policies() {
            if let Some(rows) = policy.annotation("rows") {
                if policy.effect() == Effect::Forbid {
                    return Err(format!("`@rows` stands on a `forbid` ({}): it says which rows a `permit` permits", policy.id()));
                }
                FilterSetting::read(rows).map_err(|why| format!("`@rows` of {}: {why}", policy.id()))?;
            }
        }
        Ok(Prepared { policies: settings.policies })
    }

    fn decide(prepared: &Prepared, request: &Request<'_>) -> Result<Verdict, String> {
        let policies = parse(&prepared.policies)?;
        let asked = Asked::of(&policies, request)?;
        let mut grants = Vec::new();
        let mut denied = Vec::new();
        for touched in request.relations() {
            match asked.table(&touched.ceiling()?)? {
                Some(narrowed) => grants.push(touched.grant(narrowed)),
                None => denied.push(format!("`{}`", touched.name())),
            }
        }
        if grants.is_empty() && !denied.is_empty() {
            return Ok(Verdict::deny("not_permitted", format!("no policy permits reading {}", denied.join(", "))));
        }
        Ok(Verdict::allow(grants).into())
    }
}

export_policy!(Cedar);

fn parse(text: &str) -> Result<PolicySet, String> {
    text.parse().map_err(|errors: cedar_policy::ParseErrors| {
        let all: Vec<String> = errors.iter().map(ToString::to_string).collect();
        format!("`policies` are not Cedar: {}", all.join("; "))
    })
}

fn uid(kind: &str, id: &str) -> Result<EntityUid, String> {
    let kind: EntityTypeName = kind.parse().map_err(|error| format!("{error}"))?;
    Ok(EntityUid::from_type_name_and_id(kind, EntityId::new(id)))
}

/// The questions of one request.
struct Asked<'p> {
    policies: &'p PolicySet,
    authorizer: Authorizer,
    principal: EntityUid,
    action: EntityUid,
    context: Context,
}

impl<'p> Asked<'p> {
    fn of(policies: &'p PolicySet, request: &Request<'_>) -> Result<Self, String> {
        let claims: serde_json::Map<String, serde_json::Value> =
            request.claims.iter().map(|claim| (claim.name.clone(), json(&claim.value))).collect();
        let mut context = serde_json::json!({ "claims": claims, "mount": request.mount, "door": request.door });
        if let Some(purpose) = &request.purpose {
            context["purpose"] = purpose.as_str().into();
        }
        if let Some(time) = &request.time {
            context["time"] = serde_json::json!({ "weekday": time.weekday, "minute": time.minute, "date": time.date });
        }
        Ok(Self {
            policies,
            authorizer: Authorizer::new(),
            principal: uid("Agent", &request.agent)?,
            action: uid("Action", "read")?,
            context: Context::from_json_value(context, None).map_err(|error| error.to_string())?,
        })
    }

    fn ask(&self, resource: EntityUid, entities: &Entities) -> Result<Response, String> {
        let question =
            Question::new(self.principal.clone(), self.action.clone(), resource, self.context.clone(), None)
                .map_err(|error| error.to_string())?;
        Ok(self.authorizer.is_authorized(&question, self.policies, entities))
    }

    /// Whether it is permitted. Cedar passes over a policy that it can't evaluate; over a `forbid` that would open.
    fn permits(&self, response: &Response) -> bool {
        let forbids = |id: &PolicyId| self.policies.policy(id).is_none_or(|policy| policy.effect() == Effect::Forbid);
        let failed = response.diagnostics().errors().any(|error| match error {
            cedar_policy::AuthorizationError::PolicyEvaluationError(error) => forbids(error.policy_id()),
        });
        response.decision() == Decision::Allow && !failed
    }

    /// What is left of a table; nothing where it is not permitted.
    fn table(&self, relation: &CeilingRelation) -> Result<Option<Narrowed>, String> {
        let table = uid("Table", &relation.name)?;
        let mut entities = vec![Entity::new_no_attrs(table.clone(), HashSet::new())];
        let mut columns = Vec::new();
        for column in &relation.columns {
            let id = uid("Column", &format!("{}.{}", relation.name, column.name))?;
            entities.push(Entity::new_no_attrs(id.clone(), HashSet::from([table.clone()])));
            columns.push((column.name.as_str(), id));
        }
        let entities = Entities::from_entities(entities, None).map_err(|error| error.to_string())?;
        let response = self.ask(table, &entities)?;
        if !self.permits(&response) {
            return Ok(None);
        }
        let mut seen = Vec::new();
        for (name, id) in columns {
            if self.permits(&self.ask(id, &entities)?) {
                seen.push(name);
            }
        }
        let narrowed = relation.narrowed().only_columns(seen)?;
        Ok(Some(match self.rows(&response)? {
            Some(rows) => narrowed.filter(rows),
            None => narrowed,
        }))
    }

    /// The rows of the permits that allowed it; all of them where one of those says nothing of rows.
    fn rows(&self, response: &Response) -> Result<Option<Expr>, String> {
        let mut reasons: Vec<&PolicyId> = response.diagnostics().reason().collect();
        // In an order of its own: Cedar's is a hash table's.
        reasons.sort_by_key(|id| id.to_string());
        let mut texts: Vec<&str> = Vec::new();
        for id in reasons {
            match self.policies.annotation(id, "rows") {
                Some(text) if texts.contains(&text) => {}
                Some(text) => texts.push(text),
                None => return Ok(None),
            }
        }
        let rows: Result<Vec<Expr>, String> =
            texts.into_iter().map(|text| FilterSetting::read(text).map(|filter| filter.0)).collect();
        rows.map(|rows| Some(any(rows)))
    }
}

/// A claim as Cedar's values: a list of texts or numbers is a set.
fn json(claim: &ClaimValue) -> serde_json::Value {
    match claim {
        ClaimValue::Boolean(truth) => (*truth).into(),
        ClaimValue::Integer(number) => (*number).into(),
        ClaimValue::Text(text) => text.as_str().into(),
        ClaimValue::Integers(numbers) => numbers.clone().into(),
        ClaimValue::Texts(texts) => texts.clone().into(),
    }
}
