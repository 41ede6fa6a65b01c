//! One-off requests: which of them were asked of this very resource, how a person asks anew in a way that
//! counts, and what is said of those that are not done.
//!
//! An annotation has no time of its own, and it goes along wherever its resource is copied or restored. So a
//! request is done only where it was written to the resource that is there, and where the database does not
//! know it.

use sha2::{Digest as _, Sha256};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ManagedFieldsEntry, Time};

use crate::{
    api::{
        annotation,
        report::{RequestNotDone, WhyNotDone},
    },
    domain::{
        facts::ledger::{Claim, PriorUse},
        request::Asking,
        target::Target,
        text::{clean, clip, number},
    },
};

/// Value of an annotation that is another one each time that its command is pasted into a shell.
const FRESH: &str = "$(date +%s)";

/// Values in a status have at most so many characters.
const MAX_VALUE: usize = 1024;

/// Whether a request was written to the object that it stands on, as far as that can be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    /// After the object was created.
    After,
    /// Before that, or with it: whoever asked meant another object.
    Before,
    /// Nobody knows.
    Untold,
}

/// What is known of a resource's past when a request is found on it.
#[derive(Debug, Clone, Copy)]
pub struct Past<'a> {
    /// When it was created.
    pub created: Option<&'a Time>,
    /// Who wrote which of its fields, and when last.
    pub managers: &'a [ManagedFieldsEntry],
    /// Whether it is looked at for the first time.
    pub first_sight: bool,
}

impl Past<'_> {
    /// Whether an annotation was written to this object.
    ///
    /// A manager's time is that of the last change of any of its fields, and so the latest time at which it
    /// can have written the annotation. Whoever creates an object writes its spec: a manager that owns the
    /// annotation and no spec came later, and the time is its own. (A backup tool may put managers and times
    /// of before back: those are older than the object.)
    pub fn written(&self, annotation: &str) -> Written {
        let Some(created) = self.created else { return Written::Untold };
        let field = format!("f:{annotation}");
        let mut written = None;
        for manager in self.managers {
            let Some(fields) = manager.fields_v1.as_ref().map(|fields| &fields.0) else { continue };
            if fields["f:metadata"]["f:annotations"].get(&field).is_none() {
                continue;
            }
            let creates = fields.get("f:spec").is_some();
            match &manager.time {
                Some(time) if !creates && time.0 >= created.0 => return Written::After,
                Some(time) if time.0 <= created.0 => {
                    written.get_or_insert(Written::Before);
                }
                _ => written = Some(Written::Untold),
            }
        }
        written.unwrap_or(Written::Untold)
    }

    /// Whether a request is refused, since it was asked of another object. What stands on a resource at its
    /// first sight came with it, unless it is told that somebody wrote it there afterwards.
    pub fn refuses(&self, annotation: &str) -> bool {
        match self.written(annotation) {
            Written::After => false,
            Written::Before => true,
            Written::Untold => self.first_sight,
        }
    }
}

/// A value as a status holds it. One that is longer says so, and how it goes on is in it all the same: two that
/// begin alike are two.
pub fn kept_value(value: &str) -> String {
    let shown = clean(value);
    if shown.chars().count() <= MAX_VALUE {
        return shown.into_owned();
    }
    let digest: String = Sha256::digest(value).iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    let characters = number(i64::try_from(value.chars().count()).unwrap_or(i64::MAX));
    let told = format!(" ({characters} characters, {digest})");
    clip(value, MAX_VALUE - told.len()) + &told
}

/// What is said of a request that came with its resource; `namespace` and `name` are the resource's.
pub fn older(annotation: &str, value: &str, namespace: &str, name: &str) -> RequestNotDone {
    let told = format!(
        "{annotation}={} was not done: it is older than this resource, so it was asked of the one that this was copied or restored from",
        clip(value, 100)
    );
    let anew = match annotation {
        annotation::RESET_ADMIN => {
            format!("to reset the admin now, run {}", annotate(namespace, name, annotation, FRESH))
        }
        annotation::APPROVE => "where a plan waits, Ready says how to approve it".to_owned(),
        _ => {
            "where another resource still has the claim, SchemaCompatible says how to take it over".to_owned()
        }
    };
    not_done(annotation, value, WhyNotDone::OlderThanResource, format!("{told}; {anew}"))
}

/// What is said of a reset that the database knows.
pub fn done_before(target: &Target, token: &str, prior: &PriorUse) -> RequestNotDone {
    let day = prior.at.strftime("%Y-%m-%d");
    let whose = match (prior.owner == target.resource.uid, prior.here) {
        (true, true) => "for this resource, and another reset since".to_owned(),
        (true, false) => "in the database that this one was copied from".to_owned(),
        (false, _) => format!("for another resource (uid {})", clip(&prior.owner, 100)),
    };
    let message = format!(
        "{}={} was not done: it was done before, on {day}, {whose}; to reset the admin now, run {}",
        annotation::RESET_ADMIN,
        clip(token, 100),
        reset(target)
    );
    not_done(annotation::RESET_ADMIN, token, WhyNotDone::DoneBefore, message)
}

