use super::*;

const DIALECTS: [Dialect; 2] = [Dialect::Sqlite, Dialect::Postgres];

fn lists(dialect: Dialect) -> (&'static [Function], &'static [CastType], &'static [Operator]) {
    match dialect {
        Dialect::Sqlite => (sqlite::FUNCTIONS, sqlite::CASTS, sqlite::OPERATORS),
        Dialect::Postgres => (postgres::FUNCTIONS, postgres::CASTS, postgres::OPERATORS),
    }
}

#[test]
fn lists_are_sorted_so_that_every_entry_is_found() {
    for dialect in DIALECTS {
        let (all, casts, operators) = lists(dialect);
        assert!(all.is_sorted_by(|a, b| (a.name, a.kind as u8) < (b.name, b.kind as u8)), "{dialect:?}");
        assert!(casts.is_sorted_by(|a, b| a.name < b.name), "{dialect:?}");
        assert!(operators.is_sorted_by(|a, b| a.symbol < b.symbol), "{dialect:?}");
        for entry in all {
            assert!(functions(dialect, entry.name).contains(entry), "{dialect:?} {}", entry.name);
            assert_eq!(entry.name, entry.name.to_lowercase());
            assert!(entry.min_args <= entry.max_args && !entry.reason.is_empty(), "{dialect:?} {}", entry.name);
        }
        for entry in casts {
            assert_eq!(cast_type(dialect, entry.name), Some(entry));
        }
        for entry in operators {
            assert_eq!(operator(dialect, entry.symbol), Some(entry));
        }
        for table in [sqlite::TABLES, postgres::TABLES] {
            assert!(table.is_sorted_by(|a, b| a.0 < b.0));
        }
    }
}

#[test]
fn every_table_function_with_named_columns_is_on_the_list() {
    for (dialect, tables) in [(Dialect::Sqlite, sqlite::TABLES), (Dialect::Postgres, postgres::TABLES)] {
        for (name, columns) in tables {
            assert!(functions(dialect, name).iter().any(|entry| entry.kind == Kind::Table), "{dialect:?} {name}");
            assert_eq!(table_columns(dialect, name), Some(*columns));
        }
    }
}

