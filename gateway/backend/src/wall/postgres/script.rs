//! The statements that build a wall and take it down. Each is safe to run again; all run in one transaction.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

use super::{Names, PROBE, PostgresWall, literal, seal::pads, view};

/// How secrets stand in a script.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Secrets {
    /// As they are: the keys in clear, the password as its SCRAM verifier. To be run, and to be kept from eyes.
    Written,
    /// As variables of `psql`.
    Named,
}

/// Settings under which literals and names in the statements mean one thing.
const PINNED: &str = "SET LOCAL search_path = pg_catalog, pg_temp;
SET LOCAL standard_conforming_strings = on;
SET LOCAL TimeZone = 'UTC';
SET LOCAL DateStyle = 'ISO';
SET LOCAL IntervalStyle = 'iso_8601';
SET LOCAL quote_all_identifiers = off;
SET LOCAL client_min_messages = warning;
SET LOCAL lock_timeout = '10s';
SELECT pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended('mountgate backend provision', 0));
";

impl PostgresWall {
    /// The script that builds the wall, or builds it anew: it ends as the ceiling says whatever was there.
    pub fn provision(&self, secrets: Secrets) -> String {
        let mut sql = format!("-- mount {}\n{PINNED}", self.mount);
        self.roles(secrets, &mut sql);
        self.grants(&mut sql);
        let Names { login, owner, views, own } = &self.names;
        let (login, owner_name) = (literal::ident(login), literal::ident(owner));
        let (views_name, own_name) = (literal::ident(views), literal::ident(own));
        let _ = write!(
            sql,
            "CREATE SCHEMA {views_name} AUTHORIZATION {owner_name};
CREATE SCHEMA {own_name} AUTHORIZATION {owner_name};
SET LOCAL ROLE {owner_name};
"
        );
        self.keys(secrets, &mut sql);
        self.check_function(&mut sql);
        for view in &self.views {
            let _ = writeln!(sql, "{};", view.sql);
        }
        let _ = write!(
            sql,
            "CREATE VIEW {probe} WITH (security_barrier = true) AS SELECT ({sealed}() IS NOT NULL) AS \"sealed\";
REVOKE ALL ON ALL TABLES IN SCHEMA {views_name} FROM PUBLIC;
REVOKE ALL ON ALL TABLES IN SCHEMA {own_name} FROM PUBLIC;
GRANT USAGE ON SCHEMA {views_name} TO {login};
GRANT EXECUTE ON FUNCTION {sealed}() TO {login};
GRANT SELECT ON ALL TABLES IN SCHEMA {views_name} TO {login};
COMMENT ON SCHEMA {views_name} IS {about};
COMMENT ON SCHEMA {own_name} IS {fingerprint};
",
            probe = literal::qualified(views, PROBE),
            sealed = literal::qualified(own, "sealed"),
            about = literal::text(&format!(
                "the wall of Mountgate's mount {}: made by `mountgate backend provision`, changed by nothing else",
                self.mount
            )),
            fingerprint = literal::text(&self.fingerprint()),
        );
        for view in &self.views {
            let _ = writeln!(
                sql,
                "DO $$ BEGIN EXECUTE pg_catalog.format('COMMENT ON VIEW %s IS %L', {name}, {digest} || ' ' || \
                 pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to(pg_catalog.pg_get_viewdef({name}::regclass), 'UTF8')), 'hex')); END $$;",
                name = literal::text(&literal::qualified(views, &view.name)),
                digest = literal::text(&view.digest()),
            );
        }
        let _ = write!(sql, "RESET ROLE;\nREVOKE {owner_name}, {login} FROM CURRENT_USER;\n");
        sql
    }

