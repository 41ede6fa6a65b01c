//! What the role may not.

use auth_consistency::api::condition::Reason as R;
use serde_json::json;

use super::{Cause, Part};
use crate::{
    expected::Expected,
    world::{Active, World, quote, text},
};

pub const CAUSES: &[Cause] = &[
    Cause {
        name: "the role may not read a table",
        part: Part::Alone,
        reasons: &[R::RowsUnreadable],
        plant: unreadable,
    },
    Cause {
        name: "row-level security hides rows",
        part: Part::Alone,
        reasons: &[R::RowsUnreadable],
        plant: row_security,
    },
    Cause {
        name: "a rule is about no table",
        part: Part::Schema,
        reasons: &[R::RowsUnreadable],
        plant: ghost,
    },
    Cause {
        name: "a rule is about no column",
        part: Part::References,
        reasons: &[R::RowsUnreadable],
        plant: ghost_column,
    },
    Cause {
        name: "the role may not read the users",
        part: Part::Alone,
        reasons: &[R::PrivilegeMissing],
        plant: no_users,
    },
    Cause {
        name: "the role may not read the passwords",
        part: Part::Alone,
        reasons: &[R::PrivilegeMissing],
        plant: no_passwords,
    },
    Cause {
        name: "the role may not use the schema",
        part: Part::Alone,
        reasons: &[R::PrivilegeMissing],
        plant: no_schema,
    },
    Cause {
        name: "the role may not correct the admin",
        part: Part::Alone,
        reasons: &[R::PrivilegeMissing],
        plant: no_update,
    },
];

/// A role that may read everything, but for what is taken from it.
fn reader(world: &mut World, without: &str) {
    let schema = quote(&world.schema);
    world.role = Some(format!(
        "GRANT USAGE ON SCHEMA {schema} TO ROLE; GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO ROLE; \
         GRANT SELECT, USAGE ON ALL SEQUENCES IN SCHEMA {schema} TO ROLE; {without};"
    ));
    world.spec["mode"] = json!("Observe");
}

fn unreadable(world: &mut World) -> bool {
    let Some(reference) = world.reference(|one| !one.partitioned) else { return false };
    reader(world, &format!("REVOKE SELECT ON {} FROM ROLE", reference.quoted()));
    let expected = Expected::new("not readable", R::RowsUnreadable)
        .at(&reference.table)
        .says(&["SELECT|privilege|permission"]);
    world.expected.push(expected);
    true
}

fn row_security(world: &mut World) -> bool {
    let Some(reference) = world.reference(|one| !one.partitioned) else { return false };
    world.do_harm(format!("ALTER TABLE {} ENABLE ROW LEVEL SECURITY", reference.quoted()));
    reader(world, "");
    let expected =
        Expected::new("row security", R::RowsUnreadable).at(&reference.table).says(&["row-level security"]);
    world.expected.push(expected);
    true
}

fn ghost(world: &mut World) -> bool {
    let rule = json!({"schema": world.schema, "table": "ghosts", "columns": ["user_id"], "declared": true});
    world.spec["references"]["rules"].as_array_mut().unwrap().push(rule);
    world.expected.push(Expected::new("no such table", R::RowsUnreadable).at("ghosts"));
    true
}

fn ghost_column(world: &mut World) -> bool {
    let Some(reference) = world.reference(|one| one.key.is_none()) else { return false };
    world.rule(&reference)["columns"] = json!(["usr_id"]);
    let expected = Expected::new("no such column", R::RowsUnreadable).at(&reference.table).says(&["usr_id"]);
    world.expected.push(expected);
    true
}

fn no_users(world: &mut World) -> bool {
    let users = world.users_sql();
    reader(world, &format!("REVOKE SELECT ON {users} FROM ROLE"));
    let table = world.table.clone();
    world.expected.push(Expected::new("users not readable", R::PrivilegeMissing).says(&["SELECT", &table]));
    true
}

fn no_passwords(world: &mut World) -> bool {
    let users = world.users_sql();
    let mut columns =
        vec![world.id.clone(), world.login.clone(), "manager_id".into(), world.style.role.0.into()];
    match world.active {
        Active::Flag(column) | Active::NotDeleted(column) | Active::Status(column, _) => {
            columns.push(column.into())
        }
        Active::Always => {}
    }
    let columns: Vec<_> = columns.iter().map(|name| quote(name)).collect();
    reader(
        world,
        &format!(
            "REVOKE SELECT ON {users} FROM ROLE; GRANT SELECT ({}) ON {users} TO ROLE",
            columns.join(", ")
        ),
    );
    let column = world.password.clone();
    world
        .expected
        .push(Expected::new("passwords not readable", R::PrivilegeMissing).says(&["SELECT", &column]));
    world.beside.push((R::RowsUnreadable, None));
    true
}

fn no_schema(world: &mut World) -> bool {
    if world.schema == "public" {
        return false;
    }
    let schema = world.schema.clone();
    let of = quote(&schema);
    let tables = world.one_of(&["", "GRANT SELECT ON ALL TABLES IN SCHEMA "]);
    world.role = Some(if tables.is_empty() { "SELECT 1;".into() } else { format!("{tables}{of} TO ROLE;") });
    world.expected.push(Expected::new("schema not usable", R::PrivilegeMissing).says(&["USAGE", &schema]));
    true
}

fn no_update(world: &mut World) -> bool {
    let admin = world.admin();
    reader(world, "");
    world.spec.as_object_mut().unwrap().remove("mode");
    let (users, role) = (world.users_sql(), world.style.role);
    let value = if role.1 == "boolean" { "false" } else { "'0'" };
    world.do_harm(format!(
        "UPDATE {users} SET {} = {value} WHERE {} = {}",
        quote(role.0),
        quote(&world.id),
        text(&admin.id)
    ));
    let expected = Expected::new("no right to correct", R::AdminDrifted)
        .at(&world.table.clone())
        .blocked(R::PrivilegeMissing)
        .says(&["UPDATE"]);
    world.expected.push(expected);
    true
}
