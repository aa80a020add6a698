-- Everything that `backend check` looks at, as one JSON. Privileges count whether they are the role's own or everyone's.
WITH login AS (SELECT * FROM pg_catalog.pg_roles WHERE rolname = {login}),
 owner AS (SELECT * FROM pg_catalog.pg_roles WHERE rolname = {owner}),
 views AS (SELECT * FROM pg_catalog.pg_namespace WHERE nspname = {views}),
 own AS (SELECT * FROM pg_catalog.pg_namespace WHERE nspname = {own}),
 roles AS (
  SELECT r.rolname, json_build_object('super', r.rolsuper, 'bypass', r.rolbypassrls, 'createrole', r.rolcreaterole,
    'createdb', r.rolcreatedb, 'replication', r.rolreplication, 'inherit', r.rolinherit, 'login', r.rolcanlogin,
    'member_of', (SELECT json_agg(g.rolname ORDER BY g.rolname) FROM pg_catalog.pg_auth_members m
      JOIN pg_catalog.pg_roles g ON g.oid = m.roleid WHERE m.member = r.oid)) AS told
  FROM pg_catalog.pg_roles r WHERE r.rolname IN ({login}, {owner})),
 elsewhere AS (
  SELECT n.* FROM pg_catalog.pg_namespace n
  WHERE n.nspname NOT IN ('pg_catalog', 'information_schema', {views}, {own}) AND n.nspname !~ '^pg_(toast|temp)'),
 usable AS (SELECT n.* FROM elsewhere n, login WHERE pg_catalog.has_schema_privilege(login.oid, n.oid, 'USAGE'))
