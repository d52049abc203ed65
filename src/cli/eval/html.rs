//! The report as one page that needs nothing else: for a screen, light or dark, and for paper.

use super::figures::{Calibration, Figures, Latency, Spread, confusions};
use super::plot::{self, Bar, escape};
use super::worst;
use super::{Report, Run};

const STYLE: &str = include_str!("report.css");
/// Colours of recognisers, and of languages in the plot over lines.
pub(super) const COLOURS: [&str; 4] = ["first", "second", "third", "fourth"];
/// Confusions that are listed.
const CONFUSIONS: usize = 36;
/// Bars of tags: the most frequent ones.
const TAG_BARS: usize = 30;

/// The page. Plots, confusions and recordings are those of the first line; the last table has all.
pub fn page(report: &Report) -> String {
    let shown = shown(report);
    let mut body = head(report);
    body += &cards(report, shown);
    body += &section("總表", "Summary", &(legend(shown) + &summary(report, shown)));
    body += &section("錯誤率", "Error rates", &error_bars(shown));
    body += &section("延遲", "Latency", &latency(shown));
    body += &section("信心度", "Confidence", &confidence(shown));
    if report.runs.len() > shown.len() {
        body += &section("線路狀況", "Lines", &lines(report, shown.len()));
    }
    body += &section("混淆", "Confusions", &confusion_lists(shown));
    body += &long_section("最差語句", "Worst recordings", &worst::table(report, shown));
    let title = format!("聽寫評測 · {}", escape(&report.set));
    format!(
        "<!DOCTYPE html>\n<html lang=\"zh-Hant-HK\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{title}</title>\n\
         <style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n{body}</main>\n</body>\n</html>\n"
    )
}

/// The runs over the first line: one, or two side by side.
fn shown(report: &Report) -> &[Run] {
    report.runs.chunk_by(|a, b| a.condition == b.condition).next().unwrap_or(&[])
}

fn section(chinese: &str, english: &str, body: &str) -> String {
    format!("<section>\n<h2>{chinese} <small>{english}</small></h2>\n{body}</section>\n")
}

fn long_section(chinese: &str, english: &str, body: &str) -> String {
    section(chinese, english, body).replacen("<section>", "<section class=\"long\">", 1)
}

fn colour(number: usize) -> &'static str {
    COLOURS[number % COLOURS.len()]
}

fn percent(share: f64) -> String {
    format!("{:.1} %", 100.0 * share)
}

fn head(report: &Report) -> String {
    let recognisers: Vec<String> =
        shown(report).iter().map(|run| format!("<code>{}</code>", escape(&run.recogniser))).collect();
    let condition = shown(report).first().map_or("", |run| run.condition.as_str());
    let seconds =
        shown(report).first().map_or(0.0, |run| run.outcomes.iter().map(|o| o.times.audio).sum::<f64>()) / 1000.0;
    format!(
        "<h1>聽寫評測<small>Recognition report</small></h1>\n<p class=\"meta\">{} · {} 段錄音 recordings, {:.1} 分鐘 minutes · \
         <code>{}</code> · 線路 line: {} · tingwa {}</p>\n",
        recognisers.join(" 對 against "),
        report.items.len(),
        seconds / 60.0,
        escape(&report.set),
        escape(condition),
        env!("CARGO_PKG_VERSION")
    )
}

fn all_of(run: &Run) -> Figures {
    run.groups.languages.get("all").cloned().unwrap_or_default()
}

