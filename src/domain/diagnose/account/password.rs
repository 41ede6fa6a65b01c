//! The password of an account that is kept: whether it may be written and as what, whether the app reads what is
//! stored, and whether the Secret holds what somebody meant.

use crate::{
    api::{
        condition::{ConditionType, Reason},
        report::{ObjectRef, Severity},
        spec::{OnMissing, PasswordPolicy},
    },
    domain::{
        diagnose::{
            hashing::{self, By, Chosen, own::Own},
            requests, rights,
        },
        facts::{
            accounts::Account, hashes::HashSample, password::PasswordFacts, rights::Right, schema::UserTable,
        },
        finding::{Finding, person},
        step::Step,
        target::{Admin, Target},
        text::clip,
    },
    passwords::{self, Format, Mistagged, PasswordWarning},
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
    let chosen = hashing::choose(target.hints, &target.users, sample(admin, users)).map_err(|refused| {
        // A finding of its own says all of it.
        let why = match refused.reason {
            Reason::PasswordHashContradicted => {
                "the other accounts contradict spec.users.passwordHash".to_owned()
            }
            _ => refused.why,
        };
        (refused.reason, why)
    })?;
    passwords::check_in(&chosen.format, password)
        .map_err(|error| unusable(format!("the password of {field} cannot be used: {error}")))?;
    Ok(chosen)
}

/// What the passwords of others are.
pub(super) fn sample<'a>(admin: &Admin, users: &'a UserTable) -> Option<&'a HashSample> {
    users.passwords.get(&admin.account().map(str::to_owned))
}

/// The Secret's password is odd: it works, but hardly as whoever stored it meant it.
pub(super) fn suspicious(
    target: &Target,
    admin: &Admin,
    account: Option<&Account>,
    users: &UserTable,
    asked: bool,
) -> Option<Finding> {
    let matters = match account {
        None => asked || admin.on_missing == OnMissing::Seed,
        // Somebody has set another one, and it is left alone.
        Some(account) => {
            asked
                || admin.password_policy == PasswordPolicy::Always
                || account.password.matches != Some(false)
                // A reset is offered.
                || is_foreign(target, admin, account, users)
        }
    };
    // A line break that is left off is nothing where nothing is going to be written.
    let written = account.is_none_or(|account| {
        let always = admin.password_policy == PasswordPolicy::Always;
        asked
            || (always && account.password.matches != Some(true))
            || is_foreign(target, admin, account, users)
    });
    let only_left_off = admin.password_warnings.as_slice() == [PasswordWarning::LineBreakLeftOff];
    let message = odd(admin).filter(|_| matters && (written || !only_left_off))?;
    let object = ObjectRef {
        schema: target.users.schema.clone(),
        table: target.users.table.clone(),
        columns: target.users.password_column.iter().cloned().collect(),
        ..ObjectRef::default()
    };
    let (reason, condition) = (Reason::AdminPasswordSuspicious, ConditionType::AdminConsistent);
    Some(person(reason, condition, Severity::Warning, Some(object), message))
}

/// What is odd about the password that a Secret holds, in a clause that says what will have to be typed.
pub(in crate::domain) fn odd(admin: &Admin) -> Option<String> {
    let left_off = PasswordWarning::LineBreakLeftOff;
    let (cut, kept): (Vec<_>, Vec<_>) =
        admin.password_warnings.iter().copied().partition(|warning: &PasswordWarning| *warning == left_off);
    let kept: Vec<String> = kept.iter().map(ToString::to_string).collect();
    let secret = format!("the password of {}.passwordSecretRef", admin.field());
    match (kept.as_slice(), cut.first()) {
        ([], None) => None,
        ([], Some(cut)) => Some(format!("{secret} {cut}")),
        (kept, cut) => {
            let also = cut.map_or_else(String::new, |cut| format!("; it {cut}"));
            Some(format!(
                "{secret} is taken as it stands, and {}: if that is not meant, correct the Secret{also}",
                kept.join("; ")
            ))
        }
    }
}

