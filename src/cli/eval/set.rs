//! The set of recordings: JSON lines, CSV or TSV. Every mistake is told with its file and line.

use std::error::Error;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::speech::Language;

/// What a recording's text is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Spoken {
    /// One language.
    One(Language),
    /// Several in one sentence; with the one that it is in the main, where that is told.
    Mixed(Option<Language>),
}

impl Spoken {
    /// How the set writes it, without the main language of a mixture.
    pub fn code(self) -> &'static str {
        match self {
            Self::One(language) => language.code(),
            Self::Mixed(_) => "mixed",
        }
    }

    /// The language that a recogniser is expected to name.
    pub fn language(self) -> Option<Language> {
        match self {
            Self::One(language) => Some(language),
            Self::Mixed(main) => main,
        }
    }

    fn read(text: &str) -> Result<Self, String> {
        let language = |code: &str| code.parse::<Language>().map_err(|_| unknown(text));
        match text.trim() {
            "mixed" => Ok(Self::Mixed(None)),
            other => match other.strip_prefix("mixed-") {
                Some(main) => Ok(Self::Mixed(Some(language(main)?))),
                None => Ok(Self::One(language(other)?)),
            },
        }
    }
}

fn unknown(text: &str) -> String {
    format!("'{text}' is no language of a set; expected yue, cmn, eng, mixed, mixed-yue, mixed-cmn or mixed-eng")
}

/// One recording.
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    /// File, from where the program runs.
    pub audio: PathBuf,
    /// What was said.
    pub text: String,
    /// In what.
    pub spoken: Spoken,
    /// What else it belongs to.
    pub tags: Vec<String>,
    /// Where the first word begins and ends, ms, where the set says so.
    pub first_word_ms: Option<[u32; 2]>,
}

#[derive(Debug, Deserialize)]
struct Line {
    audio: PathBuf,
    text: String,
    #[serde(default)]
    language: Option<String>,
    #[serde(default)]
    tags: Vec<String>,
    #[serde(default)]
    first_word_ms: Option<[u32; 2]>,
}

/// Columns of a CSV or TSV file.
const COLUMNS: [&str; 4] = ["audio", "text", "language", "tags"];

/// Reads a set by the ending of its name: `.csv`, `.tsv`, anything else is JSON lines. Audio is relative to the file.
pub fn read(path: &Path) -> Result<Vec<Item>, Box<dyn Error>> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let ending = path.extension().and_then(|e| e.to_str()).map(str::to_ascii_lowercase);
    let lines = text.trim_start_matches('\u{FEFF}').lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut items = Vec::new();
    let mut header: Option<Vec<usize>> = None;
    for (number, line) in lines {
        let place = |problem: String| format!("{}:{}: {problem}", path.display(), number + 1);
        let line = match ending.as_deref() {
            Some("csv" | "tsv") => {
                let fields = if ending.as_deref() == Some("csv") { fields(line).map_err(place)? } else { tabs(line) };
                let Some(columns) = &header else {
                    header = Some(columns(&fields).map_err(place)?);
                    continue;
                };
                row(columns, fields).map_err(place)?
            }
            _ => serde_json::from_str(line).map_err(|error| place(error.to_string()))?,
        };
        items.push(item(line, folder).map_err(place)?);
    }
    if items.is_empty() {
        return Err(format!("{}: no recordings in it", path.display()).into());
    }
    Ok(items)
}

fn item(line: Line, folder: &Path) -> Result<Item, String> {
    let spoken = match line.language.as_deref() {
        Some(text) => Spoken::read(text)?,
        None => return Err(format!("no language; {}", unknown(""))),
    };
    if line.first_word_ms.is_some_and(|[begin, end]| begin >= end) {
        return Err("first_word_ms ends before it begins".to_owned());
    }
    let tags = line.tags.into_iter().map(|tag| tag.trim().to_owned()).filter(|tag| !tag.is_empty()).collect();
    let first_word_ms = line.first_word_ms;
    Ok(Item { audio: folder.join(line.audio), text: line.text, spoken, tags, first_word_ms })
}

/// For each column of the file, its place in [`COLUMNS`].
fn columns(fields: &[String]) -> Result<Vec<usize>, String> {
    let expected = || format!("expected a header of {} (tags may be missing)", COLUMNS.join(", "));
    let mut places = Vec::new();
    for field in fields {
        let name = field.trim().to_ascii_lowercase();
        let place = COLUMNS.iter().position(|column| *column == name);
        places.push(place.ok_or_else(|| format!("unknown column '{field}'; {}", expected()))?);
    }
    if (0..3).any(|needed| !places.contains(&needed)) {
        return Err(expected());
    }
    Ok(places)
}