fn not_done(annotation: &str, value: &str, why: WhyNotDone, message: String) -> RequestNotDone {
    let message = clip(&message, 1024);
    RequestNotDone { annotation: annotation.to_owned(), value: kept_value(value), why, message }
}

/// The command that resets the admin, however often it is run.
pub fn reset(target: &Target) -> String {
    ask(target, annotation::RESET_ADMIN, FRESH, "reset")
}

/// A uid as it may stand in a command. It comes out of a table that others may write to, and a shell would run what
/// they wrote there: what is no uid is left for a person to look up.
fn uid_word(uid: &str) -> &str {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._/".contains(c);
    let is_one = (1..=512).contains(&uid.len()) && uid.chars().all(plain) && !uid.starts_with('-');
    if is_one { uid } else { "UID" }
}

/// The command that takes a claim over.
fn take(target: &Target, claim: &Claim) -> String {
    let (owner, takes) = (uid_word(&claim.owner), claim.takes);
    let value = format!("{owner}/{takes}/{FRESH}");
    ask(target, annotation::TAKE_CLAIM, &value, &format!("repair --take-claim {owner}/{takes}"))
}

fn ask(target: &Target, annotation: &str, value: &str, command: &str) -> String {
    match &target.asking {
        Asking::Annotation => annotate(&target.resource.namespace, &target.resource.name, annotation, value),
        Asking::Command { program, tail } => format!("`{program} {command}{tail}`"),
    }
}

/// The command that approves a plan.
pub fn approve(namespace: &str, name: &str, hash: &str) -> String {
    format!("`kubectl annotate authcon {name} -n {namespace} --overwrite {}={hash}`", annotation::APPROVE)
}

fn annotate(namespace: &str, name: &str, annotation: &str, value: &str) -> String {
    format!("`kubectl annotate authcon {name} -n {namespace} --overwrite {annotation}=\"{value}\"`")
}

/// What a claim is asked for by an annotation, to which a time may be added: a uid by itself asks for the count 0.
pub fn claim_asked(value: &str) -> String {
    if value.contains('/') { value.to_owned() } else { format!("{value}/0") }
}

/// Whether somebody asked to take this very claim: `UID/COUNT` or `UID/COUNT/ANYTHING`. The count is another one
/// each time that a claim is made or goes from one resource to another, so that no request is good for a second
/// time. `UID` alone is for claims that an older program made and that never changed hands: those have 0.
fn fits(asked: &str, claim: &Claim) -> bool {
    let mut parts = asked.trim().split('/');
    // The uid of a resource in a file is its namespace and name.
    let named = claim.owner.split('/').all(|part| parts.next() == Some(part));
    named && parts.next().map_or(Ok(0), |count| count.trim().parse()) == Ok(claim.takes)
}

/// Whether the claim of another resource keeps this one from repairing.
pub fn bars(target: &Target, claim: &Claim, asked: Option<&str>) -> bool {
    let mine = claim.owner == target.resource.uid;
    !(mine || made_anew(target, claim) || asked.is_some_and(|asked| fits(asked, claim)))
}

/// Whether the claim is that of the resource which had this one's name before it, in the same cluster. A name
/// has one object at a time, and this one was read by it: the other one is gone. The operator's own uid tells
/// clusters apart, since another cluster's resource may have the same name and be alive.
fn made_anew(target: &Target, claim: &Claim) -> bool {
    let name = format!("{}/{}", target.resource.namespace, target.resource.name);
    target.operator.is_some() && claim.operator == target.operator && claim.owner_name == name
}

/// What a target is called that was made of the environment alone: namespace and name, and its uid.
pub const ENVIRONMENT: &str = "default/environment";

/// Why a resource only observes that has not the claim.
pub fn claimed(target: &Target, claim: &Claim) -> String {
    held_by(claim, &take(target, claim))
}

/// Who has the claim, and what ends that.
fn held_by(claim: &Claim, take: &str) -> String {
    if claim.owner_name == ENVIRONMENT && claim.owner == ENVIRONMENT {
        return format!(
            "a command that had its target from the environment alone (DATABASE_URL, no resource) has repaired this user \
             table and holds it, so this one only observes: when no such command is to repair it again, run {take}"
        );
    }
    format!(
        "the resource {} (uid {}) repairs this user table, so this one only observes: remove one of the two; \
         only if that one is gone for good, run {take}",
        claim.owner_name, claim.owner
    )
}

#[cfg(test)]
mod tests;