    /// The roles, rid of everything that they have and are.
    fn roles(&self, secrets: Secrets, sql: &mut String) {
        let Names { login, owner, .. } = &self.names;
        for role in [owner, login] {
            let _ = writeln!(
                sql,
                "DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = {name}) THEN CREATE ROLE {role} NOLOGIN; END IF; END $$;",
                name = literal::text(role),
                role = literal::ident(role),
            );
        }
        let _ = sql.write_str(&self.disowned());
        let password = match secrets {
            Secrets::Written => literal::text(&mountgate_driver::scram_verifier(&self.keys.password)),
            Secrets::Named => format!(":'{login}_password'"),
        };
        let _ = write!(
            sql,
            "ALTER ROLE {owner} NOLOGIN NOINHERIT NOCREATEDB NOCREATEROLE PASSWORD NULL;
ALTER ROLE {login} LOGIN NOINHERIT NOCREATEDB NOCREATEROLE PASSWORD {password};
",
            owner = literal::ident(owner),
            login = literal::ident(login),
        );
        for role in [owner, login] {
            // Only a superuser may say these, and only where there is something to take away need they be said.
            let _ = writeln!(
                sql,
                "DO $$ BEGIN IF EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = {name} AND (rolsuper OR rolreplication OR rolbypassrls)) THEN ALTER ROLE {role} NOSUPERUSER NOREPLICATION NOBYPASSRLS; END IF; END $$;",
                name = literal::text(role),
                role = literal::ident(role),
            );
        }
        let _ = write!(
            sql,
            "ALTER ROLE {login} RESET ALL;
ALTER ROLE {login} SET search_path = {path};
ALTER ROLE {login} SET default_transaction_read_only = on;
ALTER ROLE {login} SET row_security = on;
ALTER ROLE {login} SET statement_timeout = '300s';
ALTER ROLE {login} SET lock_timeout = '5s';
ALTER ROLE {login} SET idle_in_transaction_session_timeout = '30s';
ALTER ROLE {login} SET TimeZone = 'UTC';
ALTER ROLE {login} SET DateStyle = 'ISO';
ALTER ROLE {login} SET IntervalStyle = 'iso_8601';
ALTER ROLE {login} SET bytea_output = 'hex';
ALTER ROLE {login} SET extra_float_digits = 1;
COMMENT ON ROLE {login} IS {login_about};
COMMENT ON ROLE {owner} IS {owner_about};
",
            login = literal::ident(login),
            owner = literal::ident(owner),
            path = view::search_path(&self.names),
            login_about = literal::text(&format!("what Mountgate's mount {} logs in as", self.mount)),
            owner_about = literal::text(&format!("owns the wall of Mountgate's mount {}", self.mount)),
        );
    }

    /// Drops what both roles own, and takes from them what they were given in this database and whose members they are.
    /// Where something of others' depends on it, it fails and nothing is changed.
    fn disowned(&self) -> String {
        let roles = [&self.names.owner, &self.names.login];
        let names: Vec<String> = roles.iter().map(|role| literal::text(role)).collect();
        let mut sql = format!(
            "DO $$ DECLARE pair record; BEGIN FOR pair IN SELECT g.rolname AS given, m.rolname AS member FROM pg_catalog.pg_auth_members a \
             JOIN pg_catalog.pg_roles g ON g.oid = a.roleid JOIN pg_catalog.pg_roles m ON m.oid = a.member \
             WHERE m.rolname IN ({names}) LOOP EXECUTE pg_catalog.format('REVOKE %I FROM %I', pair.given, pair.member); END LOOP; END $$;\n",
            names = names.join(", ")
        );
        // Whoever is no superuser must be a member to act for a role.
        let both = roles.map(|role| literal::ident(role)).join(", ");
        let _ = writeln!(sql, "GRANT {both} TO CURRENT_USER;");
        // What stands in the wall's schemas is the wall's, whoever made it.
        let _ = writeln!(
            sql,
            "DO $$ DECLARE stray record; BEGIN FOR stray IN SELECT n.nspname, c.relname FROM pg_catalog.pg_class c \
             JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname IN ({views}, {own}) \
             AND c.relkind IN ('r', 'v', 'm', 'p', 'f') AND pg_catalog.pg_get_userbyid(c.relowner) <> {owner} \
             LOOP EXECUTE pg_catalog.format('ALTER TABLE %I.%I OWNER TO %I', stray.nspname, stray.relname, {owner}); END LOOP; END $$;",
            views = literal::text(&self.names.views),
            own = literal::text(&self.names.own),
            owner = literal::text(&self.names.owner),
        );
        let _ = writeln!(sql, "DROP OWNED BY {both};");
        sql
    }

    /// What the owner must read, and no other column.
    fn grants(&self, sql: &mut String) {
        let Names { login, owner, .. } = &self.names;
        let _ = writeln!(
            sql,
            "DO $$ BEGIN IF NOT pg_catalog.has_database_privilege({name}, pg_catalog.current_database(), 'CONNECT') THEN \
             EXECUTE pg_catalog.format('GRANT CONNECT ON DATABASE %I TO %I', pg_catalog.current_database(), {name}); END IF; END $$;",
            name = literal::text(login),
        );
        let schemas: std::collections::BTreeSet<&String> = self.needs.keys().map(|(schema, _)| schema).collect();
        for schema in schemas {
            let _ = writeln!(
                sql,
                "DO $$ BEGIN IF NOT pg_catalog.has_schema_privilege({name}, {schema_text}, 'USAGE') THEN GRANT USAGE ON SCHEMA {schema} TO {owner}; END IF; END $$;",
                name = literal::text(owner),
                schema_text = literal::text(schema),
                schema = literal::ident(schema),
                owner = literal::ident(owner),
            );
        }
        for ((schema, relation), columns) in &self.needs {
            let columns: Vec<String> = columns.iter().map(|column| literal::ident(column.as_str())).collect();
            if columns.is_empty() {
                continue;
            }
            let _ = writeln!(
                sql,
                "GRANT SELECT ({}) ON {} TO {};",
                columns.join(", "),
                literal::qualified(schema, relation),
                literal::ident(owner)
            );
        }
    }

