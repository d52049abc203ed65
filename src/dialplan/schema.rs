//! The types of a dialplan that has been read and checked. What is said to be there is there: prompt ids, queues and
//! intents that a plan names exist in every language of the plan ([`super::check`] refuses the plan otherwise).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use crate::dialplan::calendar::Calendar;
use crate::dialplan::pattern::Pattern;
use crate::dialplan::standing::Standing;
use crate::dialplan::workflow::{StepAct, Work};
use crate::journal::escalation::ReasonCode;
use crate::speech::{Bias, Language};

/// Everything of one hotline.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Folder name, e.g. `demo`; what a journal names.
    pub name: String,
    /// For people.
    pub title: String,
    /// Dialled numbers that belong to this line; first match wins over all plans.
    pub numbers: Vec<Pattern>,
    /// Languages, the default first. Never empty.
    pub languages: Vec<Language>,
    /// What is said by rule rather than by intent.
    pub dialogue: Dialogue,
    /// Everything that a caller may want, in the order of the file.
    pub intents: Vec<Intent>,
    /// Questions and answers that need no intent of their own.
    pub knowledge: Vec<Question>,
    /// What is done in a fixed order: workflows, whom they ask, and texts word for word.
    pub work: Work,
    /// When the caller gets a human unasked, and where.
    pub escalation: Escalation,
    /// Where humans wait, by name.
    pub queues: BTreeMap<String, Queue>,
    /// When humans are there; `None`: always.
    pub hours: Option<Calendar>,
    /// Whether calls of this line are recorded.
    pub recording: bool,
    /// What the bot says.
    pub prompts: Texts,
    /// Names of intents, reasons and languages as a briefing says them.
    pub labels: Texts,
    /// What its callers are likely to say, for the recogniser.
    pub bias: Arc<Bias>,
}

/// Texts by id and language.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Texts(pub BTreeMap<String, BTreeMap<Language, String>>);

impl Texts {
    /// The text in this language.
    pub fn get(&self, id: &str, language: Language) -> Option<&str> {
        self.0.get(id)?.get(&language).map(String::as_str)
    }

    /// Every text: id, language, text; in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Language, &str)> {
        self.0
            .iter()
            .flat_map(|(id, by)| by.iter().map(move |(language, text)| (id.as_str(), *language, text.as_str())))
    }
}

impl Plan {
    /// The language that a call begins in.
    pub fn default_language(&self) -> Language {
        self.languages.first().copied().unwrap_or(Language::Cantonese)
    }

    /// Which Chinese it speaks before the caller has spoken one; its default language where it speaks none.
    pub fn default_chinese(&self) -> Language {
        let chinese = self.languages.iter().copied().find(|language| *language != Language::English);
        chinese.unwrap_or_else(|| self.default_language())
    }

    /// Prompts that never change, so that the synthesiser can hold them ready: id, language, text. The greeting first.
    pub fn fixed_prompts(&self) -> Vec<(&str, Language, &str)> {
        let mut all: Vec<_> = self.prompts.iter().filter(|(_, _, text)| !text.contains('{')).collect();
        let approved = self.knowledge.iter().filter(|question| question.standing.approval.is_some());
        all.extend(approved.flat_map(|q| {
            q.answers.iter().map(move |(language, text)| (q.prompt_id.as_str(), *language, text.as_str()))
        }));
        let filed = self.work.scripts.iter().filter(|script| script.standing.approval.is_some());
        all.extend(filed.flat_map(|script| &script.sentences).flat_map(|sentence| {
            sentence.texts.iter().map(move |(language, text)| (sentence.prompt_id.as_str(), *language, text.as_str()))
        }));
        all.sort_by_key(|(id, _, _)| *id != self.dialogue.greeting);
        all
    }

    /// What is said under a prompt id: a prompt, an answer of the knowledge files, or a sentence of a script.
    pub fn text(&self, prompt: &str, language: Language) -> Option<&str> {
        let filed = || {
            let texts = match prompt.split_once(':')?.0 {
                "knowledge" => &self.knowledge.iter().find(|question| question.prompt_id == prompt)?.answers,
                "script" => {
                    let mut all = self.work.scripts.iter().flat_map(|script| &script.sentences);
                    &all.find(|sentence| sentence.prompt_id == prompt)?.texts
                }
                _ => return None,
            };
            texts.get(&language).map(String::as_str)
        };
        self.prompts.get(prompt, language).or_else(filed)
    }

    /// Every value that the caller is asked for: by intents, then by steps of workflows.
    pub fn slots(&self) -> impl Iterator<Item = &Slot> {
        let steps = self.work.workflows.values().flat_map(|workflow| &workflow.steps);
        let asked = steps.filter_map(|step| if let StepAct::Ask(slot) = &step.act { Some(slot) } else { None });
        self.intents.iter().flat_map(|intent| &intent.slots).chain(asked)
    }

    /// The kind of the slot with this name; [`super::check`] sees to it that there is one.
    pub fn slot_kind(&self, name: &str) -> Option<&SlotKind> {
        self.slots().find(|slot| slot.name == name).map(|slot| &slot.kind)
    }

