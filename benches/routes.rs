//! Routing: time to find the line of a number among ten thousand patterns, and to check that none hides another.

use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;

use criterion::{Criterion, criterion_group, criterion_main};
use tingwa::dialplan::{Plan, PlanFiles, Routes, check};
use tingwa::settings::Problems;

fn routes(criterion: &mut Criterion) {
    let (problems, warnings) = (Problems::default(), Problems::default());
    let plans = tingwa::cli::check::load(Path::new("dialplans/demo"), &problems, &warnings);
    let mut plan = plans.into_iter().next().expect("the demo line is readable");
    let numbers = |first: u32| {
        let exact = (0..4_500).map(move |n| format!("{first}1{n:06}"));
        let patterns = (0..500).map(move |n| format!("_{first}5{n:03}XXX"));
        exact.chain(patterns).map(|text| text.parse().expect("a pattern")).collect()
    };
    plan.numbers = numbers(3);
    let other = Plan { name: "other".to_owned(), numbers: numbers(4), ..plan.clone() };
    let files = PlanFiles::default();
    let mut group = criterion.benchmark_group("ten thousand routes");
    group.sample_size(10).bench_function("check", |bench| {
        bench.iter(|| check::between(&[(&files, &plan), (&files, &other)], &problems, &warnings));
    });
    let routes = Routes::new(vec![Arc::new(plan), Arc::new(other)]);
    group.sample_size(100);
    for (name, number) in [("number", "41004499"), ("pattern", "45499123"), ("none", "29999999")] {
        group.bench_function(name, |bench| bench.iter(|| routes.find(black_box(number))));
    }
    group.finish();
}

criterion_group!(benches, routes);
criterion_main!(benches);
