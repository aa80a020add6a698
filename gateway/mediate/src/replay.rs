//! A recorded request asked again, of a mount as it would be: what would be decided, held against what was.
//!
//! Nothing runs, and nothing is guessed: where the ledger withholds what the policy would read, that is said instead of a
//! verdict. What was granted is compared by what it came to, a scope within the ceiling of its time.

use std::collections::BTreeMap;

use mountgate_core::{
    Caller, Catalogue, Ceiling, Claims, ColumnInfo, ColumnName, ColumnType, DecisionRequest, Digest, Door, Filter,
    Grant, LimitKey, Limits, RelationInfo, RelationName, RelationTouch, Scope, ScopedRelation, Touch, Use, Uses, Value,
    Verb, Verdict,
    ceiling::RelationDeclaration,
    request::{RequestRelation, Usage},
};
use mountgate_policy::PolicyError;

use crate::{
    Mount,
    shadow::compare::{Comparison, compare},
};

/// A request as the ledger has it.
#[derive(Clone, Debug)]
pub struct Past {
    /// Who asked.
    pub caller: Caller,
    /// By which door.
    pub door: Door,
    /// What for.
    pub purpose: Option<String>,
    /// When, in milliseconds since 1970-01-01T00:00Z.
    pub time_ms: i64,
    /// What was left of the limits, where that is on record.
    pub usage: Option<Usage>,
    /// The parameters; none where the ledger has digests of them only.
    pub parameters: Option<Vec<Value>>,
    /// What was touched.
    pub touch: Touch,
    /// Whether the touch has literals of which the ledger has digests only.
    pub literals_withheld: bool,
    /// The ceiling of the touched relations as it was.
    pub ceiling: Vec<RequestRelation>,
    /// What came of it.
    pub was: Was,
}

/// What came of a recorded request.
#[derive(Clone, Debug)]
pub enum Was {
    /// It was refused: by the policy, or since what it granted was not enough, or since the policy failed.
    Denied,
    /// It was refused for a key that it did not say, or for more than statistics.
    Unkeyed,
    /// It was granted.
    Granted {
        /// What the policy granted of it.
        grant: Grant,
        /// The mount's limits and the verdict's together.
        limits: Limits,
    },
}

/// How a recorded request would fare.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replayed {
    /// `granted` (it was refused), `wider`, `past_ceiling` and `failed` (the policy's faults: denials), `denied`,
    /// `narrower`, `same`.
    pub outcome: &'static str,
    /// What is different, the dangerous first; names of relations, columns, masks and limits, no values.
    pub changes: Vec<String>,
    /// Of everything that the request was and would be granted, filters and limits included: the same only where that
    /// is the same. None where nothing would be granted, or where that can't be spelt.
    pub grant: Option<Digest>,
}

impl Replayed {
    /// Whether something could come back that could not before.
    pub fn is_new_grant(&self) -> bool {
        matches!(self.outcome, "granted" | "wider")
    }
}

/// Why a recorded request is not judged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unjudged {
    /// The policy reads what was left of the limits.
    #[error("the policy reads `usage`, which is not on record")]
    Usage,
    /// The policy reads parameters.
    #[error("the policy reads `parameters`, of which the ledger has digests only")]
    Parameters,
    /// The policy reads what the request looks for.
    #[error("the policy reads `predicates`, and of their literals the ledger has digests only")]
    Literals,
    /// What was granted can't be told from the record.
    #[error("the recorded grant cannot be put together again: {0}")]
    Record(String),
    /// Every place for a policy's decision is taken.
    #[error("every place for a policy's decision was taken")]
    Overloaded,
}