/// Whether the app does not read what is stored for an account.
pub(in crate::domain) fn is_foreign(
    target: &Target,
    admin: &Admin,
    account: &Account,
    users: &UserTable,
) -> bool {
    let (facts, others) = (&account.password, sample(admin, users));
    target.users.password_column.is_some()
        && (hashing::own(&target.users, others, facts.format, &facts.seems) == Own::Foreign
            || hashing::is_cut(users, others, &facts.seems))
}

/// What is wrong with the stored password of an account that is there. `barred`: why no step is done now.
pub(super) fn diagnose(
    target: &Target,
    admin: &Admin,
    account: &Account,
    users: &UserTable,
    reset: Option<String>,
    barred: Option<&str>,
) -> Option<Finding> {
    // Where none is to be written or compared, nobody asks what is there.
    if admin.password.is_none() && reset.is_none() {
        return None;
    }
    // All that is written together, and goes back together.
    let spec = &target.users;
    let columns = spec.password_column.iter().chain(&spec.salt_column).chain(&spec.algorithm_column);
    let stored = Stored {
        target,
        admin,
        account,
        users,
        object: ObjectRef { columns: columns.cloned().collect(), ..users.object.clone() },
        asked: reset.is_some(),
        always: admin.password_policy == PasswordPolicy::Always,
        chosen: writable(target, admin, users),
    };
    match stored.wrong(barred)? {
        Wrong::Told(found) => Some(found),
        Wrong::ToBeWritten(found) if !stored.asked && !stored.always => Some(found),
        Wrong::ToBeWritten(found) => Some(stored.written(found, reset)),
    }
}

/// A stored password, and what is to be done about it.
struct Stored<'a> {
    target: &'a Target,
    admin: &'a Admin,
    account: &'a Account,
    users: &'a UserTable,
    /// The columns that are written.
    object: ObjectRef,
    /// Whether a reset was asked for.
    asked: bool,
    /// Whether the spec has any other password than the Secret's replaced.
    always: bool,
    /// The format that it would be written in, or why it is not written.
    chosen: Result<Chosen, (Reason, String)>,
}

/// What is wrong, and whether writing the password anew would end it.
enum Wrong {
    /// It is told, and no more.
    Told(Finding),
    /// It ends when the password is written, where somebody or the spec asks for that.
    ToBeWritten(Finding),
}