fn row(columns: &[usize], fields: Vec<String>) -> Result<Line, String> {
    if fields.len() != columns.len() {
        return Err(format!("{} fields where the header has {}", fields.len(), columns.len()));
    }
    let mut by_name: [String; 4] = Default::default();
    for (place, field) in columns.iter().zip(fields) {
        by_name[*place] = field;
    }
    let [audio, text, language, tags] = by_name;
    let tags = tags.split([';', '|']).map(str::to_owned).collect();
    Ok(Line { audio: audio.trim().into(), text, language: Some(language), tags, first_word_ms: None })
}

fn tabs(line: &str) -> Vec<String> {
    line.split('\t').map(str::to_owned).collect()
}

/// Fields of a CSV line (RFC 4180, without line breaks inside quotes).
fn fields(line: &str) -> Result<Vec<String>, String> {
    let (mut all, mut field, mut quoted) = (Vec::new(), String::new(), false);
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                field.push('"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => all.push(std::mem::take(&mut field)),
            other => field.push(other),
        }
    }
    if quoted {
        return Err("a quote is not closed on its line".to_owned());
    }
    all.push(field);
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_as(ending: &str, text: &str) -> Result<Vec<Item>, String> {
        let name = format!("tingwa-eval-{}-{:x}.{ending}", std::process::id(), text.len());
        let path = std::env::temp_dir().join(name);
        std::fs::write(&path, text).unwrap();
        let items = read(&path).map_err(|error| error.to_string());
        std::fs::remove_file(&path).unwrap();
        items
    }

    #[test]
    fn a_set_is_read_and_its_mistakes_are_placed() {
        let good = r#"{"audio": "a.wav", "text": "好", "language": "yue", "tags": ["short", " "], "voice": "x"}"#;
        let items = read_as("jsonl", &format!("{good}\n\n{}\n", good.replace("\"yue\"", "\"mixed-yue\""))).unwrap();
        let spoken: Vec<_> = items.iter().map(|item| item.spoken).collect();
        assert_eq!(spoken, [Spoken::One(Language::Cantonese), Spoken::Mixed(Some(Language::Cantonese))]);
        assert_eq!(items[0].tags, ["short"]);
        assert_eq!(items[0].audio, std::env::temp_dir().join("a.wav"));
        for (text, problem) in [
            (format!("{good}\n{}", good.replace("yue", "xx")), ":2: 'xx' is no language of a set"),
            (format!("{good}\n{{"), ":2: "),
            (r#"{"audio": "a.wav", "text": "好"}"#.to_owned(), ":1: no language"),
            (good.replace("\"voice\": \"x\"", "\"first_word_ms\": [9, 3]"), ":1: first_word_ms ends"),
            ("\n".to_owned(), "no recordings"),
        ] {
            let told = read_as("jsonl", &text).unwrap_err();
            assert!(told.contains(problem), "{told}");
        }
    }

    #[test]
    fn tables_are_read_by_their_header() {
        let csv = "audio,text,language,tags\na.flac,\"hello, \"\"world\"\"\",eng,a;b\nb.ogg,你好,cmn,\n";
        let items = read_as("csv", csv).unwrap();
        assert_eq!((items[0].text.as_str(), items[0].tags.join("+")), ("hello, \"world\"", "a+b".to_owned()));
        assert_eq!((items[1].spoken, items[1].tags.len()), (Spoken::One(Language::Mandarin), 0));
        let tsv = "language\taudio\ttext\nmixed\ta.mp3\t想 cancel 個 plan\n";
        assert_eq!(read_as("tsv", tsv).unwrap()[0].spoken, Spoken::Mixed(None));
        for (ending, text, problem) in [
            ("csv", "audio,text\na,b\n", ":1: expected a header of audio, text, language, tags"),
            ("csv", "audio,text,language,colour\n", ":1: unknown column 'colour'"),
            ("csv", "audio,text,language\na,\"b,yue\n", ":2: a quote is not closed"),
            ("tsv", "audio\ttext\tlanguage\na\tb\n", ":2: 2 fields where the header has 3"),
            ("tsv", "audio\ttext\tlanguage\na\tb\tklingon\n", ":2: 'klingon' is no language"),
        ] {
            let told = read_as(ending, text).unwrap_err();
            assert!(told.contains(problem), "{told}");
        }
    }
}