impl Mount {
    /// How a recorded request would fare in this mount, held against what came of it. `current` is the mount as it is
    /// (this one, where only the policy is another): it tells what the ledger has no record of, the keys that a relation
    /// requires and the statistics that it is restricted to.
    ///
    /// # Errors
    /// Where the record does not hold what the policy would read.
    pub fn replay(&self, past: &Past, current: &Self) -> Result<Replayed, Unjudged> {
        let was = match &past.was {
            Was::Denied | Was::Unkeyed => None,
            Was::Granted { grant, limits } => {
                let ceiling = current.ceiling_of_record(&past.ceiling).map_err(Unjudged::Record)?;
                let scope =
                    Scope::narrow(&ceiling, &past.touch, grant).map_err(|error| Unjudged::Record(error.to_string()))?;
                Some((scope, limits))
            }
        };
        let mut would = match self.ask_again(past)? {
            Ok(would) => would,
            Err(comparison) => return Ok(told(comparison, None)),
        };
        if matches!(past.was, Was::Unkeyed) {
            would = would.filter(|(scope, _)| asks_less(scope, current.ceiling()));
        }
        let comparison = compare(
            was.as_ref().map(|(scope, limits)| (scope, *limits)),
            would.as_ref().map(|(scope, limits)| (scope, limits)),
        );
        // What can't be spelt has no digest, so it is never taken for something that was accepted.
        let grant = would.and_then(|would| serde_json::to_vec(&(was.as_ref(), &would)).ok());
        let grant = grant.map(|spelt| Digest::of(&spelt));
        Ok(told(comparison, grant))
    }

    /// What this mount shows, held against what `current` does, whatever its policies say of it.
    pub fn against(&self, current: &Self) -> Replayed {
        let relations: BTreeMap<&RelationName, ()> = [self, current]
            .into_iter()
            .flat_map(|mount| mount.ceiling().relations().keys())
            .map(|name| (name, ()))
            .collect();
        let touch = Touch {
            verb: Verb::Read,
            relations: relations
                .into_keys()
                .map(|name| RelationTouch { relation: name.clone(), columns: vec![], references: 1 })
                .collect(),
            predicates: vec![],
        };
        let scope = |mount: &Self| Scope::narrow(mount.ceiling(), &touch, &Grant::Ceiling);
        let (Ok(old), Ok(new)) = (scope(current), scope(self)) else {
            // INVARIANT: the ceiling as it is never reaches past itself.
            return told(Comparison::past_ceiling("the ceiling"), None);
        };
        let mut comparison = compare(Some((&old, &current.limits)), Some((&new, &self.limits)));
        let (mut wider, mut narrower) = self.serves_when(current);
        for (name, ceiling) in self.ceiling().relations() {
            let before = current.ceiling().relation(name);
            for lent in &ceiling.lent {
                if before.is_some_and(|before| !before.lent.contains(lent)) {
                    wider.push(format!("lends {name}.{} to policies", lent.name));
                }
            }
        }
        let is_wider = comparison.outcome == "wider" || !wider.is_empty();
        let is_narrower = comparison.outcome == "narrower" || !narrower.is_empty();
        wider.append(&mut comparison.changes);
        wider.append(&mut narrower);
        let outcome = match (is_wider, is_narrower) {
            (true, _) => "wider",
            (false, true) => "narrower",
            (false, false) => "same",
        };
        let all = (&old, &*current.limits, &new, &*self.limits, &wider);
        let grant = serde_json::to_vec(&all).ok().map(|spelt| Digest::of(&spelt));
        Replayed { outcome, changes: wider, grant }
    }

    /// Whom and when it serves, wider and narrower than `current`.
    fn serves_when(&self, current: &Self) -> (Vec<String>, Vec<String>) {
        let (mut wider, mut narrower) = (vec![], vec![]);
        let (old, new) = (current.ceiling(), self.ceiling());
        let agents = |mount: &Self| {
            let own = mount.spec.per_agent.keys();
            mount.ceiling().agents.iter().chain(own).cloned().collect::<std::collections::BTreeSet<_>>()
        };
        let (before, after) = (agents(current), agents(self));
        wider.extend(after.difference(&before).map(|agent| format!("serves agent {agent}")));
        narrower.extend(before.difference(&after).map(|agent| format!("serves agent {agent} no more")));
        if old.hours != new.hours {
            // One span of hours within another is not looked for: another one counts as wider.
            let is_wider = old.hours.is_some();
            if is_wider { &mut wider } else { &mut narrower }.push("serves at other hours".to_owned());
        }
        if old.expires_ms != new.expires_ms {
            let end = |ceiling: &Ceiling| ceiling.expires_ms.unwrap_or(i64::MAX);
            if end(new) > end(old) {
                wider.push("ends later".to_owned());
            } else {
                narrower.push("ends earlier".to_owned());
            }
        }
        let open = |mount: &Self| mount.spec.practice.observe.as_ref().map_or(i64::MAX, |last| last.end_ms);
        match open(self).cmp(&open(current)) {
            std::cmp::Ordering::Greater => {
                wider.push("is open for observation for longer, or in force after it".to_owned())
            }
            std::cmp::Ordering::Less => narrower.push("is open for observation for a shorter time".to_owned()),
            std::cmp::Ordering::Equal => {}
        }
        if old.per != new.per {
            // Fewer who share are more who have it.
            let share = |per| match per {
                LimitKey::Session => 0,
                LimitKey::Agent => 1,
                LimitKey::Mount => 2,
            };
            let is_wider = share(new.per) < share(old.per);
            if is_wider { &mut wider } else { &mut narrower }
                .push("counts limits for other callers together".to_owned());
        }
        (wider, narrower)
    }