fn cards(report: &Report, shown: &[Run]) -> String {
    let all: Vec<Figures> = shown.iter().map(all_of).collect();
    let card = |chinese: &str, english: &str, of: &dyn Fn(&Figures) -> String| {
        let mark =
            |n: usize| if all.len() > 1 { format!("<i class=\"key {}\"></i>", colour(n)) } else { String::new() };
        let values: Vec<String> =
            all.iter().enumerate().map(|(n, figures)| format!("<b>{}{}</b>", mark(n), of(figures))).collect();
        format!("<div class=\"card\">{}<span>{chinese} {english}</span></div>\n", values.join(""))
    };
    let mut out = "<div class=\"cards\">\n".to_owned();
    out += &card("錯誤率", "error rate", &|f| percent(f.error_rate));
    out += &card("全句正確", "sentences right", &|f| percent(f.right));
    out += &card("語言正確", "language right", &|f| f.language_right.map_or_else(|| "–".to_owned(), percent));
    out += &card("定稿", "final after endpoint, p95", &|f| format!("{:.1} ms", f.latency.finish.p95));
    out += &card("實時比", "CPU per second of audio", &|f| format!("{:.4}", f.real_time_factor));
    let condition = shown.first().map(|run| &run.condition);
    let overall = report.differences.iter().find(|line| Some(&line.condition) == condition && line.group == "all");
    if let Some(line) = overall {
        let d = line.difference;
        let class = match (d.is_sure(), d.rate < 0.0) {
            (false, _) => "",
            (true, true) => "good",
            (true, false) => "bad",
        };
        let sure = if d.is_sure() { "" } else { "，未能確定 not sure" };
        out += &format!(
            "<div class=\"card\"><b class=\"{class}\">{:+.1}</b><span>相差（百分點）second less first, points; 95 %: {:+.1} … {:+.1}{sure}</span></div>\n",
            100.0 * d.rate,
            100.0 * d.low,
            100.0 * d.high
        );
    }
    out + "</div>\n"
}

/// Which colour is whose, where there are two.
pub(super) fn legend(shown: &[Run]) -> String {
    if shown.len() < 2 {
        return String::new();
    }
    let keys = shown
        .iter()
        .enumerate()
        .map(|(n, run)| format!("<span><i class=\"key {}\"></i>{}</span>", colour(n), escape(&run.recogniser)));
    format!("<div class=\"legend\">{}</div>\n", keys.collect::<Vec<_>>().join(""))
}

fn summary(report: &Report, shown: &[Run]) -> String {
    let by_sound = if report.by_sound { "<th>同音不計<small>by sound</small></th>" } else { "" };
    let mut out = format!(
        "<div class=\"wide\"><table>\n<thead><tr><th>語言、標籤<small>language, tag</small></th><th>語句<small>utterances</small></th>\
         <th>字詞<small>tokens</small></th><th>錯誤率<small>error rate</small></th><th>替換<small>S</small></th>\
         <th>漏字<small>D</small></th><th>多字<small>I</small></th>{by_sound}<th>全句正確<small>right</small></th>\
         <th>語言正確<small>language</small></th><th>實時比<small>CPU/s</small></th></tr></thead>\n<tbody>\n"
    );
    let mut is_first_tag = true;
    for (name, is_tag) in names(shown) {
        let class = match (name.as_str(), is_tag && std::mem::take(&mut is_first_tag)) {
            (_, true) => " class=\"sep\"",
            ("all", _) => " class=\"all\"",
            _ => "",
        };
        for (number, run) in shown.iter().enumerate() {
            let group = if is_tag { &run.groups.tags } else { &run.groups.languages };
            let Some(f) = group.get(&name) else { continue };
            let class = if number == 0 || !is_tag { class } else { "" };
            let key = if shown.len() > 1 { format!("<i class=\"key {}\"></i>", colour(number)) } else { String::new() };
            let sound =
                if report.by_sound { format!("<td>{}</td>", percent(f.error_rate_by_sound)) } else { String::new() };
            out += &format!(
                "<tr{class}><td>{key}{}</td><td>{}</td><td>{}</td><td>{} {}</td><td>{}</td><td>{}</td><td>{}</td>{sound}<td>{}</td><td>{}</td><td>{:.4}</td></tr>\n",
                label(&name, is_tag),
                f.utterances,
                f.tokens,
                f.unit,
                percent(f.error_rate),
                f.substitutions,
                f.deletions,
                f.insertions,
                percent(f.right),
                f.language_right.map_or_else(|| "–".to_owned(), percent),
                f.real_time_factor
            );
        }
    }
    out + "</tbody></table></div>\n"
}

/// Languages and then tags, with whether it is a tag.
fn names(shown: &[Run]) -> Vec<(String, bool)> {
    let Some(run) = shown.first() else { return Vec::new() };
    let languages = run.groups.languages_in_order().into_iter().map(|(name, _)| (name.to_owned(), false));
    languages.chain(run.groups.tags.keys().map(|name| (name.clone(), true))).collect()
}

