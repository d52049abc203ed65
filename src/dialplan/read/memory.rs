//! Reads `[memory]`: what a line does with what is remembered of its callers.

use crate::dialplan::schema::{Remembering, SameAsLast};
use crate::settings::Section;

/// `[memory]`.
pub(super) fn remembering(mut section: Section<'_>) -> Remembering {
    let memory = Remembering {
        language: section.boolean("language").unwrap_or(false),
        greeting: section.string("greeting"),
        not_recorded: section.string("not_recorded"),
        forgotten: section.string("forgotten"),
        vip: section.strings("vip").unwrap_or_default(),
        same_as_last: same_as_last(section.section("same_as_last")),
    };
    section.finish();
    memory
}

fn same_as_last(mut section: Section<'_>) -> Option<SameAsLast> {
    if !section.is_present() {
        // Asked for all the same, so that the schema knows it.
        let _ = (section.string("say"), section.string("otherwise"), section.strings("intents"));
        let _ = section.integer("days", 1..=365);
        section.finish();
        return None;
    }
    let (say, otherwise, intents) = (section.string("say"), section.string("otherwise"), section.strings("intents"));
    let offer = SameAsLast {
        say: section.required("say", "a prompt with {matter}", say).unwrap_or_default(),
        otherwise: section
            .required("otherwise", "a prompt for who wants something else", otherwise)
            .unwrap_or_default(),
        intents: section.required("intents", "a list of intents", intents).unwrap_or_default(),
        days: section.integer("days", 1..=365).and_then(|days| u64::try_from(days).ok()).unwrap_or(14),
    };
    section.finish();
    Some(offer)
}