SELECT json_build_object(
 'login', (SELECT told FROM roles WHERE rolname = {login}),
 'owner', (SELECT told FROM roles WHERE rolname = {owner}),
 'owner_members', (SELECT json_agg(r.rolname) FROM pg_catalog.pg_auth_members m JOIN owner ON owner.oid = m.roleid
   JOIN pg_catalog.pg_roles r ON r.oid = m.member WHERE r.rolname LIKE 'mountgate\_%'),
 'views_owner', (SELECT pg_catalog.pg_get_userbyid(nspowner) FROM views),
 'own_owner', (SELECT pg_catalog.pg_get_userbyid(nspowner) FROM own),
 'views_usage', (SELECT pg_catalog.has_schema_privilege(login.oid, views.oid, 'USAGE') FROM views, login),
 'own_usage', (SELECT pg_catalog.has_schema_privilege(login.oid, own.oid, 'USAGE') FROM own, login),
 'fingerprint', (SELECT pg_catalog.obj_description(own.oid, 'pg_namespace') FROM own),
 'function', (SELECT json_build_object('source', p.prosrc, 'definer', p.prosecdef, 'config', p.proconfig::text,
     'owner', pg_catalog.pg_get_userbyid(p.proowner),
     'public', EXISTS (SELECT FROM pg_catalog.aclexplode(COALESCE(p.proacl, pg_catalog.acldefault('f', p.proowner))) a WHERE a.grantee = 0))
   FROM pg_catalog.pg_proc p, own WHERE p.pronamespace = own.oid AND p.proname = 'sealed' AND p.pronargs = 0),
 'view', (SELECT json_agg(json_build_object('name', c.relname, 'kind', c.relkind,
     'comment', pg_catalog.obj_description(c.oid, 'pg_class'),
     'definition', CASE WHEN c.relkind = 'v' THEN
       pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to(pg_catalog.pg_get_viewdef(c.oid), 'UTF8')), 'hex') END,
     'barrier', 'security_barrier=true' = ANY (c.reloptions) AND c.reloptions::text !~ 'security_invoker',
     'owner', pg_catalog.pg_get_userbyid(c.relowner),
     'select', pg_catalog.has_table_privilege(login.oid, c.oid, 'SELECT')))
   FROM pg_catalog.pg_class c, views, login WHERE c.relnamespace = views.oid AND c.relkind IN ('r', 'v', 'm', 'p', 'f')),
 'unreadable', (SELECT json_agg(pg_catalog.format('%I.%I.%I', q.s, q.r, q.c))
   FROM (VALUES {needs}) AS q(s, r, c), owner
   WHERE q.s IS NOT NULL AND NOT COALESCE((
     SELECT pg_catalog.has_column_privilege(owner.oid, cl.oid, a.attnum, 'SELECT') AND pg_catalog.has_schema_privilege(owner.oid, cl.relnamespace, 'USAGE')
     FROM pg_catalog.pg_class cl JOIN pg_catalog.pg_namespace n ON n.oid = cl.relnamespace
     JOIN pg_catalog.pg_attribute a ON a.attrelid = cl.oid
     WHERE n.nspname = q.s AND cl.relname = q.r AND a.attname = q.c AND NOT a.attisdropped), false)),
 'owned', (SELECT json_agg(pg_catalog.pg_describe_object(d.classid, d.objid, 0)) FROM pg_catalog.pg_shdepend d, login
   WHERE d.refclassid = 'pg_catalog.pg_authid'::regclass AND d.refobjid = login.oid AND d.deptype = 'o'
     AND d.dbid = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())),
 'readable', (SELECT json_agg(pg_catalog.format('%I.%I', n.nspname, c.relname) ORDER BY n.nspname, c.relname)
   FROM pg_catalog.pg_class c JOIN usable n ON n.oid = c.relnamespace, login
   WHERE (c.relkind IN ('r', 'v', 'm', 'p', 'f') AND (
       pg_catalog.has_any_column_privilege(login.oid, c.oid, 'SELECT, INSERT, UPDATE')
       OR pg_catalog.has_table_privilege(login.oid, c.oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE, TRIGGER')))
     OR (c.relkind = 'S' AND pg_catalog.has_sequence_privilege(login.oid, c.oid, 'SELECT, USAGE, UPDATE'))),
 'definers', (SELECT json_agg(pg_catalog.format('%I.%I(%s)', n.nspname, p.proname, pg_catalog.pg_get_function_identity_arguments(p.oid)))
   FROM pg_catalog.pg_proc p JOIN usable n ON n.oid = p.pronamespace, login
   WHERE p.prosecdef AND pg_catalog.has_function_privilege(login.oid, p.oid, 'EXECUTE')),
 'creatable', (SELECT json_agg(w.place) FROM (
     SELECT pg_catalog.format('the schema %I', n.nspname) AS place FROM elsewhere n, login
       WHERE pg_catalog.has_schema_privilege(login.oid, n.oid, 'CREATE')
     UNION ALL SELECT 'the database' FROM login
       WHERE pg_catalog.has_database_privilege(login.oid, pg_catalog.current_database(), 'CREATE')) w),
 'remarks', (SELECT json_agg(w.remark) FROM (
     SELECT 'every role may make temporary tables in this database (not within the gateway''s read-only transactions): REVOKE TEMPORARY ON DATABASE ' || pg_catalog.quote_ident(pg_catalog.current_database()) || ' FROM PUBLIC' AS remark
       FROM login WHERE pg_catalog.has_database_privilege(login.oid, pg_catalog.current_database(), 'TEMPORARY')
     UNION ALL SELECT 'every role may take advisory locks (the gateway lets go of them after each statement): REVOKE EXECUTE ON FUNCTION pg_catalog.pg_advisory_lock(bigint) FROM PUBLIC, and of its like'
       FROM login WHERE pg_catalog.has_function_privilege(login.oid, 'pg_catalog.pg_advisory_lock(bigint)'::regprocedure, 'EXECUTE')
     UNION ALL SELECT 'every role may make large objects (the gateway rolls them back): REVOKE EXECUTE ON FUNCTION pg_catalog.lo_create(oid) FROM PUBLIC, and of its like'
       FROM login WHERE pg_catalog.has_function_privilege(login.oid, 'pg_catalog.lo_create(oid)'::regprocedure, 'EXECUTE')
     UNION ALL SELECT 'extension ' || e.extname || ' brings functions that reach other databases or run text'
       FROM pg_catalog.pg_extension e WHERE e.extname IN ('dblink', 'postgres_fdw', 'file_fdw', 'tablefunc', 'adminpack')) w)
)::text
