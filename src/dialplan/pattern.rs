//! Patterns of dialled numbers as Asterisk writes them: `1823` exactly; `_2XXX` with X 0-9, Z 1-9, N 2-9, `[15-7]` one of
//! these, `.` one or more of anything, `!` none or more; and `re:^18\d\d$` for a regular expression.
//!
//! Is not Asterisk's choice among patterns: here the first match in file order wins. [`Pattern::asterisk_prefers`] tells
//! where Asterisk would choose differently, so that `check` can warn people who port an `extensions.conf`.

/// One pattern.
#[derive(Clone, Debug)]
pub struct Pattern {
    text: String,
    kind: Kind,
}

#[derive(Clone, Debug)]
enum Kind {
    Positions { places: Vec<Place>, tail: Tail },
    Regex(regex::Regex),
}

/// The characters that may stand at one place: a bit each of ASCII.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place(u128);

impl Place {
    fn of(c: char) -> Result<Self, PatternError> {
        if c.is_ascii() { Ok(Self(1 << u32::from(c))) } else { Err(PatternError::NotAscii(c)) }
    }
    /// Both ends included.
    fn range(from: char, to: char) -> Result<Self, PatternError> {
        let (Self(from), Self(to)) = (Self::of(from)?, Self::of(to)?);
        if from <= to { Ok(Self((to - from) | to)) } else { Err(PatternError::Set) }
    }
    fn has(self, c: char) -> bool {
        c.is_ascii() && self.0 & (1 << u32::from(c)) != 0
    }
    fn and(self, other: Self) -> Option<Self> {
        Some(Self(self.0 & other.0)).filter(|both| both.0 != 0)
    }
    fn is_within(self, other: Self) -> bool {
        self.0 & !other.0 == 0
    }
    fn first(self) -> char {
        u8::try_from(self.0.trailing_zeros()).map_or('?', char::from)
    }
}

/// What may follow the last place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tail {
    Nothing,
    OneOrMore,
    Any,
}

/// Why a text is no pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// Nothing in it.
    #[error("is empty")]
    Empty,
    /// `[` without `]`, or nothing between.
    #[error("has a '[' without its ']' or with nothing inside")]
    Set,
    /// Not a character that telephones send.
    #[error("has '{0}', which no number has")]
    NotAscii(char),
    /// Something after `.` or `!`.
    #[error("has something after '.' or '!'")]
    AfterTail,
    /// Not a regular expression.
    #[error("is no regular expression: {0}")]
    Regex(String),
    /// Longer than any number.
    #[error("is longer than {MAX_LENGTH} characters")]
    TooLong,
}

/// Longest pattern, in characters.
pub const MAX_LENGTH: usize = 128;

impl std::str::FromStr for Pattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        if text.chars().count() > MAX_LENGTH {
            return Err(PatternError::TooLong);
        }
        let kind = if let Some(expression) = text.strip_prefix("re:") {
            let built = regex::RegexBuilder::new(expression).size_limit(1 << 18).build();
            Kind::Regex(built.map_err(|error| PatternError::Regex(last_line(&error.to_string())))?)
        } else if let Some(pattern) = text.strip_prefix('_') {
            positions(pattern)?
        } else {
            Kind::Positions { places: text.chars().map(Place::of).collect::<Result<_, _>>()?, tail: Tail::Nothing }
        };
        if let Kind::Positions { places, tail } = &kind
            && places.is_empty()
            && *tail == Tail::Nothing
        {
            return Err(PatternError::Empty);
        }
        Ok(Self { text: text.to_owned(), kind })
    }
}

fn last_line(text: &str) -> String {
    text.lines().last().unwrap_or("").trim_start_matches("error: ").to_owned()
}

fn positions(pattern: &str) -> Result<Kind, PatternError> {
    let mut places = Vec::new();
    let mut tail = Tail::Nothing;
    let mut rest = pattern.chars();
    while let Some(c) = rest.next() {
        if tail != Tail::Nothing {
            return Err(PatternError::AfterTail);
        }
        match c {
            'X' | 'x' => places.push(Place::range('0', '9')?),
            'Z' | 'z' => places.push(Place::range('1', '9')?),
            'N' | 'n' => places.push(Place::range('2', '9')?),
            '[' => places.push(set(&mut rest)?),
            '.' => tail = Tail::OneOrMore,
            '!' => tail = Tail::Any,
            '-' => {}
            literal => places.push(Place::of(literal)?),
        }
    }
    Ok(Kind::Positions { places, tail })
}

fn set(rest: &mut std::str::Chars<'_>) -> Result<Place, PatternError> {
    let (inside, after) = rest.as_str().split_once(']').ok_or(PatternError::Set)?;
    let chars: Vec<char> = inside.chars().collect();
    *rest = after.chars();
    let mut all = Place(0);
    let mut at = 0;
    while let Some(&from) = chars.get(at) {
        match (chars.get(at + 1), chars.get(at + 2)) {
            (Some('-'), Some(&to)) => {
                all.0 |= Place::range(from, to)?.0;
                at += 3;
            }
            _ => {
                all.0 |= Place::of(from)?.0;
                at += 1;
            }
        }
    }
    if all.0 == 0 { Err(PatternError::Set) } else { Ok(all) }
}

impl Pattern {
    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// True where the number matches.
    pub fn matches(&self, number: &str) -> bool {
        match &self.kind {
            Kind::Regex(regex) => regex.is_match(number),
            Kind::Positions { places, tail } => {
                let mut rest = number.chars();
                let all = places.iter().all(|place| rest.next().is_some_and(|c| place.has(c)));
                let left = rest.as_str();
                all && match tail {
                    Tail::Nothing => left.is_empty(),
                    Tail::OneOrMore => !left.is_empty(),
                    Tail::Any => true,
                }
            }
        }
    }

