//! Words that lead to a human: an explicit wish for one, and words of fraud or danger that do not wait to be understood.
//! Matched word by word, and for longer Chinese phrases also by sound, so that a recogniser's homophone does not keep a
//! caller from a person. Is not the ladder of unresolved turns: that is the machine's.

use crate::conversation::normalise::{Token, Views};
use crate::conversation::readings::Readings;

/// What was heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// The caller asks for a person.
    Human,
    /// Fraud, danger: a person at once.
    Urgent,
}

/// Built-in words for a human.
const HUMAN: &[&str] = &[
    // Cantonese
    "真人",
    "搵真人",
    "同真人",
    "要真人",
    "轉真人",
    "真人傾",
    "真人講",
    "真人客服",
    "搵個人",
    "搵人傾",
    "搵人講",
    "搵人幫",
    "同人傾",
    "同人講",
    "同個人",
    "人工客服",
    "人工服務",
    "轉人工",
    "搵人工",
    "搵客服",
    "搵客戶服務",
    "客戶服務員",
    "客戶服務主任",
    "客務主任",
    "搵職員",
    "職員傾",
    "同職員",
    "同你哋職員",
    "搵經理",
    "你哋經理",
    "搵主管",
    "轉駁",
    "駁去",
    "接線生",
    "接線員",
    "唔想同機械人",
    "唔要機械人",
    "唔想同機器",
    // Mandarin
    "找人工",
    "要人工",
    "接人工",
    "人工",
    "找真人",
    "找客服",
    "转客服",
    "接客服",
    "客服人员",
    "客服专员",
    "找个人",
    "跟人说",
    "和人说",
    "找经理",
    "找主管",
    "转接",
    "转给人",
    "不要机器人",
    "客服",
    // English
    "human",
    "real person",
    "live person",
    "actual person",
    "a person",
    "speak to person",
    "talk to person",
    "speak to someone",
    "talk to someone",
    "speak with someone",
    "talk with someone",
    "to somebody",
    "agent",
    "an agent",
    "operator",
    "representative",
    "customer service",
    "your manager",
    "the manager",
    "a manager",
    "supervisor",
    "transfer me",
    "put me through",
    "connect me",
];

/// Built-in words of fraud and danger.
const URGENT: &[&str] = &[
    "詐騙",
    "呃錢",
    "畀人呃",
    "比人呃",
    "呃咗",
    "騙案",
    "騙徒",
    "盜用",
    "盜刷",
    "自殺",
    "想死",
    "唔想做人",
    "報警",
    "火警",
    "着火",
    "救命",
    "綁架",
    "被骗",
    "诈骗",
    "骗子",
    "盗用",
    "盗刷",
    "自杀",
    "不想活",
    "报警",
    "着火",
    "救命",
    "scam",
    "scammed",
    "scammer",
    "fraud",
    "fraudulent",
    "unauthorised",
    "unauthorized",
    "hacked",
    "suicide",
    "kill myself",
    "emergency",
    "police",
    "on fire",
];

/// Words that turn a wish into its opposite when they stand just before it.
const NEGATIONS: &[&str] = &[
    "唔想",
    "唔要",
    "唔使",
    "唔需要",
    "唔好",
    "不要",
    "不想",
    "不用",
    "不需要",
    "don't want",
    "do not want",
    "don't need",
    "do not need",
    "don't",
    "not",
];
/// How many tokens before a wish a negation may stand.
const NEGATION_REACH: usize = 5;
/// Chinese phrases of this length and more are also matched by sound.
const BY_SOUND: usize = 3;

/// All words of a line.
#[derive(Clone, Debug)]
pub struct Lexicon {
    wishes: Vec<(Wish, Views)>,
    negations: Vec<Vec<Token>>,
}

impl Lexicon {
    /// Built-in words and the plan's own.
    pub fn new(human_words: &[String], urgent_words: &[String], readings: &Readings) -> Self {
        let built_in = |words: &[&str], wish: Wish| -> Vec<(Wish, Views)> {
            words.iter().map(|word| (wish, Views::of(word, readings))).collect()
        };
        let own = |words: &[String], wish: Wish| -> Vec<(Wish, Views)> {
            words.iter().map(|word| (wish, Views::of(word, readings))).collect()
        };
        let mut wishes = built_in(URGENT, Wish::Urgent);
        wishes.extend(own(urgent_words, Wish::Urgent));
        wishes.extend(built_in(HUMAN, Wish::Human));
        wishes.extend(own(human_words, Wish::Human));
        wishes.retain(|(_, views)| !views.tokens.is_empty());
        let negations = NEGATIONS.iter().map(|word| Views::of(word, readings).tokens).collect();
        Self { wishes, negations }
    }

    /// The first wish in what was said. Urgent words come before all others.
    pub fn find(&self, said: &Views) -> Option<Wish> {
        self.wishes.iter().find(|(wish, word)| self.holds(said, *wish, word)).map(|(wish, _)| *wish)
    }

    fn holds(&self, said: &Views, wish: Wish, word: &Views) -> bool {
        if let Some(at) = position(&said.tokens, &word.tokens) {
            return wish == Wish::Urgent || !self.negated(&said.tokens, at, &word.tokens);
        }
        let chinese = word.tokens.iter().all(|token| matches!(token, Token::Han(_)));
        if !chinese || word.tokens.len() < BY_SOUND || word.syllables.len() != word.tokens.len() {
            return false;
        }
        match position(&said.syllables, &word.syllables) {
            Some(at) => wish == Wish::Urgent || !self.negated(&said.core, at, &word.tokens),
            None => false,
        }
    }

    fn negated(&self, tokens: &[Token], at: usize, word: &[Token]) -> bool {
        let before = tokens.get(at.saturating_sub(NEGATION_REACH)..at).unwrap_or_default();
        self.negations.iter().any(|negation| position(before, negation).is_some() && !word.starts_with(negation))
    }
}

/// Where `part` begins in `all`.
fn position<T: PartialEq>(all: &[T], part: &[T]) -> Option<usize> {
    if part.is_empty() {
        return None;
    }
    all.windows(part.len()).position(|window| window == part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hears_wishes_for_a_human_in_three_languages() {
        let readings = Readings::load();
        let lexicon = Lexicon::new(&["搵阿姐".to_owned()], &[], &readings);
        let table = [
            ("我要搵真人", Some(Wish::Human)),
            ("我想揾真人傾呀", Some(Wish::Human)),
            ("我想穩真人", Some(Wish::Human)),
            ("我要找人工客服", Some(Wish::Human)),
            ("转人工", Some(Wish::Human)),
            ("轉人功", Some(Wish::Human)),
            ("i want to speak to a person", Some(Wish::Human)),
            ("agent please", Some(Wish::Human)),
            ("搵阿姐", Some(Wish::Human)),
            ("唔使轉駁喇", None),
            ("i don't want to speak to a person", None),
            ("唔想同機械人講嘢", Some(Wish::Human)),
            ("我想查詢我張單", None),
            ("我畀人呃咗錢", Some(Wish::Urgent)),
            ("this is fraud", Some(Wish::Urgent)),
            ("我被骗了", Some(Wish::Urgent)),
            ("", None),
        ];
        for (text, expected) in table {
            assert_eq!(lexicon.find(&Views::of(text, &readings)), expected, "{text}");
        }
    }
}
