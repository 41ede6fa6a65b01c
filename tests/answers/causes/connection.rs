//! The way to the database, and the Secrets.

use auth_consistency::api::condition::Reason as R;
use serde_json::json;

use super::{Cause, Part};
use crate::{expected::Expected, world::World};

const fn alone(name: &'static str, reasons: &'static [R], plant: fn(&mut World) -> bool) -> Cause {
    Cause { name, part: Part::Alone, reasons, plant }
}

pub const CAUSES: &[Cause] = &[
    alone("there is no such database", &[R::DatabaseNotFound], not_found),
    alone("the password is wrong", &[R::DatabaseAuthenticationFailed], wrong_password),
    alone("the role is not there", &[R::DatabaseAuthenticationFailed], no_role),
    alone("nothing listens", &[R::DatabaseUnreachable], refused),
    alone("the connection string is of MySQL", &[R::DatabaseEngineUnsupported], |w| {
        url(
            w,
            "engine",
            R::DatabaseEngineUnsupported,
            |_| "mysql://app:canary-5f2a@db:3306/app".into(),
            "MySQL",
        )
    }),
    alone("the connection string is of SQLite", &[R::DatabaseEngineUnsupported], |w| {
        url(w, "engine", R::DatabaseEngineUnsupported, |_| "sqlite:////data/app.db".into(), "SQLite")
    }),
    alone("the password has an @ that is not encoded", &[R::DatabaseUrlInvalid], |w| {
        url(w, "url", R::DatabaseUrlInvalid, |_| "postgresql://app:canary@5f2a#x@db:5432/app".into(), "%")
    }),
    alone("the connection string has no host", &[R::DatabaseUrlInvalid], |w| {
        url(w, "url", R::DatabaseUrlInvalid, |_| "postgresql:///app".into(), "host")
    }),
    alone("the connection string is an unfilled variable", &[R::DatabaseUrlInvalid], |w| {
        url(
            w,
            "url",
            R::DatabaseUrlInvalid,
            |_| "${DATABASE_URL}".into(),
            "fill|variable|placeholder|template",
        )
    }),
    alone("the port is no number", &[R::DatabaseUrlInvalid], |w| {
        url(w, "url", R::DatabaseUrlInvalid, |_| "postgresql://app:canary-5f2a@db:54x2/app".into(), "port")
    }),
    Cause {
        name: "the connection string ends with a line break",
        part: Part::Schema,
        reasons: &[R::DatabaseSecretSuspicious],
        plant: line_break,
    },
    alone("the role has no connections left", &[R::TooManyConnections], no_connections),
    alone("the key's Secret is missing", &[R::SecretMissing], |w| secret(w, "jwt", "key", R::SecretMissing)),
    alone("the admin's Secret is missing", &[R::SecretMissing], |w| {
        secret(w, "admin", "password", R::SecretMissing)
    }),
    alone("the database's Secret is missing", &[R::SecretMissing], |w| {
        secret(w, "db", "url", R::SecretMissing)
    }),
    alone("the key's Secret lacks the label", &[R::SecretNotPermitted], |w| {
        secret(w, "jwt", "key", R::SecretNotPermitted)
    }),
    alone("an account is the admin", &[R::SpecInvalid], twice),
    alone("the interval has no unit", &[R::SpecInvalid], interval),
];

fn url(world: &mut World, cause: &'static str, reason: R, change: fn(&str) -> String, word: &str) -> bool {
    world.url = Some(Box::new(change));
    world.expected.push(Expected::new(cause, reason).says(&[word]));
    true
}

fn not_found(world: &mut World) -> bool {
    world.url = Some(Box::new(|url| {
        let mut url = url::Url::parse(url).unwrap();
        url.set_path("not_there_yet");
        url.to_string()
    }));
    world.expected.push(Expected::new("no database", R::DatabaseNotFound).says(&["not_there_yet"]));
    true
}

fn wrong_password(world: &mut World) -> bool {
    world.role = Some("SELECT 1;".into());
    world.url = Some(Box::new(|url| {
        let mut url = url::Url::parse(url).unwrap();
        url.set_password(Some("canary-wrong-6b1f")).unwrap();
        url.to_string()
    }));
    world.expected.push(Expected::new("wrong password", R::DatabaseAuthenticationFailed).says(&["password"]));
    true
}

fn no_role(world: &mut World) -> bool {
    world.url = Some(Box::new(|url| {
        let mut url = url::Url::parse(url).unwrap();
        url.set_username("nobody_of_here").unwrap();
        url.set_password(Some("canary-wrong-6b1f")).unwrap();
        url.to_string()
    }));
    world.expected.push(Expected::new("no role", R::DatabaseAuthenticationFailed).says(&["no such user"]));
    true
}

fn refused(world: &mut World) -> bool {
    world.url = Some(Box::new(|url| {
        let mut url = url::Url::parse(url).unwrap();
        url.set_port(Some(1)).unwrap();
        url.to_string()
    }));
    world.expected.push(Expected::new("refused", R::DatabaseUnreachable).says(&[":1", "refused"]));
    true
}

fn line_break(world: &mut World) -> bool {
    world.url = Some(Box::new(|url| format!("{url}\n")));
    world
        .expected
        .push(Expected::new("line break", R::DatabaseSecretSuspicious).says(&["line break|newline"]));
    true
}

fn no_connections(world: &mut World) -> bool {
    world.role = Some("ALTER USER ROLE CONNECTION LIMIT 0;".into());
    world.expected.push(Expected::new("no connections", R::TooManyConnections).says(&["connection"]));
    true
}

fn secret(world: &mut World, name: &str, key: &str, reason: R) -> bool {
    world.no_secret = Some((name.into(), key.into(), reason));
    world.expected.push(Expected::new("secret", reason).says(&[name]));
    true
}

fn twice(world: &mut World) -> bool {
    let login = world.admin().login;
    world.spec["accounts"] =
        json!([{"login": login, "passwordSecretRef": {"name": "admin", "key": "password"}}]);
    world.expected.push(Expected::new("account is the admin", R::SpecInvalid).says(&["accounts"]));
    true
}

fn interval(world: &mut World) -> bool {
    world.spec["interval"] = json!("300");
    world.expected.push(Expected::new("interval", R::SpecInvalid).says(&["interval", "300"]));
    true
}
