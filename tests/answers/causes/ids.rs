//! The ids of users: what gives them, of which type they are, who had them before.

use auth_consistency::api::condition::Reason as R;
use serde_json::json;

use super::{Cause, Part, accounts::insert};
use crate::{
    expected::Expected,
    world::{Ids, World, quote, text},
};

const fn cause(name: &'static str, reasons: &'static [R], plant: fn(&mut World) -> bool) -> Cause {
    Cause { name, part: Part::Ids, reasons, plant }
}

pub const CAUSES: &[Cause] = &[
    cause("the sequence begins anew", &[R::SequenceBehind], |w| sequence(w, "1")),
    cause("the sequence is one behind", &[R::SequenceBehind], one_behind),
    cause("the next id is one of orphans", &[R::SequenceBehind], below_orphans),
    cause("the sequence is at its end", &[R::SequenceBehind], at_its_end),
    cause("an id stands twice", &[R::IdNotUnique], twice),
    cause("a declared column is text where ids are not", &[R::IdTypeDiffers], text_column),
    cause("a declared column is text with a CR after each id", &[R::IdTypeDiffers], text_with_cr),
    cause("a key's column is narrower than the ids", &[R::IdTypeDiffers], narrow),
    cause("tokens name users by numbers that they have not", &[R::SubjectTypeDiffers], subject_type),
    cause("old ids are other people's, by a table", &[R::IdentityShifted], |w| shifted(w, true)),
    cause("old ids are other people's, by a CSV", &[R::IdentityShifted], |w| shifted(w, false)),
    Cause {
        name: "the list of previous people is missing",
        part: Part::Alone,
        reasons: &[R::IdentitiesMissing],
        plant: list_missing,
    },
    cause("the list of previous people contradicts itself", &[R::IdentitiesInvalid], list_invalid),
    cause("the previous database cannot be reached", &[R::IdentitiesUnreachable], unreachable),
    cause("sessions end by a date", &[R::SessionsColumnUnsupported], date_column),
];

fn highest(world: &World) -> i64 {
    world.users.iter().map(|user| user.id.parse::<i64>().unwrap()).max().unwrap()
}

/// The sequence's own name, which the finding is about.
fn named(world: &World) -> String {
    format!("{}_{}_seq", world.table, world.id)
}

fn sequence(world: &mut World, value: &str) -> bool {
    let Some(sequence) = world.sequence.clone() else { return false };
    world.do_harm(format!("SELECT setval({}, {value})", text(&sequence)));
    let high = highest(world).to_string();
    let expected = Expected::new("sequence behind", R::SequenceBehind).at(&named(world)).says(&[&high]);
    world.expected.push(expected);
    true
}

fn one_behind(world: &mut World) -> bool {
    if !world.ids.counted() {
        return false;
    }
    let value = (highest(world) - 1).to_string();
    sequence(world, &value)
}

fn below_orphans(world: &mut World) -> bool {
    let Some(sequence) = world.sequence.clone() else { return false };
    let Some(reference) = world.reference(|_| true) else { return false };
    let next = highest(world) + 1001;
    let orphan = (next + 2).to_string();
    let row = world.row(&reference, &text(&orphan));
    world.do_harm(row.trim_end_matches(';'));
    world.do_harm(format!("SELECT setval({}, {})", text(&sequence), next - 1));
    let expected = Expected::new("below orphans", R::SequenceBehind).at(&named(world)).says(&[&orphan]);
    world.expected.push(expected);
    world.beside.push((R::OrphanRows, Some(reference.table.clone())));
    world.beside.push((R::ConstraintViolated, Some(reference.table)));
    true
}

fn at_its_end(world: &mut World) -> bool {
    let Some(sequence) = world.sequence.clone() else { return false };
    if world.ids != Ids::Integer {
        return false;
    }
    world.do_harm(format!("SELECT setval({}, 2147483647)", text(&sequence)));
    let expected = Expected::new("sequence at its end", R::SequenceBehind)
        .at(&named(world))
        .says(&["2147483647|2,147,483,647"]);
    world.expected.push(expected);
    true
}

fn twice(world: &mut World) -> bool {
    let user = world.somebody();
    let key = format!("{}_pkey", world.table);
    world.do_harm(format!("ALTER TABLE {} DROP CONSTRAINT {} CASCADE", world.users_sql(), quote(&key)));
    insert(world, &user.id, "second-of-the-id");
    let expected = Expected::new("id not unique", R::IdNotUnique).at(&world.table.clone()).says(&[&user.id]);
    world.expected.push(expected);
    world.beside.push((R::IdNotUnique, None));
    // The keys are gone with it, and with them what rules without `declared` are about.
    world.beside.push((R::RowsUnreadable, None));
    true
}

fn further(world: &mut World, table: &str, kind: &str, rows: &str, key: bool) {
    let users = world.users_sql();
    let key = match key {
        true => format!(" REFERENCES {users} ({})", quote(&world.id)),
        false => String::new(),
    };
    let (schema, id) = (quote(&world.schema), quote(&world.id));
    world.do_harm(format!(
        "CREATE TABLE {schema}.{table} (no serial PRIMARY KEY, user_id {kind}{key}); \
         INSERT INTO {schema}.{table} (user_id) SELECT {id}{rows} FROM {users}"
    ));
}