/// What would open a side door, each by name: it must be on neither list, in no kind.
const SIDE_DOORS: &[&str] = &[
    // run SQL that a text holds, or read a relation that a text names
    "query_to_xml",
    "query_to_xmlschema",
    "query_to_xml_and_xmlschema",
    "table_to_xml",
    "table_to_xmlschema",
    "table_to_xml_and_xmlschema",
    "schema_to_xml",
    "database_to_xml",
    "cursor_to_xml",
    "ts_stat",
    "ts_rewrite",
    "dblink",
    "dblink_exec",
    "dblink_connect",
    "crosstab",
    "crosstabn",
    "connectby",
    "xpath_table",
    "currtid2",
    "pg_get_viewdef",
    "pg_relation_size",
    "pg_table_size",
    "pg_total_relation_size",
    "pg_indexes_size",
    "pg_column_size",
    "satisfies_hash_partition",
    // files, large objects, programs
    "pg_read_file",
    "pg_read_binary_file",
    "pg_ls_dir",
    "pg_ls_logdir",
    "pg_ls_waldir",
    "pg_stat_file",
    "pg_file_write",
    "pg_current_logfile",
    "pg_read_server_files",
    "lo_import",
    "lo_export",
    "lo_get",
    "lo_put",
    "lo_open",
    "lo_create",
    "lo_creat",
    "lo_from_bytea",
    "lo_unlink",
    "loread",
    "lowrite",
    "load_extension",
    "readfile",
    "writefile",
    "edit",
    "fsdir",
    "lsmode",
    "zipfile",
    "fts3_tokenizer",
    "fts5",
    "matchinfo",
    "snippet",
    "highlight",
    "bm25",
    "offsets",
    "optimize",
    "match",
    "rtreecheck",
    "rtreenode",
    "rtreedepth",
    "regexp",
    // settings, sessions, identity, server
    "set_config",
    "current_setting",
    "setseed",
    "current_user",
    "session_user",
    "user",
    "current_role",
    "system_user",
    "getpgusername",
    "current_catalog",
    "current_database",
    "current_schema",
    "current_schemas",
    "current_query",
    "version",
    "inet_client_addr",
    "inet_client_port",
    "inet_server_addr",
    "inet_server_port",
    "getdatabaseencoding",
    "get_current_ts_config",
    "row_security_active",
    "sqlite_version",
    "sqlite_source_id",
    "sqlite_compileoption_used",
    "sqlite_compileoption_get",
    "sqlite_log",
    "sqlite_offset",
    "changes",
    "total_changes",
    "last_insert_rowid",
    // the catalogue
    "to_regclass",
    "to_regproc",
    "to_regprocedure",
    "to_regoper",
    "to_regoperator",
    "to_regtype",
    "to_regrole",
    "to_regnamespace",
    "to_regcollation",
    "regclass",
    "format_type",
    "obj_description",
    "col_description",
    "shobj_description",
    "has_table_privilege",
    "has_column_privilege",
    "has_any_column_privilege",
    "has_schema_privilege",
    "has_database_privilege",
    "has_function_privilege",
    "has_sequence_privilege",
    "has_server_privilege",
    "has_tablespace_privilege",
    "has_type_privilege",
    "has_language_privilege",
    "has_parameter_privilege",
    "pg_has_role",
    "aclexplode",
    "acldefault",
    "makeaclitem",
    "dbstat",
    "sqlite_stmt",
    "pragma_table_info",
    "pragma_table_list",
    "pragma_function_list",
    "pragma_database_list",
    "bytecode",
    "tables_used",
    "pg_typeof",
    "pg_stats",
    "pg_get_userbyid",
    "pg_get_functiondef",
    "pg_get_indexdef",
    "pg_get_constraintdef",
    "pg_get_expr",
    "pg_describe_object",
    "json_populate_record",
    "json_populate_recordset",
    "jsonb_populate_record",
    "jsonb_populate_recordset",
    "json_to_record",
    "json_to_recordset",
    "jsonb_to_record",
    "jsonb_to_recordset",
    // state that outlives the statement, other sessions, the server's life
    "nextval",
    "currval",
    "lastval",
    "setval",
    "txid_current",
    "txid_current_snapshot",
    "txid_status",
    "pg_current_xact_id",
    "pg_export_snapshot",
    "pg_advisory_lock",
    "pg_advisory_xact_lock",
    "pg_try_advisory_lock",
    "pg_advisory_unlock_all",
    "pg_notify",
    "pg_listening_channels",
    "pg_cancel_backend",
    "pg_terminate_backend",
    "pg_reload_conf",
    "pg_rotate_logfile",
    "pg_backend_pid",
    "pg_stat_get_activity",
    "pg_prepared_statement",
    "pg_cursor",
    "pg_switch_wal",
    "pg_logical_emit_message",
    "pg_stat_reset",
    "pg_sleep",
    "pg_sleep_for",
    "pg_sleep_until",
    "suppress_redundant_updates_trigger",
    // clocks that run on within a statement
    "clock_timestamp",
    "timeofday",
    "subsec",
    // nothing but memory
    "zeroblob",
    "randomblob",
    "array_fill",
    // XML: its parser has read files before
    "xmlparse",
    "xpath",
    "xpath_exists",
    "xmlagg",
    "xmlforest",
    "xmlcomment",
    "xmlconcat",
    // type input by name, internals, raw statistics functions
    "regclassin",
    "textin",
    "array_in",
    "record_in",
    "enum_range",
    "enum_first",
    "enum_last",
    "hashtext",
    "numeric_out",
    "like_escape",
    "int4_avg_accum",
    "anytextcat",
    "textanycat",
    "tablesample",
    "system",
    "bernoulli",
];

