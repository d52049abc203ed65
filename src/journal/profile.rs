//! What is remembered of a caller from one call to the next, and what a call adds to it. Values only: under which key it is kept, and
//! for how long, is the store's business. Holds no number.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{Act, Entry, Record};
use crate::redact::Redacted;
use crate::speech::Language;

/// Most matters that are remembered, the latest last.
pub const MOST_WANTED: usize = 5;
/// Most open tickets.
pub const MOST_TICKETS: usize = 10;

const DAY_MS: u64 = 24 * 3600 * 1000;

/// What a caller does not want.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OptOut {
    /// To be recorded.
    Recording,
    /// That a language model is asked about what was said.
    LanguageModel,
    /// To be remembered: only this list is kept.
    Memory,
}

/// Something that the caller called for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wanted {
    /// Name of the dialplan.
    pub dialplan: String,
    /// Name of its intent.
    pub intent: String,
    /// Days since 1970-01-01 in UTC.
    pub day: u64,
}

/// What is remembered.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Profile {
    /// In which the caller was spoken to last.
    pub language: Option<Language>,
    /// The latest last, each once, at most [`MOST_WANTED`].
    pub wanted: Vec<Wanted>,
    /// At most [`MOST_TICKETS`]; set by an administrator.
    pub tickets: Vec<Redacted<String>>,
    /// Set by an administrator, e.g. `gold`.
    pub tier: Option<String>,
    /// By which the caller is greeted; set by an administrator.
    pub name: Option<Redacted<String>>,
    /// What the caller does not want.
    pub opt_outs: BTreeSet<OptOut>,
}

impl Profile {
    /// True where the caller does not want this.
    pub fn opted_out(&self, what: OptOut) -> bool {
        self.opt_outs.contains(&what)
    }

    /// Adds what a call has brought. Its journal is whole and in order.
    pub fn learn(&mut self, journal: &[Record]) {
        let (mut dialplan, mut spoke) = ("", false);
        for record in journal {
            match &record.entry {
                Entry::Offered { dialplan: name, .. } => dialplan = name,
                Entry::CallerTurn { .. } | Entry::Digit { .. } => spoke = true,
                Entry::LlmDeclined => self.opt_outs.extend([OptOut::LanguageModel]),
                Entry::OptedOut { what, .. } => self.opt_outs.extend([*what]),
                // Who hangs up during the greeting has not chosen its language.
                Entry::Decided(decision) if spoke => {
                    self.language = Some(decision.language);
                    let intent = decision.rule.strip_prefix("intent:").and_then(|rest| rest.split(':').next());
                    if let (Some(intent), Act::Answer { .. } | Act::Escalate { .. } | Act::Call { .. }) =
                        (intent, &decision.act)
                    {
                        let (dialplan, intent) = (dialplan.to_owned(), intent.to_owned());
                        self.want(Wanted { dialplan, intent, day: record.call.0.timestamp_ms() / DAY_MS });
                    }
                }
                _ => {}
            }
        }
        if self.opted_out(OptOut::Memory) {
            *self = Self { opt_outs: std::mem::take(&mut self.opt_outs), ..Self::default() };
        }
    }

    fn want(&mut self, wanted: Wanted) {
        self.wanted.retain(|other| (&other.dialplan, &other.intent) != (&wanted.dialplan, &wanted.intent));
        self.wanted.push(wanted);
        self.wanted.drain(..self.wanted.len().saturating_sub(MOST_WANTED));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{CallId, LegId};
    use crate::journal::{CallTime, Decision};

    fn decided(rule: &str, act: Act, language: Language) -> Entry {
        let (intent, confidence, evidence) = (None, None, String::new());
        Entry::Decided(Decision { act, rule: rule.to_owned(), intent, confidence, language, evidence })
    }

    fn after(profile: &Profile, entries: Vec<Entry>) -> Profile {
        let call = CallId(ulid::Ulid::from_parts(3 * DAY_MS + 5, 1));
        let offered = Entry::Offered {
            from: "91234567".into(),
            to: "1823".into(),
            sip_call_id: "a".into(),
            dialplan: "demo".into(),
        };
        let all = [offered].into_iter().chain(entries);
        let journal: Vec<_> = all.map(|entry| Record { call, at: CallTime(0), entry }).collect();
        let mut after = profile.clone();
        after.learn(&journal);
        after
    }

    #[test]
    fn a_call_adds_its_language_its_matters_and_what_the_caller_does_not_want() {
        let say = || Act::Answer { prompt: "p".to_owned() };
        let key = || Entry::Digit { leg: LegId::CALLER, digit: '2' };
        let greeting = || decided("started", say(), Language::Cantonese);
        let none = Profile::default();
        assert_eq!(after(&none, vec![greeting()]), none, "nobody said anything");
        let mut entries = vec![greeting(), key(), decided("key:2", say(), Language::Mandarin)];
        for intent in ["a", "b", "c", "a:again", "d", "e", "f"] {
            entries.push(decided(&format!("intent:{intent}"), say(), Language::Mandarin));
        }
        let goodbye = Act::Goodbye { prompt: "p".to_owned() };
        entries.push(decided("intent:bye", goodbye, Language::Mandarin));
        entries.push(Entry::OptedOut { what: OptOut::Recording, remembered: false });
        let learnt = after(&none, entries);
        assert_eq!(learnt.language, Some(Language::Mandarin));
        let wanted: Vec<&str> = learnt.wanted.iter().map(|wanted| wanted.intent.as_str()).collect();
        assert_eq!(wanted, ["c", "a", "d", "e", "f"]);
        assert!(learnt.wanted.iter().all(|wanted| (wanted.dialplan.as_str(), wanted.day) == ("demo", 3)));
        assert!(learnt.opted_out(OptOut::Recording) && !learnt.opted_out(OptOut::Memory));
        let known = Profile { name: Some("陳生".into()), tier: Some("gold".to_owned()), ..learnt };
        let forgotten = after(&known, vec![Entry::OptedOut { what: OptOut::Memory, remembered: false }]);
        let opt_outs = BTreeSet::from([OptOut::Recording, OptOut::Memory]);
        assert_eq!(forgotten, Profile { opt_outs, ..Profile::default() });
    }

    #[test]
    fn what_was_stored_by_an_older_edition_is_read() {
        assert_eq!(serde_json::from_str::<Profile>("{}").unwrap(), Profile::default());
    }
}
