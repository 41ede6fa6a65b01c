//! The Secret's password, and what is stored.

use auth_consistency::api::condition::Reason as R;
use serde_json::json;

use super::{Cause, Part};
use crate::{
    expected::Expected,
    world::{World, quote, text},
};

const fn cause(name: &'static str, reasons: &'static [R], plant: fn(&mut World) -> bool) -> Cause {
    Cause { name, part: Part::Passwords, reasons, plant }
}

pub const CAUSES: &[Cause] = &[
    cause("the admin has another password", &[R::AdminPasswordDiffers], differs),
    cause("the Secret's password ends with a line break", &[R::AdminPasswordSuspicious], |w| {
        odd(w, "\n", "line break|newline")
    }),
    cause("the Secret's password stands in quotes", &[R::AdminPasswordSuspicious], quoted),
    cause("the Secret's password is an unfilled variable", &[R::AdminPasswordSuspicious], unfilled),
    cause("the Secret's password is too long for bcrypt", &[R::AdminPasswordUnusable], too_long),
    cause("the admin's password is stored in plain text", &[R::PasswordHashForeign], |w| {
        foreign(w, "letmein-2026", "bcrypt")
    }),
    cause("the admin's hash is of another format", &[R::PasswordHashForeign], |w| {
        foreign(
            w,
            "$argon2id$v=19$m=65536,t=3,p=4$c29tZXNhbHRzb21lc2FsdA$K7mD0gkqf2Y3pYbq9r6jv3b0b1m1o5Jm0o1nQm2n3o4",
            "argon2",
        )
    }),
    cause("the admin's hash is as Python prints bytes", &[R::PasswordHashForeign], |w| {
        foreign(w, &format!("b'{}'", crate::support::HASH), "bytes|Python|b'")
    }),
    cause("the admin's hash is cut off", &[R::PasswordHashForeign], |w| {
        foreign(w, &crate::support::HASH[..50], "short|cut|truncated|character")
    }),
    cause("the spec names another format", &[R::PasswordHashContradicted], contradicted),
    cause("nobody knows the format", &[R::PasswordHashUnclear], unclear),
];

fn store(world: &mut World, id: &str, hash: &str) {
    let sql = format!(
        "UPDATE {} SET {} = {} WHERE {} = {}",
        world.users_sql(),
        quote(&world.password),
        text(hash),
        quote(&world.id),
        text(id)
    );
    world.do_harm(sql);
}

fn differs(world: &mut World) -> bool {
    let admin = world.admin();
    let hash = bcrypt::hash("something else 0815", 4).unwrap();
    store(world, &admin.id, &hash);
    world.spec["admin"]["passwordPolicy"] = json!("Always");
    let expected = Expected::new("password differs", R::AdminPasswordDiffers)
        .at(&world.table.clone())
        .says(&["the admin"]);
    world.expected.push(expected);
    true
}

fn with_password(world: &mut World, password: &str, words: &[&str]) {
    world.secrets.push(("admin".into(), "password".into(), password.into()));
    world.expected.push(Expected::new("odd password", R::AdminPasswordSuspicious).says(words));
}

fn odd(world: &mut World, end: &str, word: &str) -> bool {
    // It is left off, and told where something is written.
    differs(world);
    let password = format!("{}{end}", world.password_text());
    with_password(world, &password, &[word]);
    true
}

fn quoted(world: &mut World) -> bool {
    let quote = world.one_of(&["\"", "'"]);
    let password = format!("{quote}{}{quote}", world.password_text());
    with_password(world, &password, &["quote"]);
    true
}

fn unfilled(world: &mut World) -> bool {
    let password =
        world.one_of(&["${ADMIN_PASSWORD}", "{{ .Values.secret.superuser }}", "$(ADMIN_PASSWORD)"]);
    with_password(world, password, &["filled|variable|template|placeholder"]);
    true
}

fn too_long(world: &mut World) -> bool {
    world.secrets.push(("admin".into(), "password".into(), "long-enough-".repeat(8)));
    world.spec["admin"]["passwordPolicy"] = json!("Always");
    world.expected.push(Expected::new("password too long", R::AdminPasswordUnusable).says(&["72", "96"]));
    world.beside.push((R::AdminPasswordDiffers, None));
    true
}

fn foreign(world: &mut World, stored: &str, word: &str) -> bool {
    let admin = world.admin();
    store(world, &admin.id, stored);
    let expected = Expected::new("foreign hash", R::PasswordHashForeign)
        .at(&world.table.clone())
        .says(&["the admin", word]);
    world.expected.push(expected);
    true
}

fn contradicted(world: &mut World) -> bool {
    world.spec["users"]["passwordHash"] = json!("Argon2id");
    let expected =
        Expected::new("format contradicted", R::PasswordHashContradicted).says(&["argon2", "bcrypt"]);
    world.expected.push(expected);
    true
}

fn unclear(world: &mut World) -> bool {
    let sql = format!(
        "UPDATE {} SET {} = '$9x$' || md5({}::text)",
        world.users_sql(),
        quote(&world.password),
        quote(&world.id)
    );
    world.do_harm(sql);
    world.spec["admin"]["passwordPolicy"] = json!("Always");
    world.expected.push(Expected::new("format unclear", R::PasswordHashUnclear));
    world.beside.push((R::PasswordHashForeign, None));
    true
}
