//! The recordings that were heard worst, with what was said and what was heard set against each other.

use std::fmt::Write;

use super::figures::Outcome;
use super::html::{COLOURS, legend};
use super::plot::escape;
use super::{Report, Run};
use crate::engine::recogniser::text::is_chinese;
use crate::engine::score::Edit;

/// Recordings that are listed.
const LISTED: usize = 40;

/// A table of the worst recordings of the first run, and what the second made of them.
pub fn table(report: &Report, shown: &[Run]) -> String {
    let Some(first) = shown.first() else { return String::new() };
    let mut order: Vec<&Outcome> = first.outcomes.iter().filter(|outcome| !outcome.is_right()).collect();
    order.sort_by(|a, b| b.errors.rate().total_cmp(&a.errors.rate()).then(b.errors.total().cmp(&a.errors.total())));
    if order.is_empty() {
        return "<p>全部正確。Every recording was heard right.</p>\n".to_owned();
    }
    let wrong = order.len();
    let mut out = legend(shown);
    let _ = write!(
        out,
        "<p class=\"soft\"><span class=\"s\">替換 substituted</span> <span class=\"d\">漏字 deleted</span> <span class=\"i\">多字 inserted</span> \
         · {} / {wrong}</p>\n<div class=\"wide\"><table>\n<thead><tr><th>錄音<small>recording</small></th>\
         <th class=\"left\">講與聽<small>said and heard</small></th><th>錯<small>errors</small></th></tr></thead>\n<tbody>\n",
        wrong.min(LISTED)
    );
    for outcome in order.into_iter().take(LISTED) {
        let Some(item) = report.items.get(outcome.item) else { continue };
        let name = item.audio.file_name().unwrap_or_default().to_string_lossy();
        let tags: String = item.tags.iter().map(|tag| format!(" #{}", escape(tag))).collect();
        let mut lines = format!("<div><i>講 said</i><span>{}</span></div>", said(&outcome.edits));
        let mut errors = Vec::new();
        for (number, run) in shown.iter().enumerate() {
            let Some(own) = run.outcomes.iter().find(|other| other.item == outcome.item) else { continue };
            let key = if shown.len() > 1 {
                format!("<b class=\"key {}\"></b>", COLOURS[number % COLOURS.len()])
            } else {
                String::new()
            };
            let _ = write!(lines, "<div><i>{key}聽 heard</i><span>{}</span></div>", heard(&own.edits));
            errors.push(format!("{} / {}", own.errors.total(), own.errors.reference));
        }
        let _ = writeln!(
            out,
            "<tr><td class=\"file\">{} {}<br>{}{tags}</td><td class=\"text\">{lines}</td><td>{}</td></tr>",
            item.spoken.code(),
            outcome.confidence_mark(),
            escape(&name),
            errors.join("<br>")
        );
    }
    out + "</tbody></table></div>\n"
}

impl Outcome {
    /// The confidence, where it is one.
    fn confidence_mark(&self) -> String {
        if self.confidence < 1.0 { format!("· {:.2}", self.confidence) } else { String::new() }
    }
}

/// What was said: what was missed of it or taken for another is marked.
fn said(edits: &[Edit]) -> String {
    joined(edits.iter().filter_map(|edit| match edit {
        Edit::Right(text) => Some(("", text)),
        Edit::Substituted(text, _) => Some(("s", text)),
        Edit::Deleted(text) => Some(("d", text)),
        Edit::Inserted(_) => None,
    }))
}

/// What was heard: what is wrong in it is marked.
fn heard(edits: &[Edit]) -> String {
    let text = joined(edits.iter().filter_map(|edit| match edit {
        Edit::Right(text) => Some(("", text)),
        Edit::Substituted(_, text) => Some(("s", text)),
        Edit::Deleted(_) => None,
        Edit::Inserted(text) => Some(("i", text)),
    }));
    if text.is_empty() { "<span class=\"soft\">（甚麼都沒有 nothing）</span>".to_owned() } else { text }
}

/// Tokens as text: characters joined, a space beside each word.
fn joined<'a>(tokens: impl Iterator<Item = (&'static str, &'a String)>) -> String {
    let (mut out, mut after_word) = (String::new(), false);
    for (number, (class, text)) in tokens.enumerate() {
        let is_word = !text.chars().all(is_chinese);
        if number > 0 && (is_word || after_word) {
            out.push(' ');
        }
        after_word = is_word;
        let text = escape(text);
        if class.is_empty() {
            out += &text;
        } else {
            let _ = write!(out, "<span class=\"{class}\">{text}</span>");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::score::{align, tokens};

    #[test]
    fn what_is_wrong_is_marked_on_both_sides() {
        let edits = align(&tokens("我想 check 張單"), &tokens("我唔想 cheque 單"), &|a, b| a == b);
        assert_eq!(said(&edits), "我想 <span class=\"s\">check</span> <span class=\"d\">張</span>單");
        assert_eq!(heard(&edits), "我<span class=\"i\">唔</span>想 <span class=\"s\">cheque</span> 單");
        assert!(heard(&align(&tokens("好"), &[], &|a, b| a == b)).contains("nothing"));
    }
}