    /// The table of keys, which the owner alone reads.
    fn keys(&self, secrets: Secrets, sql: &mut String) {
        let table = view::keys(&self.names);
        let _ = writeln!(
            sql,
            "CREATE TABLE {table} (\"name\" text PRIMARY KEY, \"inner_pad\" bytea NOT NULL, \"outer_pad\" bytea NOT NULL);"
        );
        let seal = ("seal".to_owned(), self.keys.seal.clone());
        let masks = self.mask_keys.iter().map(|(name, key)| (name.clone(), key.clone()));
        for (number, (name, key)) in std::iter::once(seal).chain(masks).enumerate() {
            let [inner, outer] = match secrets {
                Secrets::Written => pads(&key),
                Secrets::Named => ["inner", "outer"].map(|part| format!(":'{}_key{number}_{part}'", self.names.login)),
            };
            let _ = writeln!(sql, "INSERT INTO {table} VALUES ({}, {inner}, {outer});", literal::text(&name));
        }
    }

    /// The function that checks a seal. It takes nothing, and gives back what the seal says, which its caller said: so
    /// it is no oracle. It reads the setting once, and what it checked is what it returns.
    fn check_function(&self, sql: &mut String) {
        let name = literal::qualified(&self.names.own, "sealed");
        let _ = write!(
            sql,
            "CREATE FUNCTION {name}() RETURNS jsonb LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $mountgate${}$mountgate$;
REVOKE ALL ON FUNCTION {name}() FROM PUBLIC;
",
            self.check_body()
        );
    }

    pub(super) fn check_body(&self) -> String {
        format!(
            "
DECLARE
  given text := pg_catalog.current_setting('mountgate.seal', true);
  said text := pg_catalog.substr(given, 66);
  mac bytea;
BEGIN
  SELECT pg_catalog.sha256(k.outer_pad || pg_catalog.sha256(k.inner_pad || pg_catalog.convert_to(
    {mount} || ' ' || pg_catalog.pg_backend_pid()::text || ' ' || said, 'UTF8')))
    INTO mac FROM {keys} AS k WHERE k.name = 'seal';
  -- By their digests: how long it takes tells nothing of the seal that would be right.
  IF (pg_catalog.sha256(pg_catalog.convert_to(pg_catalog.left(given, 65), 'UTF8'))
      = pg_catalog.sha256(pg_catalog.convert_to(pg_catalog.encode(mac, 'hex') || ' ', 'UTF8'))) IS NOT TRUE THEN
    RAISE EXCEPTION 'no valid seal' USING ERRCODE = '28000';
  END IF;
  IF (pg_catalog.split_part(said, ' ', 1)::float8
      >= pg_catalog.date_part('epoch', pg_catalog.clock_timestamp()) * 1000) IS NOT TRUE THEN
    RAISE EXCEPTION 'the seal has expired' USING ERRCODE = '28000';
  END IF;
  RETURN pg_catalog.substr(said, pg_catalog.strpos(said, ' ') + 1)::jsonb;
END
",
            mount = literal::text(self.mount.as_str()),
            keys = view::keys(&self.names),
        )
    }

    /// A digest of the keys, by which a wall that was built with others is told. Keys of 256 bits can't be searched for.
    pub(super) fn fingerprint(&self) -> String {
        let mut digest = Sha256::new();
        digest.update(b"mountgate wall 1");
        digest.update(self.keys.password.as_bytes());
        digest.update(self.keys.seal.as_ref());
        for (name, key) in &self.mask_keys {
            digest.update((name.len() as u64).to_be_bytes());
            digest.update(name.as_bytes());
            digest.update(key.as_ref());
        }
        digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The script that takes the wall down, roles and all.
    pub fn drop_script(&self) -> String {
        let Names { login, owner, .. } = &self.names;
        let (names, disowned) = (format!("{}, {}", literal::text(login), literal::text(owner)), self.disowned());
        // In a block of its own: of roles that are not there nothing can be dropped.
        let mut block = String::new();
        for line in disowned.lines() {
            match line.strip_prefix("DO $$ ").and_then(|rest| rest.strip_suffix(" $$;")) {
                Some(inner) => {
                    let _ = writeln!(block, "{inner};");
                }
                None => {
                    let _ = writeln!(block, "{line}");
                }
            }
        }
        format!(
            "-- mount {mount}\n{PINNED}DO $mountgate$ BEGIN IF (SELECT pg_catalog.count(*) FROM pg_catalog.pg_roles WHERE rolname IN ({names})) = 2 THEN\n{block}DROP ROLE {login}, {owner};\nEND IF; END $mountgate$;\n",
            mount = self.mount,
            login = literal::ident(login),
            owner = literal::ident(owner),
        )
    }
}
