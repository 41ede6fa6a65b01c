//! Rows that name nobody, and the foreign keys that should keep them out.

use auth_consistency::api::condition::Reason as R;
use serde_json::json;

use super::{Cause, Part};
use crate::{
    expected::Expected,
    world::{Gives, Ids, Reference, World, quote, text},
};

const fn cause(name: &'static str, reasons: &'static [R], plant: fn(&mut World) -> bool) -> Cause {
    Cause { name, part: Part::References, reasons, plant }
}

pub const CAUSES: &[Cause] = &[
    cause("rows name nobody behind a valid key", &[R::OrphanRows], |w| orphans(w, |one| one.key.is_some())),
    cause("rows that a rule declares name nobody", &[R::OrphanRows], |w| {
        orphans(w, |one| one.key.is_none() && one.of_type.is_none())
    }),
    cause("rows of one type name nobody", &[R::OrphanRows], |w| orphans(w, |one| one.of_type.is_some())),
    cause("rows of partitions name nobody", &[R::OrphanRows], |w| orphans(w, |one| one.partitioned)),
    cause("a user is gone and the rows are left", &[R::OrphanRows], user_gone),
    cause("users name a manager who is gone", &[R::OrphanRows], manager_gone),
    cause("a valid key is violated", &[R::ConstraintViolated], violated),
    cause("SET NULL where NULL is not allowed", &[R::SetNullRefused], set_null),
    cause("Reassign of tokens", &[R::ReassignRefused], credentials),
    cause("Reassign past a unique key", &[R::UniqueKeyInTheWay], unique_key),
    cause("Delete from another role's table", &[R::ForeignOwner], foreign_owner),
    cause("Reassign of numbers in text", &[R::RepairUnsupported], other_type),
    cause("nobody declares a column of users", &[R::ReferencesUndeclared], undeclared),
    cause("the key of a rule is not there", &[R::ConstraintMissing], key_missing),
    cause("the key of a rule was dropped", &[R::ConstraintMissing], key_dropped),
    cause("a key is NOT VALID", &[R::ConstraintUnvalidated], not_valid),
    cause("a key's own triggers are off", &[R::ConstraintDisabled], |w| disabled(w, true)),
    cause("the user table's triggers are off", &[R::ConstraintDisabled], |w| disabled(w, false)),
    cause("a key leads to the old user table", &[R::ReferenceElsewhere], |w| elsewhere(w, false)),
    cause("the key of a rule leads to the old user table", &[R::ReferenceElsewhere], |w| elsewhere(w, true)),
    cause("rows name users in capitals", &[R::IdSpellingDiffers], |w| spelled(w, |id| id.to_uppercase())),
    cause("rows name users with a blank at the end", &[R::IdSpellingDiffers], |w| {
        spelled(w, |id| format!("{id} "))
    }),
    cause("rows name users with a CR at the end", &[R::IdSpellingDiffers], |w| {
        spelled(w, |id| format!("{id}\r"))
    }),
    cause("rows name uuids without hyphens", &[R::IdSpellingDiffers], hyphens),
    cause("rows name numbers with leading zeros", &[R::IdSpellingDiffers], zeros),
];

/// Puts orphans into a reference: so many rows, and the ids that they name.
pub fn put_orphans(world: &mut World, reference: &Reference) -> (usize, Vec<String>) {
    let ids: Vec<String> = (0..world.one_of(&[1, 2, 3])).map(|_| world.new_id()).collect();
    let each = world.one_of(&[1, 2, 4]);
    for id in &ids {
        for _ in 0..each {
            let row = world.row(reference, &text(id));
            world.do_harm(row.trim_end_matches(';'));
        }
    }
    (ids.len() * each, ids)
}

fn orphan_rows(world: &mut World, cause: &'static str, reference: &Reference) -> Expected {
    let (rows, ids) = put_orphans(world, reference);
    world.beside.push((R::ConstraintViolated, Some(reference.table.clone())));
    let mut words: Vec<&str> = ids.iter().map(String::as_str).collect();
    let rows = format!("{rows} row");
    words.push(&rows);
    words.push(&reference.table);
    Expected::new(cause, R::OrphanRows).at(&reference.table).column(&reference.column).says(&words)
}

fn orphans(world: &mut World, of: fn(&Reference) -> bool) -> bool {
    let Some(reference) = world.reference(of) else { return false };
    let expected = orphan_rows(world, "orphans", &reference);
    world.expected.push(expected);
    true
}

fn user_gone(world: &mut World) -> bool {
    let Some(reference) = world.reference(|_| true) else { return false };
    let user = world.users.last().unwrap().clone();
    let row = world.row(&reference, &text(&user.id));
    world.do_harm(row.trim_end_matches(';'));
    let sql = format!("DELETE FROM {} WHERE {} = {}", world.users_sql(), quote(&world.id), text(&user.id));
    world.do_harm(sql);
    let expected = Expected::new("user gone", R::OrphanRows)
        .at(&reference.table)
        .column(&reference.column)
        .says(&[&user.id, &reference.table]);
    world.expected.push(expected);
    world.beside.push((R::OrphanRows, None));
    world.beside.push((R::ConstraintViolated, None));
    true
}