#[test]
fn side_doors_are_shut() {
    for dialect in DIALECTS {
        for name in SIDE_DOORS {
            assert_eq!(functions(dialect, name), &[], "{dialect:?} {name}");
        }
        for (prefix, why) in [
            ("pg_", "catalogue, server"),
            ("has_", "privileges"),
            ("inet_", "addresses of the session"),
            ("txid_", "transactions"),
            ("to_reg", "catalogue"),
            ("lo_", "large objects"),
            ("dblink", "other servers"),
            ("sqlite_", "internals"),
            ("pragma_", "catalogue"),
            ("fts", "shadow tables"),
            ("rtree", "shadow tables"),
            ("xml", "entities"),
            ("query_", "runs a text"),
            ("ts_", "runs a text; reads configurations"),
            ("mountgate_", "the masks' own"),
            ("binary_upgrade", "internals"),
        ] {
            let (all, ..) = lists(dialect);
            assert!(!all.iter().any(|entry| entry.name.starts_with(prefix)), "{dialect:?} {prefix} ({why})");
        }
    }
}

#[test]
fn casts_that_look_something_up_are_refused() {
    for name in [
        "regclass",
        "regproc",
        "regprocedure",
        "regoper",
        "regoperator",
        "regtype",
        "regrole",
        "regnamespace",
        "regconfig",
        "regdictionary",
        "regcollation",
        "oid",
        "oidvector",
        "xid",
        "xid8",
        "cid",
        "tid",
        "name",
        "xml",
        "refcursor",
        "record",
        "anyelement",
        "cstring",
        "internal",
        "void",
        "trigger",
        "pg_lsn",
        "pg_snapshot",
        "txid_snapshot",
        "aclitem",
        "money",
        "tsvector",
        "tsquery",
        "int2vector",
        "pg_node_tree",
        "orders",
        "employee_records",
        "",
    ] {
        for dialect in DIALECTS {
            assert_eq!(cast_type(dialect, name), None, "{dialect:?} {name}");
        }
    }
}

#[test]
fn operators_that_call_what_others_made_are_refused() {
    for symbol in ["match", "regexp", "rlike", "<->", "===", "operator", "@-@", "!!=", "", "or", "and"] {
        for dialect in DIALECTS {
            assert_eq!(operator(dialect, symbol), None, "{dialect:?} {symbol}");
        }
    }
    for symbol in ["@>", "~", "?", "^", "#", "~~"] {
        assert_eq!(operator(Dialect::Sqlite, symbol), None, "{symbol}");
        assert!(operator(Dialect::Postgres, symbol).is_some(), "{symbol}");
    }
}

/// The list says no more than the bundled build has: a function that is allowed and missing would be a backend's error
/// where a refusal by name belongs.
#[test]
fn sqlite_has_every_function_of_the_list_with_these_numbers_of_arguments() {
    let connection = rusqlite::Connection::open_in_memory().unwrap();
    let mut statement = connection.prepare("SELECT name, type, narg FROM pragma_function_list").unwrap();
    let known: Vec<(String, String, i64)> = statement
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    // Below zero: -1 is any number, -2 - n is n or more (3.46 and later).
    let takes = |narg: i64, args: u8| match narg {
        -1 => true,
        n if n < -1 => i64::from(args) >= -n - 2,
        n => n == i64::from(args),
    };
    for entry in sqlite::FUNCTIONS {
        if entry.kind == Kind::Table {
            let sql = format!("SELECT * FROM {}('[]')", entry.name);
            let shown = connection.prepare(&sql).unwrap();
            let columns: Vec<_> = shown.column_names().collect();
            assert_eq!(Some(columns.as_slice()), table_columns(Dialect::Sqlite, entry.name));
            continue;
        }
        let kind = if entry.kind == Kind::Scalar { "s" } else { "w" };
        for args in [entry.min_args, entry.max_args] {
            let found = known.iter().any(|(name, ty, narg)| name == entry.name && ty == kind && takes(*narg, args));
            assert!(found, "{} of {args} arguments is unknown to SQLite", entry.name);
        }
    }
}

