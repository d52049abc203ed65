//! A transcript as Chinese characters and western words, and pieces back to a line.

/// A character or a word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tok {
    pub(super) text: String,
}

impl Tok {
    /// The Chinese character that it is.
    pub(super) fn han(&self) -> Option<char> {
        self.text.chars().next().filter(|c| !is_western(*c))
    }

    /// The western word that it is.
    pub(super) fn word(&self) -> Option<&str> {
        self.text.chars().next().is_some_and(is_western).then_some(self.text.as_str())
    }
}

fn is_western(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '\'' | '$' | '%' | ':' | '.' | '+' | '-')
}

/// Splits into characters and words; white space is gone.
pub(super) fn split(text: &str) -> Vec<Tok> {
    let (mut all, mut word) = (Vec::new(), String::new());
    let end = |word: &mut String, all: &mut Vec<Tok>| {
        if !word.is_empty() {
            all.push(Tok { text: std::mem::take(word) });
        }
    };
    for c in text.chars() {
        if is_western(c) {
            word.push(c);
        } else {
            end(&mut word, &mut all);
            if !c.is_whitespace() {
                all.push(Tok { text: c.to_string() });
            }
        }
    }
    end(&mut word, &mut all);
    all
}

/// Pieces as a line: a space between western ones, none beside Chinese ones.
pub(super) fn join(pieces: &[String]) -> String {
    let mut line = String::new();
    for piece in pieces {
        let beside = |c: Option<char>| c.is_some_and(|c| is_western(c) || c == ')');
        if beside(line.chars().next_back()) && piece.chars().next().is_some_and(is_western) {
            line.push(' ');
        }
        line.push_str(piece);
    }
    line
}

/// The characters at `at` are these.
pub(super) fn follows(said: &[Tok], at: usize, text: &str) -> bool {
    let mut place = at;
    text.chars().all(|c| {
        let same = said.get(place).is_some_and(|tok| tok.han() == Some(c));
        place += 1;
        same
    })
}

/// The first of `texts` that is at `at`, and its length in characters.
pub(super) fn one_of(said: &[Tok], at: usize, texts: &[&'static str]) -> Option<(&'static str, usize)> {
    texts.iter().find(|text| follows(said, at, text)).map(|text| (*text, text.chars().count()))
}

/// The word at `at` is this.
pub(super) fn is_word(said: &[Tok], at: usize, word: &str) -> bool {
    said.get(at).and_then(Tok::word) == Some(word)
}

/// Nothing follows, or only particles that end a sentence.
pub(super) fn ends(said: &[Tok], at: usize) -> bool {
    said.get(at).is_none_or(|tok| tok.han().is_some_and(|c| "呀啦喇喎囉㗎嘞吖啊架咋咩嗎吗呢吧，。？！".contains(c)))
}