impl Stored<'_> {
    fn finding(&self, reason: Reason, severity: Severity, message: String) -> Finding {
        person(reason, ConditionType::AdminConsistent, severity, Some(self.object.clone()), message)
    }

    fn error(&self, reason: Reason, message: String) -> Finding {
        self.finding(reason, Severity::Error, message)
    }

    fn wrong(&self, barred: Option<&str>) -> Option<Wrong> {
        let Self { target, admin, account, users, asked, always, .. } = *self;
        let (facts, of_others) = (&account.password, sample(admin, users));
        let read = target.users.password_column.is_some();
        // What a reset would come to is asked of what would do it. Who asked for one needs no such advice.
        let reset_now = || diagnose(target, admin, account, users, Some(String::new()), None);
        let would_do = || (!asked).then(reset_now).flatten();
        let offered = |would: &Option<Finding>| match would {
            Some(would) if would.step.is_some() => barred.map_or(Ok(()), |why| Err(Some(why.to_owned()))),
            _ => Err(None),
        };
        let foreign = |message| self.error(Reason::PasswordHashForeign, message);
        let warning = |message| self.finding(Reason::PasswordHashForeign, Severity::Warning, message);
        if let Some(what) = facts.mistagged.filter(|_| !asked) {
            return Some(Wrong::Told(foreign(mistagged(target, admin, facts, users, what))));
        }
        let padding =
            of_others.and_then(|sample| sample.unfit.as_ref()?.padding(target.hints, &target.users));
        Some(if let Some(padding) = padding.filter(|_| facts.is_padded()) {
            let message = format!("{}'s stored password is {}: {padding}", admin.called(), facts.seems);
            // Whether the app takes the blanks off does not stand in the table.
            if asked || always { Wrong::ToBeWritten(foreign(message)) } else { Wrong::Told(warning(message)) }
        } else if is_foreign(target, admin, account, users) {
            let would = would_do();
            match would.as_ref().filter(|would| would.step.is_none() && !always) {
                Some(would) => Wrong::Told(foreign(would.finding.message.clone())),
                None => Wrong::ToBeWritten(foreign(not_read(target, admin, facts, users, offered(&would)))),
            }
        } else if always && facts.matches == Some(false) {
            let (who, field) = (admin.called(), admin.field());
            let message =
                format!("{who}'s password is not the Secret's, and {field}.passwordPolicy is Always");
            Wrong::ToBeWritten(self.error(Reason::AdminPasswordDiffers, message))
        } else if always && facts.matches.is_none() {
            self.uncompared()
        } else if asked {
            Wrong::ToBeWritten(self.error(Reason::AdminDrifted, unproven(facts, &self.chosen)))
        } else if read && hashing::own(&target.users, of_others, facts.format, &facts.seems) == Own::Undecided
        {
            Wrong::Told(warning(undecided(admin, facts, of_others)))
        } else if read && hashing::of_another_variant(&target.users, of_others, facts.format) {
            // The right password is not replaced on a guess: whether the app reads it shows where it is tried.
            Wrong::Told(warning(of_another_variant(target, admin, facts, users, offered(&would_do()))))
        } else {
            return None;
        })
    }

    /// The policy is Always, and nobody compared what is stored with the Secret's password.
    fn uncompared(&self) -> Wrong {
        let (who, field) = (self.admin.called(), self.admin.field());
        let message = |why: &str| {
            format!(
                "{who}'s password was not compared with the Secret's{why}, and {field}.passwordPolicy is Always: what was not compared is not replaced"
            )
        };
        let why = self.account.password.uncompared.as_deref().unwrap_or("nothing is known of it");
        match &self.chosen {
            // Why nothing can be written is said below, and is why nothing was compared.
            Err((reason @ Reason::AdminPasswordUnusable, _)) => {
                Wrong::ToBeWritten(self.error(*reason, message("")))
            }
            Err(_) => Wrong::ToBeWritten(self.error(Reason::PasswordHashUnclear, message(""))),
            Ok(_) => {
                let message = format!(
                    "{}, so set the policy to OnSeed, or have the app set the password",
                    message(&format!(" ({why})"))
                );
                let found = self.error(Reason::PasswordHashUnclear, message);
                if self.asked { Wrong::ToBeWritten(found) } else { Wrong::Told(found) }
            }
        }
    }

    /// The finding with the step that writes the password, or with why it is not written.
    fn written(&self, mut found: Finding, reset: Option<String>) -> Finding {
        let (facts, of_others) = (&self.account.password, sample(self.admin, self.users));
        let chosen = match &self.chosen {
            Ok(chosen) => chosen,
            Err((reason, why)) => {
                let mend = hashing::mend(self.target.hints, self.users, of_others, &facts.seems);
                let why = mend.unwrap_or_else(|| why.clone());
                // What was seen of the others is not said twice.
                let seen = of_others.map(hashing::seen).filter(|seen| why.contains(seen));
                let seen = seen.map_or_else(String::new, |seen| format!(", and {seen}"));
                let said = found.finding.message.strip_suffix(&seen).unwrap_or(&found.finding.message);
                if !said.contains(&why) {
                    found.finding.message = clip(&format!("{said}, and {why}"), 1024);
                }
                return found.blocked_by(*reason);
            }
        };
        // The right password is replaced by a person alone, whatever format it is in.
        if !self.asked && facts.matches == Some(true) {
            return found;
        }
        if let Some((reason, why)) = self.refused(chosen) {
            found.finding.message = clip(&format!("{}, and {why}", found.finding.message), 1024);
            return found.blocked_by(reason);
        }
        let account = self.admin.account().map(str::to_owned);
        let format = Some(chosen.format);
        found.with_step(Step::Reset { users: self.object.clone(), account, token: reset, format })
    }

    /// Why the password is not written in a format, if so: the app may not read it, or it cannot be written.
    fn refused(&self, chosen: &Chosen) -> Option<(Reason, String)> {
        let (facts, users) = (&self.account.password, self.users);
        let proven = facts.matches.is_some() && facts.format.is_some_and(|format| !format.is_told());
        if !self.asked && !facts.absent && !chosen.format.is_told() && !proven {
            let why = format!(
                "that the app reads {} shows in no stored password: have the app set the password",
                chosen.format.family.words()
            );
            return Some((Reason::PasswordHashUnclear, why));
        }
        // Its own hash is the only one that the app is known to have written.
        let own = facts.format.filter(|own| own.family != chosen.format.family);
        if let (Some(own), By::Preset { .. }) = (own, &chosen.by) {
            let why = format!(
                "what is stored is {own}, nobody else's says what the app reads, and the preset's format is another one: set spec.users.passwordHash"
            );
            return Some((Reason::PasswordHashUnclear, why));
        }
        if users.seed.computed.iter().any(|name| self.object.columns.contains(name)) {
            let why = "the database computes the column (GENERATED ALWAYS AS), so that nobody can write it";
            return Some((Reason::RepairUnsupported, why.to_owned()));
        }
        (!users.rights.update).then(|| {
            let why = format!(
                "the role may not UPDATE {}: {}",
                users.object.describe(),
                rights::grant(self.target.hints, &users.rights, &[Right::Update], &users.object)
            );
            (Reason::PrivilegeMissing, why)
        })
    }
}