/// A group in both languages.
fn label(name: &str, is_tag: bool) -> String {
    match (name, is_tag) {
        (tag, true) => format!("#{}", escape(tag)),
        ("all", _) => "全部 all".to_owned(),
        ("yue", _) => "粵語 yue".to_owned(),
        ("cmn", _) => "普通話 cmn".to_owned(),
        ("eng", _) => "英語 eng".to_owned(),
        (other, _) => format!("混合 {}", escape(other)),
    }
}

fn error_bars(shown: &[Run]) -> String {
    let draw = |title: &str, wants_tags: bool| {
        let mut all = Vec::new();
        for (name, _) in names(shown).into_iter().filter(|(_, is_tag)| *is_tag == wants_tags).take(TAG_BARS) {
            for (number, run) in shown.iter().enumerate() {
                let group = if wants_tags { &run.groups.tags } else { &run.groups.languages };
                let Some(f) = group.get(&name) else { continue };
                let share = |part: u64| part as f64 / f.tokens.max(1) as f64;
                let parts = if shown.len() > 1 {
                    vec![(colour(number), f.error_rate)]
                } else {
                    vec![("sub", share(f.substitutions)), ("del", share(f.deletions)), ("ins", share(f.insertions))]
                };
                let label = if number == 0 { plain(&name, wants_tags) } else { String::new() };
                all.push(Bar { label, note: percent(f.error_rate), parts });
            }
        }
        if all.is_empty() { String::new() } else { plot::bars(title, &all) }
    };
    let keys = if shown.len() > 1 {
        legend(shown)
    } else {
        "<div class=\"legend\"><span><i class=\"key sub\"></i>替換 substituted</span><span><i class=\"key del\"></i>漏字 deleted</span>\
         <span><i class=\"key ins\"></i>多字 inserted</span></div>\n"
            .to_owned()
    };
    keys + &draw("Error rate by language", false) + &draw("Error rate by tag", true)
}

/// A group's label where markup is escaped later.
fn plain(name: &str, is_tag: bool) -> String {
    if is_tag { format!("#{name}") } else { label(name, false) }
}

type OfLatency = fn(&Latency) -> Spread;