    /// An intent by its name.
    pub fn intent(&self, name: &str) -> Option<&Intent> {
        self.intents.iter().find(|intent| intent.name == name)
    }
}

/// What the bot says by rule.
#[derive(Clone, Debug)]
pub struct Dialogue {
    /// Prompt at the start, in the default language.
    pub greeting: String,
    /// True where the greeting holds the recording notice: it is heard to its end, and what the caller says meanwhile is
    /// answered after it.
    pub hear_greeting_out: bool,
    /// Prompt after the greeting, once in each further language, in that language.
    pub greeting_others: Option<String>,
    /// Prompt when the caller asks for another language or presses its key.
    pub language_changed: String,
    /// True where the caller may speak over prompts.
    pub barge_in: bool,
    /// The caller says nothing.
    pub no_input: Ladder,
    /// The caller is not understood.
    pub no_match: Ladder,
    /// Wait for the caller this long after a prompt, then count a silence.
    pub no_input_after: Duration,
    /// Prompt when speech recognition is not to be had and only keys work.
    pub keys_only: String,
    /// What keys do, outside of number entry. 0 always leads to a human.
    pub menu: BTreeMap<char, Target>,
    /// False for a line of keys alone: its calls take no place at the recogniser and no processor time for it.
    pub speech: bool,
    /// How a conversation is brought back on its way.
    pub repair: Repair,
}

/// How a conversation is brought back on its way. Each may be left out.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Repair {
    /// "Did you mean A or B?"
    pub clarify: Option<Clarify>,
    /// Prompt before the question that another matter came before; may hold `{matter}`.
    pub returning: Option<String>,
    /// Prompt when the caller leaves what is being done.
    pub cancelled: Option<String>,
}

/// When two intents are about as likely.
#[derive(Clone, Debug, PartialEq)]
pub struct Clarify {
    /// Prompt with `{first}` and `{second}`.
    pub say: String,
    /// Asked where the best is less than this likelier than the next, 0 to 1.
    pub margin: f32,
    /// How often it is asked before the turn counts as not understood.
    pub tries: u8,
}

/// What to say at the first, second .. failure in a row, and what to do after the last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ladder {
    /// Prompt ids, one a try. Never empty.
    pub prompts: Vec<String>,
    /// After the last try.
    pub then: Target,
}

/// Where a turn can lead. Written `say:PROMPT`, `go:QUEUE`, `end:PROMPT`, `script:NAME`, `lang:yue`, `run:WORKFLOW`, `repeat`,
/// `back`, `unresolved`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// Say a prompt and listen.
    Say(String),
    /// Hand the caller to a queue.
    Queue(String),
    /// Say a prompt and hang up.
    End(String),
    /// Read a filed script, and then go where that leads.
    Script(String),
    /// Go on in this language.
    Language(Language),
    /// Walk through a workflow.
    Run(String),
    /// Say the last prompt again.
    Repeat,
    /// Go back to the question before.
    Back,
    /// The caller says that the answer was wrong: counts as not understood.
    Unresolved,
}

/// Something that a caller may want.
#[derive(Clone, Debug)]
pub struct Intent {
    /// Name in journals and scenarios.
    pub name: String,
    /// Where it leads, once its slots are filled.
    pub then: Target,
    /// Small talk: asking again is no sign of trouble, and a briefing does not tell of it.
    pub chat: bool,
    /// What must be asked first, in this order.
    pub slots: Vec<Slot>,
    /// What callers say for it. Every language of the plan has some.
    pub phrases: BTreeMap<Language, Vec<String>>,
}

/// A value that the bot asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slot {
    /// Name; prompts write it as `{name}`.
    pub name: String,
    /// What counts as a value.
    pub kind: SlotKind,
    /// Prompt that asks for it.
    pub ask: String,
    /// Prompt that reads it back and asks whether it is right.
    pub confirm: Option<String>,
    /// Prompt that asks for it by keys, once speaking has failed.
    pub keys: Option<String>,
}

/// What counts as a value of a slot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SlotKind {
    /// A Hong Kong telephone number: 8 digits that begin with 2, 3, 5 to 9; with or without 852.
    Phone,
    /// This many digits.
    Digits {
        /// At least.
        min: u8,
        /// At most.
        max: u8,
    },
    /// Yes or no; kept as `yes` and `no`.
    YesNo,
    /// A Hong Kong identity card number with its check digit; kept as `A123456(3)`.
    IdentityCard,
    /// A payment card number that is right by Luhn's rule. Never read back nor journalled but for its last four digits.
    Card,
    /// A day; kept as `2026-03-05`.
    Day(When),
    /// An amount in dollars; kept as `350` or `350.50`.
    Amount {
        /// At least.
        min: u32,
        /// At most.
        max: u32,
    },
    /// A code of a shape: `#` a digit, `@` a letter, anything else itself.
    Code(String),
    /// One of these; kept as its name.
    Choice(Vec<Choice>),
}

/// Which days a slot takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// Any; one without a year is to come.
    Any,
    /// Today or later.
    Future,
    /// Today or earlier.
    Past,
}

