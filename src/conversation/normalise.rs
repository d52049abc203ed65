//! One utterance in several views, so that spelling, script, particles and homophones matter less:
//!
//! | view | example for 「我想check下个bill呀」 |
//! |---|---|
//! | tokens: NFKC, lower case, Hong Kong characters, one spelling of colloquial words, letters joined | 我 想 check 下 個 bill 呀 |
//! | core: tokens without sentence particles | 我 想 check 下 個 bill |
//! | written: core with colloquial words as written Chinese has them | 我 想 check 一下 個 bill |
//! | syllables: toneless Jyutping of core with lazy sounds folded; words stay | o soen check haa go bill |
//!
//! Negation (唔 冇 未 咪) and question words (咩 嗎 未) stay: they carry meaning. Is no segmenter and needs none.

use unicode_normalization::UnicodeNormalization;

use crate::conversation::readings::{Readings, lazy};

/// A Chinese character or a Latin word (digits included).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Token {
    /// One character.
    Han(char),
    /// Letters, digits and apostrophes, lower case.
    Word(String),
}

impl Token {
    /// Its text.
    pub fn text(&self) -> String {
        match self {
            Self::Han(c) => c.to_string(),
            Self::Word(word) => word.clone(),
        }
    }
}

/// One utterance, seen several ways.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Views {
    /// Everything that was said, folded.
    pub tokens: Vec<Token>,
    /// Without particles.
    pub core: Vec<Token>,
    /// Core as written Chinese has it.
    pub written: Vec<Token>,
    /// Toneless Jyutping of core; Latin words as they are, in capitals so that they are no syllables.
    pub syllables: Vec<String>,
}

/// Longest utterance that is looked at, in characters. What follows is ignored.
pub const MAX_CHARACTERS: usize = 400;

/// Sentence particles without a meaning of their own.
const PARTICLES: &str = "呀啦喇喎囉㗎嘞啫噃吖吓啊哦嗯喔唉咯嗱啵咖喳吧呃嘛哩";

/// Spellings of one colloquial word, folded to the last of each group. Homographs (左, 地, 系) fold too: all text is folded
/// alike, so nothing is lost.
const SPELLINGS: [&str; 16] = [
    "系繫係",
    "既嘅",
    "左咗",
    "地哋",
    "黎來嚟",
    "俾比畀",
    "噉咁",
    "野嘢",
    "搵揾",
    "裡裏",
    "著着",
    "甘咁",
    "尼呢",
    "捻諗",
    "徙晒",
    "無冇",
];

/// Colloquial to written, longest first within a first character.
const WRITTEN: [(&str, &str); 96] = [
    ("點解", "為什麼"),
    ("點樣", "怎樣"),
    ("點算", "怎麼辦"),
    ("點收費", "怎麼收費"),
    ("幾多錢", "多少錢"),
    ("幾多", "多少"),
    ("幾錢", "多少錢"),
    ("幾時", "什麼時候"),
    ("幾點", "幾點"),
    ("邊度", "哪裏"),
    ("邊個", "誰"),
    ("邊間", "哪間"),
    ("邊", "哪"),
    ("乜嘢", "什麼"),
    ("咩嘢", "什麼"),
    ("咩事", "什麼事"),
    ("乜", "什麼"),
    ("咩", "什麼"),
    ("有冇", "有沒有"),
    ("冇咗", "丟失"),
    ("唔見咗", "丟失"),
    ("唔見", "丟失"),
    ("跌咗", "丟失"),
    ("整唔見", "丟失"),
    ("冇", "沒有"),
    ("唔使", "不用"),
    ("唔好", "不要"),
    ("唔要", "不要"),
    ("唔係", "不是"),
    ("唔啱", "不對"),
    ("唔該", "謝謝"),
    ("唔明", "不明白"),
    ("唔知", "不知道"),
    ("唔", "不"),
    ("係咪", "是不是"),
    ("係", "是"),
    ("喺", "在"),
    ("嘅", "的"),
    ("咗", "了"),
    ("緊", "正在"),
    ("哋", "們"),
    ("佢", "他"),
    ("我想要", "我要"),
    ("搵", "找"),
    ("揾", "找"),
    ("傾", "談"),
    ("睇", "看"),
    ("講多次", "再説一次"),
    ("再講", "再説"),
    ("講", "説"),
    ("聽唔到", "聽不到"),
    ("聽日", "明天"),
    ("尋日", "昨天"),
    ("琴日", "昨天"),
    ("今日", "今天"),
    ("而家", "現在"),
    ("依家", "現在"),
    ("家陣", "現在"),
    ("啱啱", "剛剛"),
    ("頭先", "剛才"),
    ("啱", "對"),
    ("呢個", "這個"),
    ("呢度", "這裏"),
    ("呢", "這"),
    ("嗰個", "那個"),
    ("嗰度", "那裏"),
    ("嗰", "那"),
    ("咁樣", "這樣"),
    ("咁", "這麼"),
    ("嚟", "來"),
    ("畀", "給"),
    ("攞", "拿"),
    ("返", "回"),
    ("食", "吃"),
    ("飲", "喝"),
    ("瞓", "睡"),
    ("行", "走"),
    ("屋企", "家"),
    ("上唔到", "上不了"),
    ("用唔到", "用不了"),
    ("打唔到", "打不了"),
    ("收唔到", "收不到"),
    ("壞咗", "壞了"),
    ("整", "修"),
    ("嘢", "東西"),
    ("啲", "些"),
    ("都", "也"),
    ("先", "先"),
    ("同埋", "和"),
    ("同", "和"),
    ("鍾意", "喜歡"),
    ("閂門", "關門"),
    ("閂", "關"),
    ("舖頭", "商店"),
    ("門市", "分店"),
    ("禮拜", "星期"),
];