fn manager_gone(world: &mut World) -> bool {
    if !world.managers {
        return false;
    }
    let (user, gone) = (world.somebody(), world.new_id());
    let sql = format!(
        "UPDATE {} SET manager_id = {} WHERE {} = {}",
        world.users_sql(),
        text(&gone),
        quote(&world.id),
        text(&user.id)
    );
    world.do_harm(sql);
    let expected = Expected::new("manager gone", R::OrphanRows)
        .at(&world.table.clone())
        .column("manager_id")
        .says(&["1 row", &gone]);
    world.expected.push(expected);
    world.beside.push((R::ConstraintViolated, Some(world.table.clone())));
    true
}

fn violated(world: &mut World) -> bool {
    let Some(reference) = world.reference(|one| one.key.is_some()) else { return false };
    put_orphans(world, &reference);
    let key = reference.key.clone().unwrap();
    world.beside.push((R::OrphanRows, Some(reference.table.clone())));
    let expected = Expected::new("key violated", R::ConstraintViolated).at(&reference.table).says(&[&key]);
    world.expected.push(expected);
    true
}

fn blocked(world: &mut World, cause: &'static str, reference: &Reference, reason: R, words: &[&str]) {
    let expected = orphan_rows(world, cause, reference).blocked(reason).says(words);
    world.expected.push(expected);
}

fn set_null(world: &mut World) -> bool {
    let Some(reference) = world.reference(|one| !one.nullable) else { return false };
    world.rule(&reference)["onOrphan"] = json!("SetNull");
    blocked(world, "SET NULL refused", &reference, R::SetNullRefused, &["NULL"]);
    true
}

/// A further table of this name, with a key.
fn further(world: &mut World, table: &str, column: &str, key: bool) -> Reference {
    let reference = Reference {
        schema: world.schema.clone(),
        table: table.into(),
        column: column.into(),
        nullable: false,
        key: key.then(|| format!("{table}_{column}_fkey")),
        on_delete: "",
        of_type: None,
        partitioned: false,
        rows: 0,
    };
    world.make_table(reference);
    world.references.last().cloned().unwrap()
}

fn credentials(world: &mut World) -> bool {
    let (table, secret) = world.one_of(&[
        ("refresh_tokens", "token"),
        ("api_keys", "key_hash"),
        ("user_sessions", "session_token"),
        ("oauth_access_tokens", "access_token"),
    ]);
    let reference = further(world, table, "user_id", true);
    world.do_harm(format!("ALTER TABLE {} ADD {secret} text DEFAULT 'x'", reference.quoted()));
    world.rule(&reference)["onOrphan"] = json!("Reassign");
    blocked(world, "credentials", &reference, R::ReassignRefused, &["Delete"]);
    true
}

fn unique_key(world: &mut World) -> bool {
    let reference = further(world, "profiles", "user_id", true);
    let (id, row) = (world.new_id(), "profiles");
    // One row for each user.
    let table = reference.quoted();
    let column = quote(&reference.column);
    world.do_harm(format!("TRUNCATE {table}; ALTER TABLE {table} ADD CONSTRAINT one_each UNIQUE ({column})"));
    for name in [world.admin().id, id.clone()] {
        let sql = world.row(&reference, &text(&name));
        world.do_harm(sql.trim_end_matches(';'));
    }
    world.rule(&reference)["onOrphan"] = json!("Reassign");
    world.beside.push((R::ConstraintViolated, Some(row.into())));
    let expected = Expected::new("unique key", R::OrphanRows)
        .at(row)
        .column("user_id")
        .blocked(R::UniqueKeyInTheWay)
        .says(&["one_each|unique key", &id]);
    world.expected.push(expected);
    true
}

fn foreign_owner(world: &mut World) -> bool {
    let Some(reference) = world.reference(|one| one.key.is_some() && !one.partitioned) else { return false };
    world.do_harm(format!("ALTER TABLE {} OWNER TO pg_monitor", reference.quoted()));
    world.spec["references"]["onOrphan"] = json!("Delete");
    blocked(world, "foreign owner", &reference, R::ForeignOwner, &["pg_monitor"]);
    true
}

fn other_type(world: &mut World) -> bool {
    if !world.ids.counted() {
        return false;
    }
    let reference = further(world, "notes", "user_id", false);
    world.do_harm(format!("ALTER TABLE {} ALTER user_id TYPE text", reference.quoted()));
    let rule = world.rule(&reference);
    rule["declared"] = json!(true);
    rule["onOrphan"] = json!("Reassign");
    world.beside.push((R::IdTypeDiffers, Some("notes".into())));
    blocked(world, "orphans of another type", &reference, R::RepairUnsupported, &["type"]);
    true
}