/// One thing on a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// Name.
    pub name: String,
    /// What callers say for it, in any language.
    pub words: Vec<String>,
}

/// A question of the knowledge files.
#[derive(Clone, Debug)]
pub struct Question {
    /// Name.
    pub name: String,
    /// Prompt id under which its answer is journalled: `knowledge:NAME`.
    pub prompt_id: String,
    /// Ways to ask it.
    pub questions: BTreeMap<Language, Vec<String>>,
    /// The answer.
    pub answers: BTreeMap<Language, String>,
    /// For people who look after the entries.
    pub tags: Vec<String>,
    /// Who has approved it, and its days.
    pub standing: Standing,
}

/// When the caller gets a human unasked.
#[derive(Clone, Debug)]
pub struct Escalation {
    /// Queue where no rule names another.
    pub queue: String,
    /// Prompt while the caller is put through.
    pub transferring: String,
    /// Prompt when nobody is there because the line is closed.
    pub closed: String,
    /// Prompt to hang up with when humans were tried too often in one call.
    pub gave_up: String,
    /// Unresolved turns in a row that lead to a human.
    pub unresolved: u8,
    /// Extra words by what they mean, on top of those built in.
    pub words: BTreeMap<ReasonCode, Vec<String>>,
    /// Level 1.
    pub transfer: TransferRule,
    /// Level 2.
    pub notify: NotifyRule,
    /// Level 3.
    pub takeover: TakeoverRule,
}

/// Level 1: a person takes the call.
#[derive(Clone, Debug, PartialEq)]
pub struct TransferRule {
    /// Prompt that offers help once before a person who was asked for by voice is rung; `None`: rung at once.
    pub retention: Option<String>,
    /// What the gateway finds by itself is not tried again so soon after nobody took the call.
    pub cool_down: Duration,
    /// Turns of which the recogniser is less sure than this count as unsure, 0 to 1.
    pub low_confidence: f32,
}

/// Level 2: a supervisor is told.
#[derive(Clone, Debug, PartialEq)]
pub struct NotifyRule {
    /// Nobody is told of these.
    pub ignore: BTreeSet<ReasonCode>,
    /// With these a person takes the call, before others. Never `emotion`.
    pub transfer: BTreeSet<ReasonCode>,
    /// The same reason is not told again so soon.
    pub cool_down: Duration,
}

/// Level 3: a person takes the call at once.
#[derive(Clone, Debug, PartialEq)]
pub struct TakeoverRule {
    /// Queue; `None`: that of the line.
    pub queue: Option<String>,
    /// Prompt while the caller is put through; `None`: that of the line.
    pub transferring: Option<String>,
    /// True where somebody is rung although the line is closed.
    pub always: bool,
}

/// Where humans wait.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Queue {
    /// Telephones to ring, one after the other.
    pub ring: Vec<RingTarget>,
    /// How long each rings.
    pub ring_timeout: Duration,
    /// How the agent says yes.
    pub accept: Accept,
    /// Music while the caller waits: a name of the recorded prompts; `None`: ringback tone.
    pub music: Option<String>,
    /// Prompt when nobody took the call; the bot has the floor again.
    pub no_agent: String,
    /// Language of the briefing.
    pub briefing_language: Language,
}

/// In the place of a trunk's name: the telephones that are registered at the gateway itself.
pub const PHONES: &str = "phone";

/// A telephone behind a trunk, written `sip:6001@pbx` with the trunk's name, or one that is registered here, written
/// `phone:anna` with the name of its `[[phone]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RingTarget {
    /// User part.
    pub user: String,
    /// Name of the trunk in the configuration, or [`PHONES`].
    pub trunk: String,
}

/// The text names no telephone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected sip:USER@TRUNK or phone:NAME")]
pub struct NoTelephone;

impl std::str::FromStr for RingTarget {
    type Err = NoTelephone;
    fn from_str(text: &str) -> Result<Self, NoTelephone> {
        let (user, trunk) = match text.split_once(':') {
            Some(("sip", rest)) => rest.split_once('@').filter(|(_, trunk)| *trunk != PHONES).ok_or(NoTelephone)?,
            // Its user part in a URI: nothing that would have to be escaped.
            Some((PHONES, name)) if !name.contains(|c: char| c.is_whitespace() || "@:;?<>%/".contains(c)) => {
                (name, PHONES)
            }
            _ => return Err(NoTelephone),
        };
        if user.is_empty() || trunk.is_empty() {
            return Err(NoTelephone);
        }
        Ok(Self { user: user.to_owned(), trunk: trunk.to_owned() })
    }
}

impl std::fmt::Display for RingTarget {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.trunk == PHONES {
            write!(f, "phone:{}", self.user)
        } else {
            write!(f, "sip:{}@{}", self.user, self.trunk)
        }
    }
}

/// How an agent takes or declines a call after the briefing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accept {
    /// Key for yes.
    pub yes: char,
    /// Key for no.
    pub no: char,
    /// Neither key in this time after the briefing began: no.
    pub timeout: Duration,
}
