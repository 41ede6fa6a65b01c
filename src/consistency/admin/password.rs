//! The password of an account that is kept: whether it may be written and as what, whether the app reads what is
//! stored, and whether the Secret holds what somebody meant.

use crate::{
    api::{
        condition::{ConditionType, Reason},
        report::{ObjectRef, Severity},
        spec::{OnMissing, PasswordPolicy},
    },
    consistency::{
        diagnosis::{Diagnosed, Step, person},
        hashing::{self, By, Chosen, HashSample, Own},
        observation::{Account, PasswordFacts, UserTable},
        requests,
        target::{Admin, Target},
        wording::clip,
    },
    passwords,
};

/// The format that the account's password is written in; the error is why it is not written.
pub(super) fn writable(
    target: &Target,
    admin: &Admin,
    users: &UserTable,
) -> Result<Chosen, (Reason, String)> {
    let field = format!("{}.passwordSecretRef", admin.field());
    let unusable = |why: String| (Reason::AdminPasswordUnusable, why);
    let password = admin.password.as_ref().ok_or_else(|| unusable(format!("{field} is not set")))?;
    if target.users.password_column.is_none() {
        return Err(unusable("spec.users.passwordColumn is not set, and it says where to write it".into()));
    }
    let chosen = hashing::choose(&target.users, sample(admin, users)).map_err(|refused| {
        // A finding of its own says all of it.
        let why = match refused.reason {
            Reason::PasswordHashContradicted => {
                "the other accounts contradict spec.users.passwordHash".to_owned()
            }
            _ => refused.why,
        };
        (refused.reason, why)
    })?;
    passwords::check(chosen.format.family, password)
        .map_err(|error| unusable(format!("the password of {field} cannot be used: {error}")))?;
    Ok(chosen)
}

/// What the passwords of others are.
fn sample<'a>(admin: &Admin, users: &'a UserTable) -> Option<&'a HashSample> {
    users.passwords.get(&admin.account().map(str::to_owned))
}

/// The Secret's password is odd: it works, but hardly as whoever stored it meant it.
pub(super) fn suspicious(
    target: &Target,
    admin: &Admin,
    account: Option<&Account>,
    asked: bool,
) -> Option<Diagnosed> {
    let password = admin.password.as_ref()?;
    let matters = match account {
        None => asked || admin.on_missing == OnMissing::Seed,
        // Somebody has set another one, and it is left alone.
        Some(account) => {
            asked
                || admin.password_policy == PasswordPolicy::Always
                || account.password.matches != Some(false)
        }
    };
    let warnings = passwords::audit_password(password);
    if !matters || warnings.is_empty() {
        return None;
    }
    let what: Vec<String> = warnings.iter().map(ToString::to_string).collect();
    let message = format!(
        "the password of {}.passwordSecretRef is taken as it stands, and {}: if that is not meant, correct the Secret",
        admin.field(),
        what.join("; ")
    );
    let object = ObjectRef {
        schema: target.users.schema.clone(),
        table: target.users.table.clone(),
        columns: target.users.password_column.iter().cloned().collect(),
        ..ObjectRef::default()
    };
    let (reason, condition) = (Reason::AdminPasswordSuspicious, ConditionType::AdminConsistent);
    Some(person(reason, condition, Severity::Warning, Some(object), message))
}