    /// What would be granted: `None` for a denial, and the outcome itself for a fault of the policy's.
    fn ask_again(&self, past: &Past) -> Result<Result<Option<(Scope, Limits)>, Comparison>, Unjudged> {
        let policy = &self.policy_of(&past.caller).policy;
        let inputs = policy.inputs();
        if !self.serves(&past.caller.agent) || self.open_at(past.time_ms).is_err() {
            return Ok(Ok(None));
        }
        let Some(touch) = self.touch_of_record(past) else { return Ok(Ok(None)) };
        if inputs.usage && past.usage.is_none() {
            return Err(Unjudged::Usage);
        }
        if inputs.parameters && past.parameters.is_none() {
            return Err(Unjudged::Parameters);
        }
        if inputs.predicates && past.literals_withheld {
            return Err(Unjudged::Literals);
        }
        let ceiling = self.ceiling_for(&touch).into();
        let request = DecisionRequest {
            agent: past.caller.agent.clone(),
            session: past.caller.session().cloned(),
            claims: past.caller.claims.clone(),
            mount: self.name().clone(),
            door: past.door,
            purpose: past.purpose.clone(),
            time: inputs.time.then(|| self.local_time(past.time_ms)).flatten(),
            usage: past.usage.clone().filter(|_| inputs.usage),
            parameters: past.parameters.clone().filter(|_| inputs.parameters),
            touch: touch.into(),
            ceiling,
            limits: self.limits.clone(),
        };
        let verdict = match policy.decide(&request) {
            Ok(decision) => decision.verdict,
            Err(PolicyError::Overloaded) => return Err(Unjudged::Overloaded),
            Err(error) if error.code() == "past_ceiling" => {
                return Ok(Err(Comparison::past_ceiling(&error.to_string())));
            }
            Err(error) => return Ok(Err(Comparison::failed(error.code()))),
        };
        let Verdict::Allow { grant, limits, .. } = verdict else { return Ok(Ok(None)) };
        let scope = match Scope::narrow(self.ceiling(), &request.touch, &grant) {
            Ok(scope) => scope,
            Err(error) => return Ok(Err(Comparison::past_ceiling(&error.to_string()))),
        };
        // What is not in scope is refused as what does not exist; so is a request without a claim that a filter names.
        let all = request.touch.relations.iter().all(|touched| {
            scope.relation(&touched.relation).is_some_and(|scoped| {
                touched
                    .columns
                    .iter()
                    .all(|(column, uses)| scoped.column(column).is_some() || past.may_be_of_a_star(touched, *uses))
            })
        });
        let claimed = scope.relations().values().all(|relation| has_claims(relation, &past.caller.claims));
        Ok(Ok((all && claimed).then(|| (scope, self.limits.tighten(&limits)))))
    }

    /// The touch under this ceiling; `None` where something that the request named is not there.
    fn touch_of_record(&self, past: &Past) -> Option<Touch> {
        let mut touch = past.touch.clone();
        for touched in &mut touch.relations {
            let relation = self.ceiling().relation(&touched.relation)?;
            let is_there = |column: &ColumnName| relation.column(column).is_some();
            let known =
                touched.columns.iter().all(|(column, uses)| is_there(column) || past.may_be_of_a_star(touched, *uses));
            if !known {
                return None;
            }
            touched.columns.retain(|(column, _)| is_there(column));
        }
        Some(touch)
    }

