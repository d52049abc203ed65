//! The report as tables of text.

use super::figures::{Figures, Spread};
use super::quiet::False;
use super::{Report, Run};

/// Prints all runs, and the difference of the engines where there are two.
pub fn print(report: &Report) {
    let several = report.runs.len() > 1;
    for run in &report.runs {
        if several {
            println!("{}  [{}]", run.recogniser, run.condition);
        }
        print_run(run);
        if several {
            println!();
        }
    }
    if !report.differences.is_empty() {
        print_differences(report);
    }
}

fn print_run(run: &Run) {
    println!(
        "{:<18} {:>6} {:>7} {:>10} {:>5} {:>5} {:>5} {:>8} {:>8} {:>8} {:>8}",
        "", "utter.", "tokens", "errors", "S", "D", "I", "by sound", "right", "language", "CPU/s"
    );
    for (name, figures) in run.groups.languages_in_order() {
        print_line(name, figures);
    }
    for (name, figures) in &run.groups.tags {
        print_line(&format!("#{name}"), figures);
    }
    let Some(all) = run.groups.languages.get("all") else { return };
    let latency = &all.latency;
    println!("latency, ms                                    count     p50     p95     max");
    for (name, spread) in [
        ("first guess after the first word begins", latency.partial_after_begin),
        ("first guess after the first word ends", latency.partial_after_word),
        ("guess with the last word after speech ends", latency.last_word),
        ("endpoint after speech ends", latency.endpoint),
        ("final after the endpoint", latency.finish),
        ("final after the endpoint, processor", latency.finish_processor),
    ] {
        print_spread(name, &spread);
    }
    println!(
        "  within 350 ms of a word's end: {:.1} %; final within 100 ms of the endpoint: {:.1} %",
        100.0 * run.marks.word_350,
        100.0 * run.marks.final_100
    );
    let calibration = &run.calibration;
    if calibration.has_none {
        println!("confidence: this engine has none of its own (1 everywhere)");
    } else {
        println!("confidence: calibration error {:.3}, Brier {:.3}", calibration.expected_error, calibration.brier);
    }
}

fn print_line(name: &str, f: &Figures) {
    let language = f.language_right.map_or_else(|| "-".to_owned(), |share| format!("{:.1} %", 100.0 * share));
    println!(
        "{name:<18} {:>6} {:>7} {:>4} {:>5.1} {:>5} {:>5} {:>5} {:>6.1} % {:>6.1} % {language:>8} {:>8.4}",
        f.utterances,
        f.tokens,
        f.unit,
        100.0 * f.error_rate,
        f.substitutions,
        f.deletions,
        f.insertions,
        100.0 * f.error_rate_by_sound,
        100.0 * f.right,
        f.real_time_factor
    );
}

fn print_spread(name: &str, spread: &Spread) {
    if spread.count > 0 {
        println!("  {name:<42} {:>7} {:>7.0} {:>7.0} {:>7.0}", spread.count, spread.p50, spread.p95, spread.max);
    }
}

fn print_differences(report: &Report) {
    println!(
        "{:<28} {:<10} {:>8} {:>8} {:>12} {:>18}",
        "condition", "", "first", "second", "difference", "95 % interval"
    );
    for line in &report.differences {
        println!(
            "{:<28} {:<10} {:>6.1} % {:>6.1} % {:>+10.1} % {:>+7.1} to {:>+5.1} %{}",
            line.condition,
            line.group,
            100.0 * line.first,
            100.0 * line.second,
            100.0 * line.difference.rate,
            100.0 * line.difference.low,
            100.0 * line.difference.high,
            if line.difference.is_sure() { "  *" } else { "" }
        );
    }
    println!("* zero lies outside the interval (paired bootstrap over recordings)");
}

/// Prints what came of silence and noise.
pub fn print_quiet(all: &[False]) {
    println!(
        "{:<28} {:>7} {:>8} {:>10} {:>6} {:>12} {:>8}",
        "", "minutes", "starts", "utterances", "words", "words/hour", "CPU/s"
    );
    for line in all {
        let heard = if line.heard.is_empty() { String::new() } else { format!("  {}", shortened(&line.heard)) };
        println!(
            "{:<28} {:>7.1} {:>8} {:>10} {:>6} {:>12.1} {:>8.4}{heard}",
            line.sound,
            line.minutes,
            line.starts,
            line.utterances,
            line.words,
            line.words_per_hour,
            line.real_time_factor
        );
    }
}

fn shortened(text: &str) -> String {
    let mut short: String = text.chars().take(40).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}
