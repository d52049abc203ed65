//! Search on a hotline's entries: paraphrases in three languages, homophones as a recogniser writes them, and what no entry
//! answers. `tests/data/knowledge`: entries.tsv is what is stored, asked.tsv what is asked. The
//! weights `TOGETHER`, `FEEBLE` and `STANDS_OUT` were chosen with these tables in view: expect less of other tables.

use super::*;
use crate::conversation::readings::Readings;

const ENTRIES: &str = include_str!("../../../tests/data/knowledge/entries.tsv");
const ASKED: &str = include_str!("../../../tests/data/knowledge/asked.tsv");

/// Rows of a table: fields, without comments.
fn rows(table: &str) -> impl Iterator<Item = Vec<&str>> {
    table.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).map(|line| line.split('\t').collect())
}

fn hotline(readings: &Readings) -> (Vec<&'static str>, Knowledge) {
    let mut names: Vec<&str> = Vec::new();
    let mut examples = Vec::new();
    for row in rows(ENTRIES) {
        let (name, text) = (row[0], row[1]);
        if !names.contains(&name) {
            names.push(name);
        }
        let entry = names.iter().position(|n| *n == name).unwrap();
        examples.push((Views::of(text, readings), entry));
    }
    let knowledge = Knowledge::new(&examples);
    (names, knowledge)
}

#[test]
fn finds_the_question_and_nothing_else() {
    let readings = Readings::load();
    let stored = [
        "點樣開通語音信箱",
        "怎么开通语音信箱",
        "how do i set up voicemail",
        "轉台要幾耐",
        "how long does porting take",
    ];
    let examples: Vec<_> = stored.iter().zip([0, 0, 0, 1, 1]).map(|(t, n)| (Views::of(t, &readings), n)).collect();
    let knowledge = Knowledge::new(&examples);
    let find = |text| knowledge.find(&Views::of(text, &readings), |_| true).map(|(n, _)| n);
    assert_eq!(find("點樣開通語音訊箱呀"), Some(0));
    assert_eq!(find("how do i set up my voicemail"), Some(0));
    assert_eq!(find("轉台要幾奈"), Some(1));
    assert_eq!(find("我想食飯"), None);
    assert_eq!(find(""), None);
    let only_the_first = knowledge.find(&Views::of("轉台要幾耐", &readings), |entry| entry == 0);
    assert_eq!(only_the_first, None, "an entry that does not count is not found");
}

#[test]
fn paraphrases_of_three_languages_and_homophones_are_found_and_the_rest_is_not() {
    let readings = Readings::load();
    let (names, knowledge) = hotline(&readings);
    let (mut right, mut asked, mut refused, mut outside) = (0, 0, 0, 0);
    let mut wrong = Vec::new();
    for row in rows(ASKED) {
        let (expected, text) = (row[0], row[1]);
        let views = Views::of(text, &readings);
        let found = knowledge.find(&views, |_| true).map_or("none", |(entry, _)| names[entry]);
        let best = knowledge.rank(&views, 1).first().map(|hit| (names[hit.entry], hit.likeness));
        if expected == "none" {
            outside += 1;
            refused += usize::from(found == "none");
        } else {
            asked += 1;
            right += usize::from(found == expected);
        }
        if found != expected {
            wrong.push(format!("{text}: {found}, expected {expected}; best {best:?}"));
        }
    }
    let report = format!(
        "{right} of {asked} found, {refused} of {outside} refused, threshold {:.2}\n{}",
        knowledge.threshold(),
        wrong.join("\n")
    );
    println!("{report}");
    assert!(asked >= 60 && outside >= 15, "{asked} {outside}");
    assert!(right * 100 >= asked * 90, "{report}");
    assert!(refused * 100 >= outside * 90, "{report}");
}

#[test]
fn hits_say_how_they_came_about() {
    let readings = Readings::load();
    let (names, knowledge) = hotline(&readings);
    let hits = knowledge.rank(&Views::of("點樣改其預約", &readings), 3);
    assert!(hits.len() == 3 && hits.windows(2).all(|pair| pair[0].likeness >= pair[1].likeness), "{hits:?}");
    assert_eq!(names[hits[0].entry], "reschedule");
    let sum: f32 = hits[0].by_view.iter().sum();
    assert!((sum - 1.0).abs() < 1e-3 && hits[0].by_view[2] > 0.2, "{hits:?}");
    assert!(knowledge.rank(&Views::of("", &readings), 3).is_empty());
}