fn extra(dialect: Dialect, schema: Option<&str>, name: &str) -> Result<super::Extra, String> {
    super::Extra::function(dialect, schema, name, mountgate_core::ColumnType::Float, Some(2))
}

#[test]
fn what_cannot_be_added_is_told_why() {
    for (dialect, schema, name, why) in [
        (Dialect::Postgres, None, "similarity", "needs its schema"),
        (Dialect::Sqlite, Some("main"), "zeroblob", "no schema"),
        (Dialect::Postgres, Some("public"), "lower", "on the list already"),
        (Dialect::Sqlite, None, "count", "on the list already"),
        (Dialect::Sqlite, None, "mountgate_hash", "the masks' own"),
        (Dialect::Postgres, Some("public"), "f(x)", "no plain name"),
        (Dialect::Postgres, Some("public"), "Similarity", "no plain name"),
        (Dialect::Postgres, Some("pub\"lic"), "similarity", "no plain name"),
        (Dialect::Sqlite, None, "", "no plain name"),
        (Dialect::Sqlite, None, "1x", "no plain name"),
    ] {
        let told = extra(dialect, schema, name).unwrap_err();
        assert!(told.contains(why), "{name}: {told}");
    }
}

#[test]
fn an_added_function_is_called_by_its_whole_name_and_fenced() {
    use crate::{Statement, fuzz};
    let ceiling = fuzz::shop().unwrap();
    for (dialect, schema, printed, fence) in [
        (Dialect::Sqlite, None, "\"similarity\"(\"t1\".\"name\", 'x')", "LIMIT -1"),
        (Dialect::Postgres, Some("public"), "\"public\".\"similarity\"(\"t1\".\"name\", 'x')", "OFFSET 0"),
    ] {
        let sql = "SELECT id, similarity(name, 'x') AS s FROM emp WHERE similarity(name, 'x') > 0.5";
        assert_eq!(
            Statement::parse(dialect, sql).unwrap().touch(ceiling).unwrap_err().code,
            mountgate_core::Code::Unsupported
        );
        let extras = std::sync::Arc::from([extra(dialect, schema, "similarity").unwrap()]);
        let parse = |sql: &str| Statement::parse_allowing(dialect, sql, &extras).unwrap();
        let statement = parse(sql);
        let touch = statement.touch(ceiling).unwrap();
        let scope = mountgate_core::Scope::narrow(ceiling, &touch, &mountgate_core::Grant::Ceiling).unwrap();
        let plan = statement.enforce(&scope).unwrap();
        assert_eq!(plan.sql().matches(printed).count(), 2, "{}", plan.sql());
        assert!(plan.sql().contains(fence) && plan.fenced() == ["emp".into()], "{}", plan.sql());
        assert_eq!(plan.columns()[1].ty, Some(mountgate_core::ColumnType::Float));
        // Nothing beside it, and not in other ways.
        for sql in [
            "SELECT similarity(name) FROM emp",
            "SELECT similarity(DISTINCT name, 'x') FROM emp",
            "SELECT similarity(name, 'x') OVER () FROM emp",
            "SELECT similarity(name, 'x') FILTER (WHERE id = 1) FROM emp",
            "SELECT public.similarity(name, 'x') FROM emp",
            "SELECT * FROM similarity('x', 'y')",
            "SELECT dissimilarity(name, 'x') FROM emp",
        ] {
            assert_eq!(
                parse(sql).touch(ceiling).unwrap_err().code,
                mountgate_core::Code::Unsupported,
                "{dialect:?} {sql}"
            );
        }
    }
}

