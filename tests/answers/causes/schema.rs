//! Tables and columns that are not what the spec says.

use auth_consistency::api::condition::Reason as R;
use serde_json::json;

use super::{Cause, Part};
use crate::{
    expected::Expected,
    world::{World, quote, text},
};

const fn alone(name: &'static str, reasons: &'static [R], plant: fn(&mut World) -> bool) -> Cause {
    Cause { name, part: Part::Alone, reasons, plant }
}

pub const CAUSES: &[Cause] = &[
    alone("the table has another name", &[R::UserTableMissing], table_missing),
    alone("the table is in another schema", &[R::UserTableMissing], schema_missing),
    alone("the table differs in case", &[R::UserTableMissing], table_in_case),
    alone("the table is a view", &[R::UserTableUnsupported], view),
    alone("the login column has another name", &[R::ColumnMissing], |w| column(w, "loginColumn", "e_mail")),
    alone("the id column has another name", &[R::ColumnMissing], |w| column(w, "idColumn", "pk")),
    alone("the password column has another name", &[R::ColumnMissing], |w| {
        column(w, "passwordColumn", "pw_digest")
    }),
    alone("the column of the active state is not there", &[R::ColumnMissing], active_column),
    alone("the column of the role is not there", &[R::ColumnMissing], role_column),
    alone("the subject column is not there", &[R::ColumnMissing], subject_column),
    Cause {
        name: "the ledger's schema is another's",
        part: Part::Schema,
        reasons: &[R::LedgerUntrusted],
        plant: ledger,
    },
    Cause {
        name: "a collation of logins is of another version",
        part: Part::Schema,
        reasons: &[R::IndexUntrusted],
        plant: collation,
    },
    Cause {
        name: "the database is read-only",
        part: Part::Accounts,
        reasons: &[R::DatabaseReadOnly],
        plant: read_only,
    },
    Cause {
        name: "another resource has claimed the table",
        part: Part::Alone,
        reasons: &[R::TargetClaimed],
        plant: claimed,
    },
];

fn table_missing(world: &mut World) -> bool {
    world.spec["users"]["table"] = json!("accounts_of_people");
    world.expected.push(Expected::new("table missing", R::UserTableMissing).says(&["accounts_of_people"]));
    true
}

fn schema_missing(world: &mut World) -> bool {
    let schema = if world.schema == "public" { "app" } else { "public" };
    world.spec["users"]["schema"] = json!(schema);
    let (table, there) = (world.table.clone(), world.schema.clone());
    // Where it is instead is plain to see.
    world.expected.push(Expected::new("schema wrong", R::UserTableMissing).says(&[&table, schema, &there]));
    true
}

fn table_in_case(world: &mut World) -> bool {
    let lower = world.table.to_lowercase();
    let other = if lower == world.table { world.table.to_uppercase() } else { lower };
    world.spec["users"]["table"] = json!(other);
    let table = world.table.clone();
    world.expected.push(Expected::new("table in another case", R::UserTableMissing).says(&[&other, &table]));
    true
}

fn view(world: &mut World) -> bool {
    let users = world.users_sql();
    world.do_harm(format!("CREATE VIEW {}.people_view AS SELECT * FROM {users}", quote(&world.schema)));
    world.spec["users"]["table"] = json!("people_view");
    world
        .expected
        .push(Expected::new("table is a view", R::UserTableUnsupported).says(&["people_view", "view"]));
    true
}

fn missing(world: &mut World, column: &str) -> bool {
    world.expected.push(Expected::new("column missing", R::ColumnMissing).says(&[column]));
    true
}

fn column(world: &mut World, field: &str, name: &str) -> bool {
    world.spec["users"][field] = json!(name);
    missing(world, name)
}

fn active_column(world: &mut World) -> bool {
    world.spec["users"]["activeWhen"] = json!([{"column": "is_enabled_flag", "equals": "true"}]);
    missing(world, "is_enabled_flag")
}

fn role_column(world: &mut World) -> bool {
    world.spec["admin"]["columns"] = json!([{"column": "user_role", "equals": "admin"}]);
    missing(world, "user_role")
}

fn subject_column(world: &mut World) -> bool {
    world.spec["jwt"]["subjectColumn"] = json!("public_id");
    missing(world, "public_id")
}

fn ledger(world: &mut World) -> bool {
    let harm = world.one_of(&[
        "CREATE SCHEMA auth_consistency AUTHORIZATION pg_monitor",
        "CREATE SCHEMA auth_consistency; GRANT ALL ON SCHEMA auth_consistency TO PUBLIC",
    ]);
    world.do_harm(harm);
    world.expected.push(Expected::new("ledger", R::LedgerUntrusted).says(&["auth_consistency"]));
    true
}

fn collation(world: &mut World) -> bool {
    let (users, login) = (world.users_sql(), quote(&world.login));
    world.do_harm(format!(
        "ALTER TABLE {users} ALTER {login} TYPE varchar(255) COLLATE \"en-x-icu\"; \
         UPDATE pg_collation SET collversion = '1.2.3' WHERE collname = 'en-x-icu'"
    ));
    world.expected.push(Expected::new("collation", R::IndexUntrusted).says(&["REINDEX"]));
    true
}

fn read_only(world: &mut World) -> bool {
    world.do_harm(
        "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET default_transaction_read_only = on', current_database()); END $$",
    );
    let admin = world.admin();
    weaken(world);
    world
        .expected
        .push(Expected::new("read-only", R::DatabaseReadOnly).says(&["default_transaction_read_only"]));
    world.expected.push(Expected::new("read-only", R::AdminDrifted).says(&[&admin.login]));
    true
}

/// The admin is no admin any more.
fn weaken(world: &mut World) {
    let admin = world.admin();
    let (users, role) = (world.users_sql(), world.style.role);
    let value = if role.1 == "boolean" { "false" } else { "'0'" };
    let (role, id) = (quote(role.0), quote(&world.id));
    world.do_harm(format!("UPDATE {users} SET {role} = {value} WHERE {id} = {}", text(&admin.id)));
}

fn claimed(world: &mut World) -> bool {
    world.rival = true;
    // What the other one repairs, and so claims the table.
    weaken(world);
    world.expected.push(Expected::new("claimed", R::TargetClaimed).says(&["probeops/rival"]));
    true
}