fn latency(shown: &[Run]) -> String {
    let rows: [(&str, &str, OfLatency); 6] = [
        ("首個猜測，第一個字開始後", "first guess after the first word begins", |l| l.partial_after_begin),
        ("首個猜測，第一個字完結後", "first guess after the first word ends", |l| l.partial_after_word),
        ("猜到最後一個字，講完後", "guess with the last word after speech ends", |l| l.last_word),
        ("判斷講完，講完後", "endpoint after speech ends", |l| l.endpoint),
        ("定稿，判斷講完後", "final after the endpoint", |l| l.finish),
        ("同上，處理器時間", "the same, processor time", |l| l.finish_processor),
    ];
    let mut out = legend(shown)
        + "<div class=\"wide\"><table>\n<thead><tr><th>毫秒<small>ms</small></th><th>數目<small>count</small></th><th>p50</th><th>p90</th>\
           <th>p95</th><th>p99</th><th>最長<small>max</small></th></tr></thead>\n<tbody>\n";
    for (chinese, english, of) in rows {
        for (number, run) in shown.iter().enumerate() {
            let s = of(&all_of(run).latency);
            if s.count == 0 {
                continue;
            }
            let key = if shown.len() > 1 { format!("<i class=\"key {}\"></i>", colour(number)) } else { String::new() };
            out += &format!(
                "<tr><td>{key}{chinese} <span class=\"soft\">{english}</span></td><td>{}</td><td>{:.1}</td><td>{:.1}</td><td>{:.1}</td><td>{:.1}</td><td>{:.1}</td></tr>\n",
                s.count, s.p50, s.p90, s.p95, s.p99, s.max
            );
        }
    }
    out += "</tbody></table></div>\n<div class=\"two\" style=\"margin-top:18px\">\n";
    type OfTimes = fn(&super::figures::Times) -> Option<f64>;
    let plots: [(&str, &str, OfTimes); 3] = [
        ("首個猜測", "first guess after the first word begins, ms", |t| t.partial_after_begin),
        ("最後一個字", "guess with the last word after speech ends, ms", |t| t.last_word),
        ("定稿", "final after the endpoint, ms", |t| Some(t.finish)),
    ];
    for (chinese, english, of) in plots {
        let series: Vec<(&'static str, Vec<f64>)> = shown
            .iter()
            .enumerate()
            .map(|(n, run)| (colour(n), run.outcomes.iter().filter_map(|o| of(&o.times)).collect()))
            .collect();
        let drawn = plot::histogram(english, &series);
        if !drawn.is_empty() {
            out += &format!("<div><h3>{chinese} <small>{english}</small></h3>\n{drawn}</div>\n");
        }
    }
    out += "</div>\n<p class=\"note\">";
    for run in shown {
        let name = if shown.len() > 1 { format!("<b>{}</b> · ", escape(&run.recogniser)) } else { String::new() };
        out += &format!(
            "{name}講完一個字 350 毫秒內有猜測 guess within 350 ms of a word's end: {} · 判斷講完 100 毫秒內定稿 final within 100 ms \
             of the endpoint: {}<br>\n",
            percent(run.marks.word_350),
            percent(run.marks.final_100)
        );
    }
    out + "</p>\n<p class=\"soft note\">語音起止由音量估計。Where speech begins and ends is judged by level, unless the set gives \
           <code>first_word_ms</code>.</p>\n"
}

fn confidence(shown: &[Run]) -> String {
    let told = |run: &Run| {
        let Calibration { has_none, expected_error, brier, .. } = run.calibration;
        let name = escape(&run.recogniser);
        if has_none {
            format!(
                "<p><b>{name}</b>：引擎沒有自己的信心度（全部為 1）。This engine has no confidence of its own (1 everywhere).</p>\n"
            )
        } else {
            format!("<p><b>{name}</b>：校準誤差 calibration error (ECE) {expected_error:.3} · Brier {brier:.3}</p>\n")
        }
    };
    let text: String = shown.iter().map(told).collect();
    let series: Vec<_> = shown
        .iter()
        .enumerate()
        .filter(|(_, run)| !run.calibration.has_none)
        .map(|(number, run)| (colour(number), run.calibration.bins.as_slice()))
        .collect();
    if series.is_empty() {
        return text;
    }
    let drawn = plot::reliability("Reliability", &series).replacen("<svg ", "<svg class=\"small\" ", 1);
    text + &legend(shown) + &drawn
}

/// Of each condition what not all of them have.
fn differing(conditions: &[&str]) -> Vec<String> {
    let is_everywhere = |part: &&str| conditions.iter().all(|other| other.split(", ").any(|own| own == *part));
    let shorten = |condition: &&str| {
        let own: Vec<&str> = condition.split(", ").filter(|part| !is_everywhere(part)).collect();
        if own.is_empty() { "–".to_owned() } else { own.join(", ") }
    };
    conditions.iter().map(shorten).collect()
}

/// Error rates over all lines: a plot and a table.
fn lines(report: &Report, together: usize) -> String {
    let together = together.max(1);
    let conditions: Vec<&str> = report.runs.iter().step_by(together).map(|run| run.condition.as_str()).collect();
    let places = differing(&conditions);
    let rates = |offset: usize, group: &str| -> Vec<f64> {
        let own = report.runs.iter().skip(offset).step_by(together);
        own.map(|run| run.groups.languages.get(group).map_or(0.0, |f| f.error_rate)).collect()
    };
    let series: Vec<(&'static str, String, Vec<f64>)> = if together > 1 {
        let names = report.runs.iter().take(together).map(|run| run.recogniser.clone());
        names.enumerate().map(|(number, name)| (colour(number), name, rates(number, "all"))).collect()
    } else {
        let groups = report.runs.first().map(|run| run.groups.languages_in_order()).unwrap_or_default();
        let groups = groups.into_iter().map(|(name, _)| name).filter(|name| *name != "all");
        groups.enumerate().map(|(number, name)| (colour(number), plain(name, false), rates(0, name))).collect()
    };
    let mut out = plot::lines("Error rate by line", &places, &series);
    out += "<div class=\"wide\" style=\"margin-top:14px\"><table>\n<thead><tr><th>線路<small>line</small></th><th class=\"left\">引擎<small>recogniser</small></th>\
            <th>錯誤率<small>error rate</small></th><th>全句正確<small>right</small></th><th>語言正確<small>language</small></th>";
    out += if together > 1 { "<th>相差<small>difference, points</small></th>" } else { "" };
    out += "</tr></thead>\n<tbody>\n";
    for (number, run) in report.runs.iter().enumerate() {
        let f = all_of(run);
        let is_second = number % together == 1;
        let line = report.differences.iter().find(|d| is_second && d.condition == run.condition && d.group == "all");
        let mut difference = line.map_or_else(String::new, |line| {
            let d = line.difference;
            format!("{:+.1} ({:+.1} … {:+.1})", 100.0 * d.rate, 100.0 * d.low, 100.0 * d.high)
        });
        if together > 1 {
            difference = format!("<td>{difference}</td>");
        }
        out += &format!(
            "<tr><td>{}</td><td class=\"left\">{}</td><td>{}</td><td>{}</td><td>{}</td>{difference}</tr>\n",
            escape(&run.condition),
            escape(&run.recogniser),
            percent(f.error_rate),
            percent(f.right),
            f.language_right.map_or_else(|| "–".to_owned(), percent)
        );
    }
    out + "</tbody></table></div>\n"
}

fn confusion_lists(shown: &[Run]) -> String {
    let mut out = "<div class=\"two\">\n".to_owned();
    for run in shown {
        let all = confusions(&run.outcomes);
        let mut list = String::new();
        for (said, heard, count) in all.iter().take(CONFUSIONS) {
            let text = |side: &Option<String>, class: &str| match side {
                Some(text) => format!("<span class=\"{class}\">{}</span>", escape(text)),
                None => "<span class=\"soft\">—</span>".to_owned(),
            };
            let class = match (said, heard) {
                (Some(_), Some(_)) => "s",
                (Some(_), None) => "d",
                _ => "i",
            };
            list += &format!(
                "<span>{} → {} <span class=\"soft\">×{count}</span></span>",
                text(said, class),
                text(heard, class)
            );
        }
        if list.is_empty() {
            list = "<span>沒有錯誤 no errors</span>".to_owned();
        }
        let name = if shown.len() > 1 { format!("<h3>{}</h3>", escape(&run.recogniser)) } else { String::new() };
        out += &format!("<div class=\"confusions\">{name}<div class=\"flow\">{list}</div></div>\n");
    }
    out + "</div>\n<p class=\"soft note\">講 → 聽到。Said → heard; — stands for nothing.</p>\n"
}

#[cfg(test)]
mod tests {
    use super::super::ear::{Account, Guess};
    use super::super::figures::{Difference, Outcome};
    use super::super::homophones::Folding;
    use super::super::set::{Item, Spoken};
    use super::super::{Comparison, Run};
    use super::*;
    use crate::speech::Language;

    const SAID: [(&str, Spoken, &str); 4] = [
        ("我想 check 張單", Spoken::Mixed(Some(Language::Cantonese)), "我唔想 cheque 單"),
        ("我想查詢我張單", Spoken::One(Language::Cantonese), "我想查詢我章單"),
        ("我想查询我的账单", Spoken::One(Language::Mandarin), "我想查询我的账单"),
        ("i want to check my bill", Spoken::One(Language::English), "i want the check <my> bill"),
    ];

    fn run(recogniser: &str, condition: &str, items: &[Item], good: usize) -> Run {
        let folding = Folding::new(false);
        let mut random = fastrand::Rng::with_seed(good as u64);
        let outcomes: Vec<Outcome> = items
            .iter()
            .enumerate()
            .map(|(number, item)| {
                let is_good = random.usize(0..10) < good;
                let heard = if is_good { &item.text } else { SAID[number % SAID.len()].2 };
                let account = Account {
                    text: heard.to_owned(),
                    confidence: if is_good { 0.6 + 0.39 * random.f32() } else { 0.3 + 0.6 * random.f32() },
                    guesses: vec![Guess { at_ms: 700.0 + 300.0 * random.f64(), text: heard.to_owned() }],
                    finish: std::time::Duration::from_micros(random.u64(900..6_000)),
                    ..Account::default()
                };
                Outcome::of(number, item, account, [400, 1600], 300, &folding)
            })
            .collect();
        Run::of(recogniser, condition, items, outcomes)
    }

    fn report(recognisers: &[&str], conditions: &[&str]) -> Report {
        let items: Vec<Item> = (0..80)
            .map(|n| Item {
                audio: format!("set/{n}.wav").into(),
                text: SAID[n % SAID.len()].0.to_owned(),
                spoken: SAID[n % SAID.len()].1,
                tags: vec![["short", "digits", "<long>"][n % 3].to_owned()],
                first_word_ms: None,
            })
            .collect();
        let mut runs = Vec::new();
        let mut differences = Vec::new();
        for (number, condition) in conditions.iter().enumerate() {
            for (which, recogniser) in recognisers.iter().enumerate() {
                runs.push(run(recogniser, condition, &items, 8_usize.saturating_sub(2 * number + 2 * which)));
            }
            if let [.., a, b] = &runs[..]
                && recognisers.len() == 2
            {
                let of = |run: &Run| run.outcomes.to_vec();
                let (first, second) = (of(a), of(b));
                let difference =
                    Difference::of(&first.iter().collect::<Vec<_>>(), &second.iter().collect::<Vec<_>>(), 1);
                let (condition, group) = ((*condition).to_owned(), "all".to_owned());
                differences.push(Comparison { condition, group, first: 0.1, second: 0.2, difference });
            }
        }
        Report { set: "set/<a>.jsonl".to_owned(), items, runs, differences, by_sound: true }
    }

    /// The markup's elements, each closed by its own end.
    fn is_nested(page: &str) -> Result<(), String> {
        const EMPTY: [&str; 8] = ["meta", "br", "line", "rect", "polyline", "circle", "!DOCTYPE", "link"];
        let mut open: Vec<&str> = Vec::new();
        let body = page.split_once("</style>").map_or(page, |(_, body)| body);
        for piece in body.split('<').skip(1) {
            let (tag, _) = piece.split_once('>').ok_or_else(|| format!("no end: {piece}"))?;
            let name = tag.trim_start_matches('/').split([' ', '/']).next().unwrap_or_default();
            if tag.ends_with('/') || EMPTY.contains(&name) && name != "circle" {
                continue;
            }
            if !tag.starts_with('/') {
                open.push(name);
            } else if open.pop() != Some(name) {
                // What was opened in the head ends here.
                if !["head", "html"].contains(&name) {
                    return Err(format!("</{name}> closes something else"));
                }
            }
        }
        if open.is_empty() { Ok(()) } else { Err(format!("left open: {open:?}")) }
    }

    #[test]
    fn a_page_is_whole_needs_nothing_else_and_escapes_what_was_heard() {
        let all = [
            report(&["tiny", "large"], &["pcmu", "pcmu, loss 5 %", "pcmu, loss 20 %"]),
            report(&["tiny"], &["pcmu, white 20 dB", "pcmu, white 5 dB"]),
            report(&["tiny"], &["as recorded"]),
        ];
        for report in &all {
            let page = page(report);
            is_nested(&page).unwrap();
            for outside in ["http", "url(", "@import", "<script", "<my>", "<long>", "<a>"] {
                assert!(!page.contains(outside), "{outside}");
            }
            for part in
                ["總表 <small>Summary", "混淆", "最差語句", "Reliability", "&lt;long&gt;", "prefers-color-scheme"]
            {
                assert!(page.contains(part), "{part}");
            }
            assert_eq!(
                page.contains("線路狀況"),
                report.runs.len() > 2 || report.differences.is_empty() && report.runs.len() > 1
            );
        }
    }

    #[test]
    fn lines_are_named_by_what_tells_them_apart() {
        assert_eq!(differing(&["pcmu, loss 5 %", "pcmu, loss 9 %", "pcmu"]), ["loss 5 %", "loss 9 %", "–"]);
    }
}
