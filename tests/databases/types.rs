//! Every type that a column can have comes back from quarantine as it was.
//!
//! The types are those that the server has: one that nobody has values for here fails the test.

use std::collections::BTreeMap;

use crate::support::{Case, Db, HASH, USUAL};

/// Types of our own, and those of extensions where they are there.
const OWN: &str = "CREATE TYPE mood AS ENUM ('sad', 'ok');
    CREATE DOMAIN short AS varchar(3) CHECK (VALUE <> 'no');
    CREATE DOMAIN shorts AS short[] CHECK (array_length(VALUE, 1) < 9);
    CREATE TYPE pair AS (a int, \"B b\" text, c numeric(6,2));
    CREATE DOMAIN pairs AS pair CHECK ((VALUE).a <> 7);
    CREATE TYPE span AS RANGE (subtype = float8, multirange_type_name = spans);
    CREATE TYPE nested AS (p pair, q pair[], r span);
    DO $$ DECLARE e text; BEGIN FOR e IN SELECT name FROM pg_available_extensions
      WHERE name IN ('hstore', 'citext', 'ltree', 'cube', 'seg') LOOP
      EXECUTE format('CREATE EXTENSION %I', e); END LOOP; END $$;";

/// Types whose values cannot be written down, only made by the server: an expression for each.
const MADE: [(&str, &str); 4] = [
    ("pg_node_tree", "(SELECT ev_action FROM pg_rewrite WHERE rulename = '_RETURN' ORDER BY oid LIMIT 1)"),
    ("pg_ndistinct", "(SELECT stxdndistinct FROM pg_statistic_ext_data)"),
    ("pg_dependencies", "(SELECT stxddependencies FROM pg_statistic_ext_data)"),
    ("pg_mcv_list", "(SELECT stxdmcv FROM pg_statistic_ext_data)"),
];

/// Types that have no values outside of indexes.
const INNER: [&str; 5] =
    ["gtsvector", "pg_brin_bloom_summary", "pg_brin_minmax_multi_summary", "ghstore", "ltree_gist"];

/// Values of each type, as text.
pub(crate) const VALUES: &[(&str, &[&str])] = &[
    ("bool", &["t", "f"]),
    ("bytea", &["\\x00ff27", ""]),
    ("char", &["a", "", "\\377"]),
    ("name", &["a name", ""]),
    ("int8", &["-9223372036854775808", "9223372036854775807"]),
    ("int2", &["-32768", "32767"]),
    ("int4", &["-2147483648", "2147483647"]),
    ("int2vector", &["1 -2 3", ""]),
    ("oidvector", &["1 4294967295", ""]),
    ("regproc", &["pg_catalog.now", "-"]),
    ("regprocedure", &["pg_catalog.abs(integer)", "-"]),
    ("regoper", &["pg_catalog.||/", "0"]),
    ("regoperator", &["pg_catalog.+(integer,integer)", "0"]),
    ("regclass", &["pg_catalog.pg_class", "4294967295"]),
    ("regtype", &["pg_catalog.int4", "-"]),
    ("regrole", &["pg_monitor", "4294967295"]),
    ("regnamespace", &["pg_catalog", "-"]),
    ("regconfig", &["pg_catalog.english"]),
    ("regdictionary", &["pg_catalog.english_stem"]),
    ("regcollation", &["pg_catalog.\"C\"", "-"]),
    ("text", &["", " \t\n\\ '\"", "caf\u{e9} \u{1f511}"]),
    ("oid", &["0", "4294967295"]),
    ("tid", &["(4294967295,65535)", "(0,1)"]),
    ("xid", &["4294967295"]),
    ("cid", &["4294967295"]),
    ("xid8", &["18446744073709551615"]),
    ("json", &["{\"b\" : 1.0,  \"a\":2, \"a\":3}", "null", "\"\\u00e9\""]),
    ("jsonb", &["{\"b\": 1.0, \"a\": [1.00, null]}", "null"]),
    ("jsonpath", &["$.a[*] ? (@.b > 1)", "strict $"]),
    ("xml", &["<a b=\"1\">c</a>", "text<b/>", ""]),
    ("point", &["(1.5,-2)", "(NaN,Infinity)"]),
    ("lseg", &["[(0,0),(1,1e-300)]"]),
    ("path", &["((0,0),(1,1),(2,0))", "[(0,0),(1,1)]"]),
    ("box", &["(1,1),(0,0)"]),
    ("polygon", &["((0,0),(1,1),(2,0))"]),
    ("line", &["{1,-1,0}"]),
    ("circle", &["<(1,2),3.5>"]),
    ("float4", &["-0", "NaN", "1e-45", "3.4028235e+38", "0.1"]),
    ("float8", &["-0", "NaN", "-Infinity", "5e-324", "0.1", "1.7976931348623157e+308"]),
    ("money", &["-92233720368547758.08", "1.50"]),
    ("macaddr", &["08:00:2b:01:02:03"]),
    ("macaddr8", &["08:00:2b:01:02:03:04:05"]),
    ("inet", &["10.1.2.3/8", "::1", "2001:db8::/32"]),
    ("cidr", &["10.0.0.0/8", "2001:db8::/32"]),
    ("aclitem", &["=r/pg_monitor", "pg_monitor=arwdDxt/pg_monitor"]),
    ("bpchar", &["x  ", ""]),
    ("varchar", &["x  ", ""]),
    ("date", &["infinity", "-infinity", "0044-03-15 BC", "5874897-12-31"]),
    ("time", &["24:00:00", "00:00:00.000001"]),
    ("timestamp", &["infinity", "-infinity", "4713-01-01 00:00:00 BC", "294276-12-31 23:59:59.999999"]),
    ("timestamptz", &["infinity", "-infinity", "0044-03-15 12:00:00+00 BC", "2025-01-01 00:00:00.123456+02"]),
    ("timetz", &["24:00:00+15:59:59", "00:00:00.000001-15:59"]),
    ("interval", &["1 mon -2 days 03:04:05.000006", "-178000000 years", "24:00:00", "1 day"]),
    ("bit", &["1", "10101"]),
    ("varbit", &["10101", ""]),
    ("numeric", &["NaN", "Infinity", "-Infinity", "1.500", "0.00", "-1e-40", "1e100"]),
    ("refcursor", &["c"]),
    ("uuid", &["00000000-0000-0000-0000-000000000000", "ffffffff-ffff-4fff-bfff-ffffffffffff"]),
    ("pg_lsn", &["FFFFFFFF/FFFFFFFF", "0/0"]),
    ("tsvector", &["'a':1A,2B 'b c':3", ""]),
    ("tsquery", &["'a' & !('b':*A | 'c' <-> 'd')", ""]),
    ("txid_snapshot", &["10:20:10,14", "1:1:"]),
    ("pg_snapshot", &["10:20:10,14", "1:1:"]),
    ("int4range", &["[1,5)", "empty", "(,)"]),
    ("int8range", &["[1,5)", "(,9223372036854775807)"]),
    ("numrange", &["[1.10,2.0]", "(NaN,NaN)"]),
    ("tsrange", &["[2020-01-01,infinity]", "empty"]),
    ("tstzrange", &["[2020-01-01 00:00+00,infinity)", "(,)"]),
    ("daterange", &["[2020-01-01,infinity)", "empty"]),
    ("int4multirange", &["{[1,3),[5,8)}", "{}"]),
    ("int8multirange", &["{[1,3),[5,8)}", "{}"]),
    ("nummultirange", &["{[1.10,3.0],[5,8)}", "{}"]),
    ("tsmultirange", &["{[2020-01-01,infinity]}", "{}"]),
    ("tstzmultirange", &["{[2020-01-01 00:00+00,infinity)}", "{}"]),
    ("datemultirange", &["{[2020-01-01,2021-01-01),[2022-01-01,)}", "{}"]),
    // The domains of information_schema.
    ("cardinal_number", &["0", "7"]),
    ("character_data", &["a"]),
    ("sql_identifier", &["a"]),
    ("time_stamp", &["2020-01-01 00:00:00.12+00"]),
    ("yes_or_no", &["YES", "NO"]),
    // Our own.
    ("mood", &["sad", "ok"]),
    ("short", &["abc", ""]),
    ("shorts", &["[2:3]={a,NULL}", "{}"]),
    ("pair", &["(1,\"a \"\"b\"\", c\",1.50)", "(,,)"]),
    ("pairs", &["(1,a,1.50)", "(,,)"]),
    ("span", &["[-0,1e-300)", "empty", "(,NaN]"]),
    ("spans", &["{[-0,1e-300),[2,3]}", "{}"]),
    ("nested", &["(\"(1,a,1.50)\",\"{\"\"(1,b,)\"\",NULL}\",\"[1,2)\")", "(,,)"]),
    ("lodger", &["(1,\"a, b\",\"{1,2}\")", "(,,)"]),
    // Of extensions.
    ("hstore", &["\"a\"=>\"1\", \"b\"=>NULL", ""]),
    ("citext", &["Mail", ""]),
    ("ltree", &["Top.Science", ""]),
    ("lquery", &["*.foo|bar*@.baz"]),
    ("ltxtquery", &["Europe & Russia*@ & !Transportation"]),
    ("cube", &["(0, 1),(1, 2)", "(1)", "()"]),
    ("seg", &["1.50 .. 2.0", "~5", "<6.00"]),
];

pub(crate) fn literal(text: &str) -> String {
    format!("E'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}

/// The columns of a table that has every type: name, type, and expressions for values.
async fn columns(db: &Db) -> Vec<(String, String, Vec<String>)> {
    let values: BTreeMap<&str, &[&str]> = VALUES.iter().copied().collect();
    let made: BTreeMap<&str, &str> = MADE.into_iter().collect();
    let types = db
        .texts(
            "SELECT format(E'%s\\t%I.%I\\t%s', t.typname, n.nspname, t.typname, a.typname) FROM pg_type t
             JOIN pg_namespace n ON n.oid = t.typnamespace LEFT JOIN pg_type a ON a.oid = t.typarray
             LEFT JOIN pg_class c ON c.oid = t.typrelid
             WHERE t.typisdefined AND (t.typtype IN ('b', 'd', 'e', 'r', 'm') OR t.typtype = 'c' AND c.relkind = 'c'
               OR t.typname = 'lodger')
             AND NOT EXISTS (SELECT FROM pg_type e WHERE e.typarray = t.oid) ORDER BY n.nspname, t.typname",
        )
        .await;
    let mut columns = Vec::new();
    for line in types {
        let mut parts = line.split('\t');
        let (bare, name, array) = (parts.next().unwrap(), parts.next().unwrap(), parts.next().unwrap());
        let mut known: Vec<String> = match (values.get(bare), made.get(bare)) {
            (Some(values), _) => values.iter().map(|value| format!("{}::{name}", literal(value))).collect(),
            (None, Some(expression)) => vec![(*expression).to_owned()],
            (None, None) if INNER.contains(&bare) => Vec::new(),
            (None, None) => panic!("the type {name} has no values here"),
        };
        if !array.is_empty() && !known.is_empty() {
            // Of two dimensions, with lower bounds of their own; and an empty one.
            let schema = name.split('.').next().unwrap();
            let kind = format!("{schema}.\"{array}\"");
            let cells = known.iter().map(|one| format!("ARRAY[{one}, NULL]")).collect::<Vec<_>>().join(", ");
            let count = known.len();
            let all = format!("('[2:{}][-1:0]=' || (ARRAY[{cells}])::{kind}::text)::{kind}", count + 1);
            columns.push((format!("\"{bare}[]\""), kind.clone(), vec![all, format!("'{{}}'::{kind}")]));
        }
        known.push("NULL".into());
        columns.push((format!("\"{bare}\""), name.to_owned(), known));
    }
    columns
}

#[tokio::test]
async fn every_type_that_a_column_can_have_comes_back_as_it_was_and_is_written_beside_as_it_was() {
    for on_orphan in ["Delete", "Reassign", "SetNull"] {
        let db = Db::new(&format!(
            "{OWN} CREATE TABLE users (id int PRIMARY KEY, email text NOT NULL UNIQUE, hashed_password text NOT NULL, \
             role text NOT NULL DEFAULT 'user', is_active boolean NOT NULL DEFAULT true);
             INSERT INTO users VALUES (1, 'admin@example.com', '{HASH}', 'admin'), (5, 'ada@example.com', '{HASH}', 'user');
             CREATE TABLE lodger (a int, b text, c int[]);
             CREATE TABLE measured AS SELECT n % 3 AS a, n % 3 AS b FROM generate_series(1, 99) n;
             CREATE STATISTICS measured_together ON a, b FROM measured; ANALYZE measured;"
        ))
        .await;
        let columns = columns(&db).await;
        assert!(columns.len() > 150, "{} columns", columns.len());
        let declared: String = columns.iter().map(|(name, kind, _)| format!(", {name} {kind}")).collect();
        let names: String = columns.iter().map(|(name, ..)| format!(", {name}")).collect();
        let rows = columns.iter().map(|(.., values)| values.len()).max().unwrap();
        let mut sql = format!(
            "CREATE TABLE logs (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, user_id int REFERENCES users{declared},
               again text GENERATED ALWAYS AS (\"text\" || \"int4\"::text) STORED);
             SET session_replication_role = replica;"
        );
        for row in 0..rows {
            let values: String =
                columns.iter().map(|(.., values)| format!(", {}", values[row % values.len()])).collect();
            let user = if row == 2 { 5 } else { 9 };
            sql += &format!("INSERT INTO logs (user_id{names}) VALUES ({user}{values});\n");
        }
        db.run(&format!("{sql} RESET session_replication_role")).await;
        let yaml =
            format!("{USUAL}references: {{onOrphan: {on_orphan}, limits: {{rows: 1000, percent: 100}}}}\n");
        let mut case = Case::new(&db, &yaml);
        let before = db.snapshot().await;
        let gone = db.texts("SELECT l FROM logs l WHERE user_id = 9 ORDER BY id").await;
        case.repair().await.consistent();
        let run = case.status.history[0].run.clone();
        case.beside(&run, None, "beside").await.unwrap();
        assert_eq!(db.texts("SELECT l FROM beside l ORDER BY id").await, gone, "{on_orphan}: beside");
        db.run(&format!(
            "DROP TABLE beside; INSERT INTO users VALUES (9, 'nine@example.com', '{HASH}', 'user')"
        ))
        .await;
        let restored = case.restore(&run).await.unwrap();
        let expected = (i64::try_from(gone.len()).unwrap(), 0);
        assert_eq!((restored[0].rows, restored[0].blocked), expected, "{on_orphan}: {restored:?}");
        assert_eq!(db.changes(&before).await, ["+ users (9,nine@example.com,HASH,user,t)"], "{on_orphan}");
    }
}