#[test]
fn added_operators_and_types_are_named_whole_and_fenced() {
    use crate::{Statement, allow::Extra, fuzz};
    use mountgate_core::{ColumnType, Grant, Scope};
    let ceiling = fuzz::shop().unwrap();
    let public = Some("public");
    let extras: std::sync::Arc<[Extra]> = std::sync::Arc::from([
        Extra::operator(Dialect::Postgres, public, "<->").unwrap(),
        Extra::operator(Dialect::Postgres, public, "%>").unwrap(),
        Extra::of_type(Dialect::Postgres, public, "citext", ColumnType::Text).unwrap(),
    ]);
    for (sql, printed) in [
        ("SELECT id FROM emp WHERE name <-> 'x' < 3", "(\"t1\".\"name\" OPERATOR(\"public\".<->) 'x')"),
        ("SELECT id FROM emp WHERE name %> 'x'", "(\"t1\".\"name\" OPERATOR(\"public\".%>) 'x')"),
        ("SELECT id FROM emp WHERE name::citext = 'X'", "CAST(\"t1\".\"name\" AS \"public\".\"citext\")"),
        ("SELECT id FROM emp WHERE name = 'X'::public.citext", "CAST('X' AS \"public\".\"citext\")"),
        ("SELECT id FROM emp WHERE CAST(name AS citext[]) IS NULL", "AS \"public\".\"citext\"[])"),
    ] {
        assert!(Statement::parse(Dialect::Postgres, sql).unwrap().touch(ceiling).is_err(), "{sql} without");
        let statement = Statement::parse_allowing(Dialect::Postgres, sql, &extras).unwrap();
        let scope = Scope::narrow(ceiling, &statement.touch(ceiling).unwrap(), &Grant::Ceiling).unwrap();
        let plan = statement.enforce(&scope).unwrap();
        assert!(plan.sql().contains(printed), "{sql}: {}", plan.sql());
        assert!(plan.fenced() == ["emp".into()], "{sql}: {}", plan.sql());
    }
    for sql in ["SELECT 1 <#> 2", "SELECT 'x'::other.citext", "SELECT 'x'::\"Citext\"", "SELECT citext('x')"] {
        let statement = Statement::parse_allowing(Dialect::Postgres, sql, &extras).unwrap();
        assert_eq!(statement.touch(ceiling).unwrap_err().code, mountgate_core::Code::Unsupported, "{sql}");
    }
    for (told, why) in [
        (Extra::operator(Dialect::Sqlite, None, "<->"), "of its grammar"),
        (Extra::operator(Dialect::Postgres, None, "<->"), "needs its schema"),
        (Extra::operator(Dialect::Postgres, public, "+"), "on the list already"),
        (Extra::operator(Dialect::Postgres, public, "="), "no operator"),
        (Extra::operator(Dialect::Postgres, public, "<--"), "no operator"),
        (Extra::operator(Dialect::Postgres, public, "+) x"), "no operator"),
        (Extra::of_type(Dialect::Sqlite, None, "citext", ColumnType::Text), "affinities"),
        (Extra::of_type(Dialect::Postgres, None, "citext", ColumnType::Text), "needs its schema"),
        (Extra::of_type(Dialect::Postgres, Some("pg_catalog"), "regclass", ColumnType::Any), "for a reason"),
        (Extra::of_type(Dialect::Postgres, public, "text", ColumnType::Text), "on the list already"),
        (Extra::of_type(Dialect::Postgres, public, "a b", ColumnType::Text), "no plain name"),
    ] {
        let told = told.unwrap_err();
        assert!(told.contains(why), "{told}");
    }
}

/// `MOUNTGATE_BLESS=1 cargo test -p mountgate-sql allow` writes the file anew.
#[test]
fn the_committed_document_is_the_one_that_the_lists_make() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/allowed.md");
    if std::env::var_os("MOUNTGATE_BLESS").is_some() {
        std::fs::write(path, super::markdown()).unwrap();
    }
    assert_eq!(std::fs::read_to_string(path).unwrap(), super::markdown(), "docs/allowed.md is out of date");
}