/// That a reset was asked for, and what nobody knows of the format that it writes.
fn unproven(facts: &PasswordFacts, chosen: &Result<Chosen, (Reason, String)>) -> String {
    let asked = "a reset of the admin was asked for".to_owned();
    let verified = facts.format.filter(|_| facts.matches == Some(true)).map(|format| format.family);
    match chosen {
        Ok(chosen) if !chosen.format.is_told() && verified != Some(chosen.format.family) => format!(
            "{asked}, and that the app reads {} shows in no stored password: sign in once afterwards",
            chosen.format.family.words()
        ),
        _ => asked,
    }
}

/// What is stored, and what so few others have that nothing follows from it.
fn undecided(admin: &Admin, facts: &PasswordFacts, of_others: Option<&HashSample>) -> String {
    let others = of_others.map(hashing::seen).unwrap_or_default();
    let named = |format: Option<Format>| format.map_or("AsStored", |format| format.family.as_str());
    let theirs = of_others.and_then(|sample| sample.survey.formats.first()).map(|(format, _)| *format);
    format!(
        "{}'s stored password is {}, and {others}: so few decide nothing, so sign in once, and set spec.users.passwordHash to {} if the app takes it, to {} if not",
        admin.called(),
        facts.seems,
        named(facts.format),
        named(theirs)
    )
}

/// What is stored, what others of its family have in its place or the spec names, and when something is to be done.
fn of_another_variant(
    target: &Target,
    admin: &Admin,
    facts: &PasswordFacts,
    users: &UserTable,
    advice: Result<(), Option<String>>,
) -> String {
    let (who, seems) = (admin.called(), &facts.seems);
    let others = sample(admin, users).map(hashing::seen).unwrap_or_default();
    let family = facts.format.map_or("it", |format| format.family.words());
    let advice = match (advice, admin.place) {
        (Ok(()), None) => format!("reset it by {}", requests::reset(target)),
        (Err(Some(why)), None) => format!("have it written anew, which is not done now, since {why}"),
        _ => "have the app set the password".to_owned(),
    };
    let Some((named, format)) = target.users.password_hash.prefix().zip(facts.format) else {
        return format!(
            "{who}'s stored password is {seems}, and {others}: not every reader of {family} takes all of its variants, so sign in once, and only if the app refuses it, {advice}"
        );
    };
    // Whoever names a prefix knows what new hashes get, and may well have older ones.
    let (it, rewrite) = (
        if facts.matches == Some(true) { "it is the Secret's password under either, and " } else { "" },
        hashing::reprefix(target.hints, users, format.prefix, named).map_or_else(String::new, |sql| {
            format!(", or, for all accounts that have {}, write the other one by `{sql}`", format.prefix)
        }),
    );
    format!(
        "{who}'s stored password is {seems}, and spec.users.passwordHash names {named}, and {others}: {it}both are the same calculation, so nothing needs doing unless the app refuses {}; only then {advice}{rewrite}",
        format.prefix
    )
}