/// What is wrong with the stored password of an account that is there.
pub(super) fn diagnose(
    target: &Target,
    admin: &Admin,
    account: &Account,
    users: &UserTable,
    reset: Option<String>,
) -> Option<Diagnosed> {
    let asked = reset.is_some();
    let always = admin.password_policy == PasswordPolicy::Always;
    // Where none is to be written or compared, nobody asks what is there.
    if admin.password.is_none() && !asked {
        return None;
    }
    // All that is written together, and goes back together.
    let spec = &target.users;
    let columns = spec.password_column.iter().chain(&spec.salt_column).chain(&spec.algorithm_column);
    let object = ObjectRef { columns: columns.cloned().collect(), ..users.object.clone() };
    let finding = |reason, message: String| {
        person(reason, ConditionType::AdminConsistent, Severity::Error, Some(object.clone()), message)
    };
    let (facts, who) = (&account.password, admin.called());
    let chosen = writable(target, admin, users);
    let of_others = sample(admin, users);
    let read = target.users.password_column.is_some();
    let foreign = read && hashing::own(&target.users, of_others, facts.format, &facts.seems) == Own::Foreign;
    let mut found = if foreign {
        finding(Reason::PasswordHashForeign, not_read(target, admin, facts, of_others, &chosen))
    } else if always && facts.matches == Some(false) {
        finding(
            Reason::AdminPasswordDiffers,
            format!("{who}'s password is not the Secret's, and {}.passwordPolicy is Always", admin.field()),
        )
    } else if always && facts.matches.is_none() {
        let message = |why: &str| {
            format!(
                "{who}'s password was not compared with the Secret's{why}, and {}.passwordPolicy is Always: what was not compared is not replaced",
                admin.field()
            )
        };
        let why = facts.uncompared.as_deref().unwrap_or("nothing is known of it");
        let found = match &chosen {
            // Why nothing can be written is said below, and is why nothing was compared.
            Err((Reason::AdminPasswordUnusable, _)) => finding(Reason::AdminPasswordDiffers, message("")),
            Err(_) => finding(Reason::PasswordHashUnclear, message("")),
            Ok(_) => finding(
                Reason::PasswordHashUnclear,
                format!(
                    "{}, so set the policy to OnSeed, or have the app set the password",
                    message(&format!(" ({why})"))
                ),
            ),
        };
        if !asked && chosen.is_ok() {
            return Some(found);
        }
        found
    } else if asked {
        finding(Reason::AdminDrifted, "a reset of the admin was asked for".to_owned())
    } else {
        return None;
    };
    if !asked && !always {
        return Some(found);
    }
    let chosen = match chosen {
        Ok(chosen) => chosen,
        Err((reason, why)) => {
            if found.finding.finding != Reason::PasswordHashForeign {
                found.finding.message = clip(&format!("{}, and {why}", found.finding.message), 1024);
            }
            return Some(found.blocked_by(reason));
        }
    };
    // The right password in a format that only the spec says is wrong: nobody else's says so.
    if !asked && facts.matches == Some(true) && !matches!(chosen.by, By::Others { .. }) {
        return Some(found);
    }
    // Its own hash is the only one that the app is known to have written.
    let own = facts.format.filter(|own| own.family != chosen.format.family);
    let refused = if let (Some(own), By::Preset) = (own, &chosen.by) {
        let why = format!(
            "what is stored is {own}, nobody else's says what the app reads, and the preset's format is another one: set spec.users.passwordHash"
        );
        Some((Reason::PasswordHashUnclear, why))
    } else if users.seed.computed.iter().any(|name| object.columns.contains(name)) {
        let why = "the database computes the column (GENERATED ALWAYS AS), so that nobody can write it";
        Some((Reason::RepairUnsupported, why.to_owned()))
    } else if !users.rights.update {
        let why = format!(
            "the role may not UPDATE {}: run what `auth-consistency grants` prints",
            users.object.describe()
        );
        Some((Reason::PrivilegeMissing, why))
    } else {
        None
    };
    if let Some((reason, why)) = refused {
        found.finding.message = clip(&format!("{}, and {why}", found.finding.message), 1024);
        return Some(found.blocked_by(reason));
    }
    let account = admin.account().map(str::to_owned);
    let format = Some(chosen.format);
    Some(found.with_step(Step::Reset { users: object, account, token: reset, format }))
}

/// What is stored, what the app reads by what others have, and what to do; a reset is offered only where one
/// would be done.
fn not_read(
    target: &Target,
    admin: &Admin,
    facts: &PasswordFacts,
    of_others: Option<&HashSample>,
    chosen: &Result<Chosen, (Reason, String)>,
) -> String {
    let who = admin.called();
    let others = of_others.filter(|sample| sample.survey.with_password() > 0);
    let reads = match (others, target.users.password_hash.family()) {
        (Some(sample), _) => format!(", and {}", hashing::seen(sample)),
        (None, Some(named)) => format!(", and spec.users.passwordHash says {}", named.as_str()),
        (None, None) => String::new(),
    };
    let advice = match chosen {
        Ok(_) => match admin.place {
            None => format!("reset it by {}", requests::reset(target)),
            Some(_) => format!("set {}.passwordPolicy to Always", admin.field()),
        },
        Err((_, why)) => why.clone(),
    };
    format!("{who}'s stored password is {}{reads}: {advice}", facts.seems)
}