impl Views {
    /// All views of a text.
    pub fn of(text: &str, readings: &Readings) -> Self {
        Self::of_tokens(tokens(text, readings), readings)
    }

    /// All views of tokens, e.g. of a part of an utterance.
    pub fn of_tokens(tokens: Vec<Token>, readings: &Readings) -> Self {
        let core: Vec<Token> =
            tokens.iter().filter(|t| !matches!(t, Token::Han(c) if PARTICLES.contains(*c))).cloned().collect();
        let core = if core.is_empty() { tokens.clone() } else { core };
        let written = written(&core);
        let syllables = syllables(&core, readings);
        Self { tokens, core, written, syllables }
    }

    /// Tokens as one text: words set off by spaces, characters not.
    pub fn joined(&self) -> String {
        joined(&self.tokens)
    }

    /// Number of Chinese characters and of Latin words.
    pub fn count(&self) -> (usize, usize) {
        let han = self.tokens.iter().filter(|t| matches!(t, Token::Han(_))).count();
        (han, self.tokens.len() - han)
    }
}

/// Tokens as one text: words set off by spaces, characters not. Begins and ends with a space.
pub fn joined(tokens: &[Token]) -> String {
    let mut all = String::from(" ");
    for token in tokens {
        match token {
            Token::Han(c) => all.push(*c),
            Token::Word(word) => {
                if !all.ends_with(' ') {
                    all.push(' ');
                }
                all.push_str(word);
                all.push(' ');
            }
        }
    }
    if !all.ends_with(' ') {
        all.push(' ');
    }
    all
}

/// True for the characters that this module takes for Chinese.
pub fn is_han(c: char) -> bool {
    matches!(c, '\u{3400}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{323af}' | '〇')
}

fn fold(c: char, readings: &Readings) -> char {
    let c = readings.traditional(c);
    let group = SPELLINGS.iter().find(|group| group.contains(c));
    group.and_then(|group| group.chars().last()).unwrap_or(c)
}

fn tokens(text: &str, readings: &Readings) -> Vec<Token> {
    let mut all: Vec<Token> = Vec::new();
    let mut word = String::new();
    for c in text.chars().take(MAX_CHARACTERS).nfkc().flat_map(char::to_lowercase) {
        let c = if c == '\u{2019}' { '\'' } else { c };
        if is_han(c) {
            end_word(&mut word, &mut all);
            all.push(Token::Han(fold(c, readings)));
        } else if c.is_alphanumeric() || (c == '\'' && !word.is_empty()) {
            word.push(c);
        } else {
            end_word(&mut word, &mut all);
        }
    }
    end_word(&mut word, &mut all);
    join_letters(all)
}

