use std::collections::BTreeMap;

use super::{Approval, ParentCeiling, WriteDeclaration};
use crate::{
    Aggregate, Catalogue, Ceiling, ColumnInfo, ColumnType, LimitKey, Limits, Mask, RelationInfo, RelationName, Verb,
    catalogue::{Dependent, Links, Parent},
    ceiling::{CeilingError, RelationDeclaration},
};

/// `tickets(id, customer_id → customers, state)` and `customers(customer_id, name)`.
struct World {
    tickets: RelationDeclaration,
    customers: Option<RelationDeclaration>,
    key: Vec<&'static str>,
    dependents: Vec<Dependent>,
}

fn world(write: WriteDeclaration) -> World {
    let declared = |columns: &[&str], write| RelationDeclaration {
        columns: columns.iter().map(|column| (*column).into()).collect(),
        write,
        ..RelationDeclaration::default()
    };
    World {
        tickets: declared(&["id", "customer_id", "state"], Some(write)),
        customers: Some(declared(&["customer_id", "name"], None)),
        key: vec!["id"],
        dependents: vec![],
    }
}

impl World {
    fn build(self) -> Result<Ceiling, Vec<CeilingError>> {
        let info = |name: &str, columns: &[&str], key: &[&str]| {
            let column = |name: &&str| ColumnInfo {
                name: (*name).into(),
                ty: ColumnType::Text,
                store_type: "text".into(),
                loose_equality: false,
            };
            let info = RelationInfo {
                schema: "main".into(),
                name: name.into(),
                columns: columns.iter().map(column).collect(),
                key: key.iter().map(|column| (*column).into()).collect(),
            };
            (RelationName::from(name), info)
        };
        let parent = Parent {
            columns: vec!["customer_id".into()],
            schema: "main".into(),
            name: "customers".into(),
            referred: vec!["customer_id".into()],
        };
        let links = Links { parents: vec![parent], dependents: self.dependents };
        let mut declared = BTreeMap::from([(RelationName::from("tickets"), self.tickets)]);
        let mut relations = BTreeMap::from([info("tickets", &["id", "customer_id", "state", "secret"], &self.key)]);
        if let Some(customers) = self.customers {
            declared.insert("customers".into(), customers);
            relations.extend([info("customers", &["customer_id", "name"], &["customer_id"])]);
        }
        let catalogue = Catalogue { relations, links: [("tickets".into(), links)].into() };
        Ceiling::build(&declared, &catalogue, vec![], Limits::default(), LimitKey::Agent, None, None)
    }

    fn refused(self) -> String {
        self.build().unwrap_err().into_iter().map(|error| error.message).collect::<Vec<_>>().join("\n")
    }
}

fn update(columns: &[&str]) -> WriteDeclaration {
    WriteDeclaration {
        update: columns.iter().map(|column| (*column).into()).collect(),
        max_rows: 1,
        ..WriteDeclaration::default()
    }
}

#[test]
fn what_cannot_be_told_or_judged_is_refused_at_load() {
    assert!(world(update(&["secret"])).refused().contains("`secret` is in `update` and not among `columns`"));
    assert!(world(update(&["stat"])).refused().contains("did you mean `state`?"));
    let keyless = World { key: vec![], ..world(update(&["state"])) };
    assert!(keyless.refused().contains("no primary key"));
    let mut hidden = world(update(&["state"]));
    hidden.tickets.columns.retain(|column| column.as_str() != "id");
    assert!(hidden.refused().contains("writes need it among `columns`"));
    let mut masked = world(update(&["state"]));
    masked.tickets.masks = [("id".into(), Mask::Hash)].into();
    assert!(masked.refused().contains("has a mask"));
    let mut statistics = world(update(&["state"]));
    statistics.tickets.aggregate = Some(Aggregate { unit: "id".into(), min_group: 5 });
    assert!(statistics.refused().contains("statistics only"));
}

#[test]
fn a_foreign_key_is_written_only_where_its_parent_is_shown() {
    let parent = ParentCeiling {
        columns: vec!["customer_id".into()],
        relation: "customers".into(),
        referred: vec!["customer_id".into()],
    };
    let built = world(update(&["customer_id"])).build().unwrap();
    let write = built.relation(&"tickets".into()).unwrap().write.as_ref().unwrap();
    assert_eq!(write.parents, [parent]);
    let unshown = World { customers: None, ..world(update(&["customer_id"])) };
    assert!(unshown.refused().contains("`customer_id` of `tickets` refers to `customer_id` of `customers`"));
    let mut masked = world(update(&["customer_id"]));
    masked.customers.as_mut().unwrap().masks = [("customer_id".into(), Mask::Hash)].into();
    assert!(masked.refused().contains("does not show as they are"));
    // What is not written tells nothing.
    let elsewhere = World { customers: None, ..world(update(&["state"])) };
    assert!(elsewhere.build().is_ok());
}

#[test]
fn what_would_change_other_relations_is_refused() {
    let cascading = |on_delete, on_update| Dependent {
        relation: "comments".into(),
        columns: vec!["id".into()],
        on_delete,
        on_update,
    };
    let delete = WriteDeclaration { delete: true, max_rows: 1, ..WriteDeclaration::default() };
    let world_of = |write, dependent| World { dependents: vec![dependent], ..world(write) };
    assert!(world_of(delete.clone(), cascading(true, false)).refused().contains("changes `comments` too"));
    assert!(world_of(delete, cascading(false, true)).build().is_ok());
    assert!(world_of(update(&["id"]), cascading(false, true)).refused().contains("changes `comments` too"));
    assert!(world_of(update(&["state"]), cascading(true, true)).build().is_ok());
}

#[test]
fn approval_and_verbs_are_closed_by_default() {
    assert_eq!(Approval::default(), Approval::Required);
    let needed = |approval: Approval| [0, 3, 4].map(|rows| approval.is_needed(rows));
    assert_eq!(needed(Approval::Required), [true, true, true]);
    assert_eq!(needed(Approval::OverRows(3)), [false, false, true]);
    assert_eq!(needed(Approval::None), [false, false, false]);
    let built = world(update(&["state"])).build().unwrap();
    let write = built.relation(&"tickets".into()).unwrap().write.as_ref().unwrap();
    assert_eq!(
        [Verb::Read, Verb::Insert, Verb::Update, Verb::Delete].map(|verb| write.lets(verb)),
        [false, false, true, false]
    );
}
