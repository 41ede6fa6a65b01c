//! What looks as if something were wrong, and is as it should be: nothing may be told.

use serde_json::json;

use super::{Cause, Part, accounts::insert, references::put_orphans};
use crate::world::{Active, World, quote, text};

const fn quiet(name: &'static str, plant: fn(&mut World) -> bool) -> Cause {
    Cause { name, part: Part::Alone, reasons: &[], plant }
}

pub const CAUSES: &[Cause] = &[
    quiet("nothing is wrong", |_| true),
    quiet("a deleted account has the admin's login", deleted_twin),
    quiet("rows name a sentinel", sentinel),
    quiet("orphans are accepted", accepted),
    quiet("a reference is ignored", ignored),
    quiet("another account has no password", no_password),
    quiet("a line break of the Secret's password is left off", line_break),
    quiet("the list of previous people is as today", same_people),
    quiet("an undeclared column is only remarked", remarked),
];

fn deleted_twin(world: &mut World) -> bool {
    let Active::NotDeleted(column) = world.active else { return false };
    if world.unique_login {
        return false;
    }
    let (id, login) = (world.new_id(), world.admin().login);
    insert(world, &id, &login);
    let sql = format!(
        "UPDATE {} SET {} = now() WHERE {} = {}",
        world.users_sql(),
        quote(column),
        quote(&world.id),
        text(&id)
    );
    world.do_harm(sql);
    true
}

fn sentinel(world: &mut World) -> bool {
    let Some(reference) = world.reference(|one| one.key.is_none()) else { return false };
    let value = match world.ids {
        crate::world::Ids::Uuid | crate::world::Ids::UuidText => "00000000-0000-0000-0000-000000000000",
        _ => "0",
    };
    world.rule(&reference)["absent"] = json!([value]);
    let row = world.row(&reference, &text(value));
    world.do_harm(row.trim_end_matches(';'));
    true
}

fn accepted(world: &mut World) -> bool {
    let Some(reference) = world.reference(|one| one.key.is_none()) else { return false };
    put_orphans(world, &reference);
    world.rule(&reference)["accept"] = json!({"rows": 50, "reason": "audit outlives its users"});
    true
}

fn ignored(world: &mut World) -> bool {
    let Some(reference) = world.reference(|one| one.key.is_none()) else { return false };
    put_orphans(world, &reference);
    let rule = world.rule(&reference);
    *rule = json!({
        "schema": reference.schema, "table": reference.table, "columns": [reference.column], "ignore": true,
        "reason": "names accounts of another product",
    });
    true
}

fn no_password(world: &mut World) -> bool {
    let id = world.users[2].id.clone();
    let sql = format!(
        "UPDATE {} SET {} = NULL WHERE {} = {}",
        world.users_sql(),
        quote(&world.password),
        quote(&world.id),
        text(&id)
    );
    world.do_harm(sql);
    true
}

fn line_break(world: &mut World) -> bool {
    let password = format!("{}\n", world.password_text());
    world.secrets.push(("admin".into(), "password".into(), password));
    true
}

fn same_people(world: &mut World) -> bool {
    let rows: Vec<_> = world.users.iter().map(|user| format!("{},{}\n", user.id, user.login)).collect();
    world.config_map = Some(("before".into(), format!("id,login\n{}", rows.concat())));
    world.spec["references"]["identities"] = json!({"configMapRef": {"name": "before"}});
    true
}

fn remarked(world: &mut World) -> bool {
    let schema = quote(&world.schema);
    let kind = world.ids.sql();
    world.do_harm(format!("CREATE TABLE {schema}.wishes (no serial PRIMARY KEY, user_id {kind})"));
    true
}