fn end_word(word: &mut String, all: &mut Vec<Token>) {
    if word.is_empty() {
        return;
    }
    let done = std::mem::take(word);
    // "D" for 啲 is written between characters.
    match (done.as_str(), all.last()) {
        ("d", Some(Token::Han(_))) => all.push(Token::Han('啲')),
        _ => all.push(Token::Word(done.trim_end_matches('\'').to_owned())),
    }
}

/// Letters said one by one become one word: "s i m" is "sim". "i" and "a" alone are words.
fn join_letters(tokens: Vec<Token>) -> Vec<Token> {
    let letter =
        |token: &Token| matches!(token, Token::Word(w) if w.len() == 1 && w.as_bytes()[0].is_ascii_lowercase());
    let mut all = Vec::with_capacity(tokens.len());
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        let run = tokens.get(at..).unwrap_or_default().iter().take_while(|t| letter(t)).count();
        if run >= 2 {
            all.push(Token::Word(tokens.get(at..at + run).unwrap_or_default().iter().map(Token::text).collect()));
            at += run;
        } else {
            all.push(token.clone());
            at += 1;
        }
    }
    all
}

fn written(core: &[Token]) -> Vec<Token> {
    let mut all = Vec::with_capacity(core.len() + 4);
    let mut at = 0;
    while let Some(token) = core.get(at) {
        let best = match token {
            Token::Han(_) => {
                WRITTEN.iter().filter(|(from, _)| begins_with(core, at, from)).max_by_key(|(from, _)| from.len())
            }
            Token::Word(_) => None,
        };
        match best {
            Some((from, to)) => {
                all.extend(to.chars().map(Token::Han));
                at += from.chars().count();
            }
            None => {
                all.push(token.clone());
                at += 1;
            }
        }
    }
    all
}

fn begins_with(tokens: &[Token], at: usize, text: &str) -> bool {
    text.chars().enumerate().all(|(n, c)| tokens.get(at + n) == Some(&Token::Han(c)))
}

fn syllables(core: &[Token], readings: &Readings) -> Vec<String> {
    let mut all = Vec::with_capacity(core.len());
    let mut run: Vec<char> = Vec::new();
    for token in core {
        match token {
            Token::Han(c) => run.push(*c),
            Token::Word(word) => {
                all.extend(readings.syllables(&run).iter().map(|s| lazy(s)));
                run.clear();
                all.push(word.to_uppercase());
            }
        }
    }
    all.extend(readings.syllables(&run).iter().map(|s| lazy(s)));
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(tokens: &[Token]) -> String {
        tokens.iter().map(Token::text).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn views_of_mixed_speech() {
        let readings = Readings::load();
        let views = Views::of("我想ＣＨＥＣＫ下个bill呀！", &readings);
        assert_eq!(text(&views.tokens), "我 想 check 下 個 bill 呀");
        assert_eq!(text(&views.core), "我 想 check 下 個 bill");
        assert_eq!(views.syllables.join(" "), "o soeng CHECK haa go BILL");
        assert_eq!(views.joined(), " 我想 check 下個 bill 呀 ");
        assert_eq!(views.count(), (5, 2));
    }

    #[test]
    fn spellings_letters_and_written_view() {
        let readings = Readings::load();
        let table = [
            ("点解系甘", "點 解 係 咁", "為 什 麼 是 這 麼"),
            ("我s i m card唔見左", "我 sim card 唔 見 咗", "我 sim card 丟 失"),
            ("有冇平D嘅plan", "有 冇 平 啲 嘅 plan", "有 沒 有 平 些 的 plan"),
            ("I can't hear", "i can't hear", "i can't hear"),
        ];
        for (said, tokens, written) in table {
            let views = Views::of(said, &readings);
            assert_eq!(text(&views.tokens), tokens);
            assert_eq!(text(&views.written), written);
        }
    }

    #[test]
    fn only_particles_and_nothing() {
        let readings = Readings::load();
        assert_eq!(text(&Views::of("啊", &readings).core), "啊");
        assert!(Views::of("…！？ ", &readings).core.is_empty());
        assert!(Views::of(&"長".repeat(5000), &readings).tokens.len() <= MAX_CHARACTERS);
    }
}
