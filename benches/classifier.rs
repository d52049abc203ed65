//! Understanding: time to learn the demo line, and time of one turn with all views, commands and scores.

use std::path::Path;
use std::sync::Arc;

use criterion::{Criterion, criterion_group, criterion_main};
use jiff::civil::{Date, date};
use tingwa::conversation::Understanding;
use tingwa::conversation::scores::Counters;
use tingwa::conversation::understanding::{Setting, Situation};
use tingwa::settings::Problems;
use tingwa::speech::SpeechTags;

/// Questions are asked on this day.
const DAY: Date = date(2026, 3, 4);

fn classifier(criterion: &mut Criterion) {
    let (problems, warnings) = (Problems::default(), Problems::default());
    let plans = tingwa::cli::check::load(Path::new("dialplans/demo"), &problems, &warnings);
    let plan = Arc::new(plans.into_iter().next().expect("the demo line is readable"));
    let mut group = criterion.benchmark_group("conversation");
    group.sample_size(10).bench_function("learn the demo line", |bench| bench.iter(|| Understanding::train(&plan)));
    let mind = Understanding::train(&plan);
    group.sample_size(100);
    for (name, text) in [
        ("cantonese turn", "我想check下個bill點解今個月貴咗咁多"),
        ("mandarin turn", "我下个星期去日本想开通漫游流量"),
        ("english turn", "i would like to know why my bill is so high this month"),
    ] {
        group.bench_function(name, |bench| {
            bench.iter(|| {
                let views = mind.views(text);
                let at = Setting { plan: &plan, chinese: plan.default_chinese(), today: DAY };
                let understood = mind.commands(&views, Situation::Open, at);
                let scores =
                    mind.feelings().scores(&views, SpeechTags::default(), &understood.commands, Counters::default());
                (understood, scores)
            })
        });
    }
    group.finish();
}

criterion_group!(benches, classifier);
criterion_main!(benches);