    /// A number that both match, where one is easily found. `None` for regular expressions.
    pub fn overlap(&self, other: &Self) -> Option<String> {
        let (Kind::Positions { places: a, tail: ta }, Kind::Positions { places: b, tail: tb }) =
            (&self.kind, &other.kind)
        else {
            return None;
        };
        let mut number = String::new();
        for at in 0..a.len().max(b.len()) {
            let common = match (a.get(at), b.get(at)) {
                (Some(x), Some(y)) => x.and(*y).map(Place::first),
                (Some(x), None) if *tb != Tail::Nothing => Some(x.first()),
                (None, Some(y)) if *ta != Tail::Nothing => Some(y.first()),
                _ => None,
            };
            number.push(common?);
        }
        if *ta == Tail::OneOrMore && a.len() >= b.len() || *tb == Tail::OneOrMore && b.len() >= a.len() {
            number.push('0');
        }
        (self.matches(&number) && other.matches(&number)).then_some(number)
    }

    /// The characters that every number it matches begins with; all of them where it is one number.
    pub fn prefix(&self) -> String {
        match &self.kind {
            Kind::Regex(_) => String::new(),
            Kind::Positions { places, .. } => {
                places.iter().take_while(|place| place.0.is_power_of_two()).map(|place| place.first()).collect()
            }
        }
    }

    /// The only number that it matches, where there is only one.
    fn only(&self) -> Option<String> {
        match &self.kind {
            Kind::Positions { places, tail: Tail::Nothing } => {
                Some(self.prefix()).filter(|number| number.len() == places.len())
            }
            Kind::Positions { .. } | Kind::Regex(_) => None,
        }
    }

    /// True where every number that `later` matches is already matched by this one. Of a regular expression that is known
    /// only where `later` is one number or the same expression.
    pub fn covers(&self, later: &Self) -> bool {
        let (Kind::Positions { places: a, tail: ta }, Kind::Positions { places: b, tail: tb }) =
            (&self.kind, &later.kind)
        else {
            return self.text == later.text || later.only().is_some_and(|number| self.matches(&number));
        };
        let places = a.iter().enumerate().all(|(at, place)| b.get(at).is_some_and(|other| other.is_within(*place)));
        places
            && match ta {
                Tail::Nothing => a.len() == b.len() && *tb == Tail::Nothing,
                Tail::OneOrMore => b.len() > a.len() || *tb == Tail::OneOrMore,
                Tail::Any => true,
            }
    }

    /// True where Asterisk would try this pattern before `other`: the first place that differs decides, fewer
    /// possibilities first; `.` and `!` last.
    pub fn asterisk_prefers(&self, other: &Self) -> bool {
        let (Kind::Positions { places: a, tail: ta }, Kind::Positions { places: b, tail: tb }) =
            (&self.kind, &other.kind)
        else {
            return false;
        };
        let weight = |places: &[Place], tail: Tail, at: usize| match places.get(at) {
            Some(place) => place.0.count_ones(),
            None if tail == Tail::OneOrMore => 1000,
            None if tail == Tail::Any => 2000,
            None => 0,
        };
        for at in 0..=a.len().max(b.len()) {
            let (x, y) = (weight(a, *ta, at), weight(b, *tb, at));
            if x != y {
                return x < y;
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn p(text: &str) -> Pattern {
        text.parse().unwrap()
    }

    #[test]
    fn patterns_match_as_in_asterisk() {
        let table = [
            ("1823", "1823", true),
            ("1823", "18230", false),
            ("_1823", "1823", true),
            ("_2XXX", "2999", true),
            ("_2XXX", "3999", false),
            ("_ZN", "11", false),
            ("_ZN", "92", true),
            ("_[15-7]X", "60", true),
            ("_[15-7]X", "40", false),
            ("_18.", "18", false),
            ("_18.", "189", true),
            ("_18!", "18", true),
            ("_9-1-1", "911", true),
            ("re:^18\\d\\d$", "1899", true),
            ("re:^18\\d\\d$", "01899", false),
        ];
        for (pattern, number, expected) in table {
            assert_eq!(p(pattern).matches(number), expected, "{pattern} {number}");
        }
    }

    #[test]
    fn bad_patterns_say_why() {
        assert_eq!("_".parse::<Pattern>().unwrap_err(), PatternError::Empty);
        assert_eq!("_1[".parse::<Pattern>().unwrap_err(), PatternError::Set);
        assert_eq!("_1.2".parse::<Pattern>().unwrap_err(), PatternError::AfterTail);
        assert_eq!("_1[9-1]".parse::<Pattern>().unwrap_err(), PatternError::Set);
        assert_eq!("１823".parse::<Pattern>().unwrap_err(), PatternError::NotAscii('１'));
        assert!(matches!("re:(".parse::<Pattern>().unwrap_err(), PatternError::Regex(_)));
    }

    #[test]
    fn overlaps_and_preferences() {
        let (wide, narrow) = (p("_18XX"), p("1823"));
        assert_eq!(wide.overlap(&narrow).as_deref(), Some("1823"));
        assert!(narrow.asterisk_prefers(&wide) && !wide.asterisk_prefers(&narrow));
        assert!(wide.covers(&narrow) && !narrow.covers(&wide));
        assert_eq!(p("_2X").overlap(&p("_3X")), None);
        assert!(p("_1X.").asterisk_prefers(&p("_1.")));
        assert!(p("re:^18").covers(&p("1823")) && !p("re:^18").covers(&p("_18XX")));
        assert_eq!([p("_18[2-3]X").prefix(), p("1823").prefix(), p("re:^18").prefix()], ["18", "1823", ""]);
        assert!(p("_1.").covers(&p("_12X")) && !p("_1.").covers(&p("1")));
    }
}