fn text_column(world: &mut World) -> bool {
    if world.ids.text() {
        return false;
    }
    further(world, "clicks", "text", "::text", false);
    let rule = json!({"schema": world.schema, "table": "clicks", "columns": ["user_id"], "declared": true});
    world.spec["references"]["rules"].as_array_mut().unwrap().push(rule);
    let kind = world.ids.sql();
    let expected = Expected::new("type differs", R::IdTypeDiffers).at("clicks").column("user_id").says(&[
        "text",
        kind,
        "ALTER TABLE",
    ]);
    world.expected.push(expected);
    true
}

/// As an import of a file with CR LF leaves it: each row names its user, and the statement has to take the CR off.
fn text_with_cr(world: &mut World) -> bool {
    if world.ids.text() {
        return false;
    }
    further(world, "clicks", "text", "::text || chr(13)", false);
    let rule = json!({"schema": world.schema, "table": "clicks", "columns": ["user_id"], "declared": true});
    world.spec["references"]["rules"].as_array_mut().unwrap().push(rule);
    let takes = if world.ids == Ids::Uuid { "btrim(" } else { "USING user_id::" };
    let expected = Expected::new("type differs, with CR", R::IdTypeDiffers)
        .at("clicks")
        .column("user_id")
        .says(&["ALTER TABLE", takes]);
    world.expected.push(expected);
    true
}

fn narrow(world: &mut World) -> bool {
    if world.ids != Ids::BigInt {
        return false;
    }
    let kind = world.one_of(&["integer", "smallint"]);
    further(world, "clicks", kind, "", true);
    let expected = Expected::new("type narrower", R::IdTypeDiffers).at("clicks").column("user_id").says(&[
        kind,
        "bigint",
        "ALTER TABLE",
    ]);
    world.expected.push(expected);
    true
}

fn subject_type(world: &mut World) -> bool {
    if world.ids.counted() {
        return false;
    }
    world.spec["jwt"]["subjectType"] = json!("Number");
    let id = world.id.clone();
    world
        .expected
        .push(Expected::new("subject type", R::SubjectTypeDiffers).at(&world.table.clone()).says(&[&id]));
    true
}

/// Two people have changed places since.
fn shifted(world: &mut World, by_table: bool) -> bool {
    let (one, other) = (world.users[2].clone(), world.users[3].clone());
    let before = |id: &str| {
        let swapped = if id == one.id {
            &other.id
        } else if id == other.id {
            &one.id
        } else {
            id
        };
        swapped.to_owned()
    };
    let list: Vec<(String, String)> =
        world.users.iter().map(|user| (before(&user.id), user.login.clone())).collect();
    if by_table {
        let table = format!("{}.people_before", quote(&world.schema));
        let rows: Vec<_> =
            list.iter().map(|(id, login)| format!("({}, {})", text(id), text(login))).collect();
        let sql = format!(
            "CREATE TABLE {table} (old_id {}, old_login text); INSERT INTO {table} VALUES {}",
            world.ids.sql(),
            rows.join(", ")
        );
        world.do_harm(sql);
        world.spec["references"]["identities"] = json!({"table": {"schema": world.schema, "table": "people_before", "idColumn": "old_id", "loginColumn": "old_login"}});
    } else {
        let rows: Vec<_> = list.iter().map(|(id, login)| format!("{id},{login}\n")).collect();
        world.config_map = Some(("before".into(), format!("id,login\n{}", rows.concat())));
        world.spec["references"]["identities"] = json!({"configMapRef": {"name": "before"}});
    }
    let expected =
        Expected::new("identity shifted", R::IdentityShifted).at(&world.table.clone()).says(&["2 "]);
    world.expected.push(expected);
    world.beside.push((R::IdentityShifted, None));
    true
}

fn list_missing(world: &mut World) -> bool {
    world.spec["references"]["identities"] = json!({"configMapRef": {"name": "before", "key": "people.csv"}});
    world.expected.push(Expected::new("list missing", R::IdentitiesMissing).says(&["before"]));
    true
}

fn list_invalid(world: &mut World) -> bool {
    let (one, other) = (world.users[2].clone(), world.users[3].clone());
    let csv = format!("id,login\n{},{}\n{},{}\n", one.id, one.login, one.id, other.login);
    world.config_map = Some(("before".into(), csv));
    world.spec["references"]["identities"] = json!({"configMapRef": {"name": "before"}});
    world.expected.push(Expected::new("list invalid", R::IdentitiesInvalid).says(&["2 and 3"]));
    true
}

fn unreachable(world: &mut World) -> bool {
    world.secrets.push((
        "old".into(),
        "url".into(),
        "postgresql://reader:canary-old-pw-1@127.0.0.1:1/before".into(),
    ));
    world.spec["references"]["identities"] = json!({
        "database": {"urlSecretRef": {"name": "old", "key": "url"}},
        "table": {"table": "users", "idColumn": "id", "loginColumn": "email"},
    });
    world.expected.push(Expected::new("previous database", R::IdentitiesUnreachable).says(&["127.0.0.1"]));
    true
}

fn date_column(world: &mut World) -> bool {
    let kind = world.one_of(&["date", "text", "boolean", "interval"]);
    world.do_harm(format!("ALTER TABLE {} ADD valid_from {kind}", world.users_sql()));
    world.spec["sessions"] = json!({"invalidateBeforeColumn": "valid_from"});
    let expected = Expected::new("sessions column", R::SessionsColumnUnsupported)
        .at(&world.table.clone())
        .says(&["valid_from", kind]);
    world.expected.push(expected);
    true
}