/// That the password is the right one, and what stands around it is not; what to do.
fn mistagged(
    target: &Target,
    admin: &Admin,
    facts: &PasswordFacts,
    users: &UserTable,
    what: Mistagged,
) -> String {
    let who = admin.called();
    let wrong = match what {
        Mistagged::Tag { stored, right, made } => {
            let named = |tag: &str| if tag.is_empty() { "none".to_owned() } else { format!("{tag:?}") };
            let needs = match right {
                "bcrypt$" => {
                    " (Django reads that only with its BCryptPasswordHasher in PASSWORD_HASHERS, which is not there by default)"
                }
                _ => "",
            };
            format!(
                "under the wrong tag: the hash is one of {made}, for which the tag is {} and not {}{needs}",
                named(right),
                named(stored)
            )
        }
        Mistagged::PlainSalt => "with its salt in the wrong form: it stands there as the text that was hashed with it, and is read as base64".to_owned(),
        Mistagged::EncodedSalt => "with its salt in the wrong form: it stands there in base64, what was hashed with it are the bytes, and Django takes it as it stands".to_owned(),
    };
    let login = target.users.login_column.as_deref();
    let statement =
        login.and_then(|column| hashing::retag(target.hints, users, (column, &admin.login), what));
    let advice = match statement {
        Some(sql) => format!(
            "correct it by `{sql}` if that is what the app reads, and then those that were imported with it, which were not looked at"
        ),
        None => "have the app set the password, and look at those that were imported with it".to_owned(),
    };
    format!(
        "{who}'s stored password is {}, and is the Secret's password {wrong}. The app refuses it where it goes by what is stored: {advice}",
        facts.seems
    )
}

/// What is stored, what the app reads by what others have, and what to do: `advice` is whether a reset would be
/// done now, or why not.
fn not_read(
    target: &Target,
    admin: &Admin,
    facts: &PasswordFacts,
    users: &UserTable,
    advice: Result<(), Option<String>>,
) -> String {
    let (who, of_others) = (admin.called(), sample(admin, users));
    let others = of_others.filter(|sample| hashing::say(sample, facts.format));
    let named = target.users.password_hash.family().map(|_| target.users.says());
    let reads = match (others, named) {
        (Some(sample), _) => hashing::beside(sample, &facts.seems),
        (None, Some(named)) => format!(", and spec.users.passwordHash says {named}"),
        (None, None) => String::new(),
    };
    let advice = match advice {
        Ok(()) => match admin.place {
            None => format!(": reset it by {}", requests::reset(target)),
            // The right password is not replaced under any policy.
            Some(_) if facts.matches == Some(true) || admin.password_policy == PasswordPolicy::Always => {
                ": have the app set the password".to_owned()
            }
            Some(_) => format!(
                ": set {}.passwordPolicy to Always, which writes it unless it is the Secret's already",
                admin.field()
            ),
        },
        Err(Some(why)) => format!(": it is not written anew now, since {why}"),
        Err(None) => String::new(),
    };
    // Where that is to be mended, it is said with how.
    let mend = hashing::mend(target.hints, users, of_others, &facts.seems).is_some();
    let cut = hashing::cut_by(users, &facts.seems).filter(|_| !mend).unwrap_or_default();
    let unpack = hashing::unpack(target.hints, users, &facts.seems).filter(|_| !mend);
    let unpack = unpack.map_or_else(String::new, |sql| {
        let or = if advice.is_empty() { "" } else { "; or, for this account alone" };
        format!(
            ": make text of all that are stored as bytes by `{sql}`, which leaves rows in another form as they are{or}"
        )
    });
    format!("{who}'s stored password is {}{cut}{reads}{unpack}{advice}", facts.seems)
}