fn undeclared(world: &mut World) -> bool {
    let (table, column) = world.one_of(&[
        ("bookmarks", "user_id"),
        ("uploads", "owner_id"),
        ("reports", "created_by"),
        ("Wishes", "userId"),
    ]);
    further(world, table, column, false);
    world.spec["references"]["undeclared"] = json!("Report");
    world.expected.push(Expected::new("undeclared", R::ReferencesUndeclared).says(&[table, column]));
    true
}

fn key_missing(world: &mut World) -> bool {
    let Some(reference) = world.reference(|one| one.key.is_none() && one.of_type.is_none()) else {
        return false;
    };
    world.rule(&reference)["constraint"] = json!("fk_that_was_lost");
    let expected =
        Expected::new("key missing", R::ConstraintMissing).at(&reference.table).says(&["fk_that_was_lost"]);
    world.expected.push(expected);
    true
}

fn key_dropped(world: &mut World) -> bool {
    let Some(reference) = world.reference(|one| one.key.is_some()) else { return false };
    let key = reference.key.clone().unwrap();
    world.do_harm(format!("ALTER TABLE {} DROP CONSTRAINT {}", reference.quoted(), quote(&key)));
    world.rule(&reference)["constraint"] = json!(key);
    let expected = Expected::new("key dropped", R::ConstraintMissing).at(&reference.table).says(&[&key]);
    world.expected.push(expected);
    true
}

fn not_valid(world: &mut World) -> bool {
    let Some(reference) = world.reference(|one| one.key.is_some() && !one.partitioned) else { return false };
    let key = reference.key.clone().unwrap();
    world.do_harm(format!(
        "ALTER TABLE {0} DROP CONSTRAINT {1}, ADD CONSTRAINT {1} FOREIGN KEY ({2}) REFERENCES {3} ({4}) NOT VALID",
        reference.quoted(),
        quote(&key),
        quote(&reference.column),
        world.users_sql(),
        quote(&world.id)
    ));
    let expected = Expected::new("key not valid", R::ConstraintUnvalidated)
        .at(&reference.table)
        .says(&[&key, "NOT VALID|validate"]);
    world.expected.push(expected);
    true
}

fn disabled(world: &mut World, own: bool) -> bool {
    let Some(reference) = world.reference(|one| one.key.is_some() && !one.partitioned) else { return false };
    let table = if own { reference.quoted() } else { world.users_sql() };
    world.do_harm(format!("ALTER TABLE {table} DISABLE TRIGGER ALL"));
    let key = reference.key.clone().unwrap();
    let expected = Expected::new("triggers off", R::ConstraintDisabled)
        .at(&reference.table)
        .says(&[&key, "ENABLE TRIGGER"]);
    world.expected.push(expected);
    if !own {
        world.beside.push((R::ConstraintDisabled, None));
    }
    true
}

fn elsewhere(world: &mut World, by_rule: bool) -> bool {
    let old = format!("{}_old", world.table);
    let old_sql = format!("{}.{}", quote(&world.schema), quote(&old));
    let users = world.users_sql();
    let overriding = if world.gives == Gives::IdentityAlways { "OVERRIDING SYSTEM VALUE" } else { "" };
    let reference = further(world, "devices", "user_id", false);
    world.do_harm(format!(
        "CREATE TABLE {old_sql} (LIKE {users} INCLUDING ALL); INSERT INTO {old_sql} {overriding} SELECT * FROM {users};
         ALTER TABLE {} ADD CONSTRAINT devices_user_fkey FOREIGN KEY (user_id) REFERENCES {old_sql} ({})",
        reference.quoted(),
        quote(&world.id)
    ));
    if by_rule {
        world.rule(&reference)["constraint"] = json!("devices_user_fkey");
    }
    let expected = Expected::new("key elsewhere", R::ReferenceElsewhere)
        .at("devices")
        .column("user_id")
        .says(&["devices_user_fkey", &old]);
    world.expected.push(expected);
    true
}

fn spelled(world: &mut World, spell: impl Fn(&str) -> String) -> bool {
    if !world.ids.text() {
        return false;
    }
    let Some(reference) = world.reference(|_| true) else { return false };
    let user = world.somebody();
    let other = spell(&user.id);
    if other == user.id {
        return false;
    }
    let value = format!("E{}", text(&other).replace('\r', "\\r"));
    for _ in 0..2 {
        let row = world.row(&reference, &value);
        world.do_harm(row.trim_end_matches(';'));
    }
    let expected = Expected::new("spelled otherwise", R::IdSpellingDiffers)
        .at(&reference.table)
        .column(&reference.column)
        .says(&[&user.id, "2 row"]);
    world.expected.push(expected);
    world.beside.push((R::ConstraintViolated, Some(reference.table.clone())));
    true
}

fn hyphens(world: &mut World) -> bool {
    world.ids == Ids::UuidText && spelled(world, |id| id.replace('-', ""))
}

fn zeros(world: &mut World) -> bool {
    world.ids == Ids::NumberText && spelled(world, |id| format!("000{id}"))
}