    /// The ceiling that a record tells, with what it does not tell as this mount has it.
    fn ceiling_of_record(&self, recorded: &[RequestRelation]) -> Result<Ceiling, String> {
        let mut declared = BTreeMap::new();
        let mut catalogue = Catalogue::default();
        for relation in recorded {
            let now = self.ceiling().relation(&relation.name);
            let mut info = now.map_or_else(
                || RelationInfo {
                    schema: String::new(),
                    name: relation.name.to_string(),
                    columns: vec![],
                    key: vec![],
                },
                |now| now.store.clone(),
            );
            let mut add = |name: &ColumnName, ty: &ColumnType| {
                if info.column(name).is_none() {
                    let (ty, store_type) = (ty.clone(), ty.label());
                    info.columns.push(ColumnInfo { name: name.clone(), ty, store_type, loose_equality: false });
                }
            };
            for column in relation.columns.iter().chain(&relation.lent) {
                add(&column.name, &column.ty);
            }
            for column in relation.filter.iter().flat_map(Filter::columns) {
                add(column, &ColumnType::Any);
            }
            let mut masks = BTreeMap::new();
            for column in &relation.columns {
                match column.masks.as_slice() {
                    [] => {}
                    [mask] => drop(masks.insert(column.name.clone(), mask.clone())),
                    _ => return Err(format!("column `{}` of `{}` has two masks", column.name, relation.name)),
                }
            }
            let columns: Vec<_> = relation.columns.iter().map(|column| column.name.clone()).collect();
            let require = now.map(|now| now.require.clone()).unwrap_or_default();
            declared.insert(
                relation.name.clone(),
                RelationDeclaration {
                    require: require
                        .into_iter()
                        .filter(|name| columns.contains(name) && !masks.contains_key(name))
                        .collect(),
                    columns,
                    masks,
                    lend: relation.lent.iter().map(|column| column.name.clone()).collect(),
                    filter: relation.filter.clone(),
                    aggregate: now.and_then(|now| now.aggregate.clone()),
                    // What was decided is decided again; nothing is written.
                    write: None,
                },
            );
            catalogue.relations.insert(relation.name.clone(), info);
        }
        Ceiling::build(&declared, &catalogue, vec![], Limits::default(), LimitKey::default(), None, None)
            .map_err(|errors| errors.first().map_or_else(|| "it does not fit".to_owned(), ToString::to_string))
    }
}

fn told(comparison: Comparison, grant: Option<Digest>) -> Replayed {
    let Comparison { outcome, changes } = comparison;
    Replayed { outcome, changes, grant }
}

/// Whether the caller has the claims that the relation's filters name, of types that fit.
fn has_claims(relation: &ScopedRelation, claims: &Claims) -> bool {
    let of_store = |column: &ColumnName| relation.store.column(column).map(|info| info.ty.clone());
    let of_filters = |column: &ColumnName| relation.visible_to_filters.get(column).map(|(ty, _)| ty.clone());
    let has = |filters: &[Filter], ty: &dyn Fn(&ColumnName) -> Option<ColumnType>| {
        filters.iter().flat_map(|filter| filter.claim_types(ty)).all(|(name, column, may_list)| {
            claims.get(name).is_some_and(|claim| column.is_none_or(|column| claim.fits(&column, may_list)))
        })
    };
    has(&relation.base_filters, &of_store)
        && has(&relation.walled_filters, &of_store)
        && has(&relation.filters, &of_filters)
}

/// Whether some relation of the scope asks for fewer keys than the ceiling does, or for less than statistics.
fn asks_less(scope: &Scope, ceiling: &Ceiling) -> bool {
    scope.relations().iter().any(|(name, scoped)| {
        ceiling.relation(name).is_some_and(|relation| {
            relation.require.iter().any(|key| !scoped.require.contains(key)) || relation.aggregate != scoped.aggregate
        })
    })
}

impl Past {
    /// Whether a column with these uses may have been touched by asking for all that there are: then it need not be there.
    /// The ledger does not say which; it is so only where every column of the relation's came back.
    fn may_be_of_a_star(&self, touched: &RelationTouch, uses: Uses) -> bool {
        let all = |relation: &RequestRelation| {
            relation.columns.iter().all(|column| {
                touched.columns.iter().any(|(name, uses)| *name == column.name && uses.contains(Use::Projected))
            })
        };
        uses.iter().eq([Use::Projected])
            && self.ceiling.iter().any(|relation| relation.name == touched.relation && all(relation))
    }
}
