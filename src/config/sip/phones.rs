//! `[[phone]]` and `[registrar]`: telephones that register at the gateway itself, as agents' without a PBX.

use std::collections::BTreeSet;

use super::trunk::{read_allow, read_secret};
use crate::dialplan::schema::RingTarget;
use crate::settings::Section;
use crate::sip::digest::client::Credentials;
use crate::sip::endpoint::config::Phone;
use crate::sip::registrar::RegistrarLimits;

/// See the module.
#[derive(Clone, Debug, Default)]
pub(super) struct Phones {
    pub(super) all: Vec<Phone>,
    pub(super) limits: RegistrarLimits,
}

impl Phones {
    /// Reads every `[[phone]]` and `[registrar]`.
    pub(super) fn read(root: &mut Section<'_>) -> Self {
        let mut names = BTreeSet::new();
        let all = root.sections("phone").into_iter().filter_map(|section| read_phone(section, &mut names)).collect();
        Self { all, limits: read_limits(root.section("registrar")) }
    }

    /// As dialplans call them: `phone:NAME`.
    pub(super) fn names(&self) -> BTreeSet<String> {
        self.all.iter().map(|phone| phone.credentials.username.clone()).collect()
    }
}

fn read_phone(mut section: Section<'_>, names: &mut BTreeSet<String>) -> Option<Phone> {
    let user = section.string("user");
    let user = section.required("user", "a name, with which it registers and dialplans ring it: phone:NAME", user);
    if let Some(user) = &user {
        if format!("phone:{user}").parse::<RingTarget>().is_err() {
            section.problem("user", format_args!("expected a name without blanks and signs of URIs, found \"{user}\""));
        }
        if !names.insert(user.clone()) {
            section.problem("user", format_args!("there are two [[phone]] \"{user}\""));
        }
    }
    let password = read_secret(&mut section, "password");
    let password = section.required("password", "a secret, e.g. \"${file:/etc/tingwa/anna.pw}\"", password);
    if password.as_deref() == Some("") {
        section.problem("password", "expected a secret, found an empty one");
    }
    let allow = read_allow(&mut section);
    if allow.is_empty() {
        section.problem("allow", "expected the networks that it may come from, e.g. [\"192.168.0.0/16\"]");
    }
    section.finish();
    let credentials = Credentials { username: user?, password: password?.into() };
    Some(Phone { credentials, allow })
}

fn read_limits(mut section: Section<'_>) -> RegistrarLimits {
    let default = RegistrarLimits::default();
    let mut number =
        |key, least, most| section.integer(key, least..=most).and_then(|number| u32::try_from(number).ok());
    let (least, most) = (number("min_expires", 10, 3_600), number("max_expires", 60, 86_400));
    let contacts = number("contacts", 1, 16).and_then(|contacts| usize::try_from(contacts).ok());
    let limits = RegistrarLimits {
        least: least.unwrap_or(default.least),
        most: most.unwrap_or(default.most),
        contacts: contacts.unwrap_or(default.contacts),
    };
    if limits.least > limits.most {
        section.problem("min_expires", format_args!("expected at most max_expires, {}", limits.most));
    }
    section.finish();
    limits
}
