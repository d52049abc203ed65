//! Plots as SVG inside a page: bars, histograms, a reliability diagram, lines. Colours are the page's, by class.

use std::fmt::Write;

use super::figures::Bin;

/// One bar: its label, the text at its end, and its parts by class.
pub struct Bar {
    /// On the left; empty for one that belongs to the bar above.
    pub label: String,
    /// At the end.
    pub note: String,
    /// Class of the colour, and length.
    pub parts: Vec<(&'static str, f64)>,
}

/// Text that may stand in a page.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            other => out.push(other),
        }
    }
    out
}

/// Adds to a text; that cannot fail.
macro_rules! add {
    ($out:expr, $($arguments:tt)*) => { let _ = write!($out, $($arguments)*); };
}

fn begin(width: f64, height: f64, title: &str) -> String {
    let title = escape(title);
    format!("<svg viewBox=\"0 0 {width} {height}\" role=\"img\" aria-label=\"{title}\">\n<title>{title}</title>\n")
}

/// A round step that makes about `count` parts of `length`.
fn step(length: f64, count: f64) -> f64 {
    let rough = (length / count).max(1e-9);
    let power = 10f64.powf(rough.log10().floor());
    let times = [1.0, 2.0, 5.0, 10.0].into_iter().find(|times| times * power >= rough * 0.999);
    times.unwrap_or(10.0) * power
}

/// The axis's end and step: at least the largest value.
fn axis(largest: f64, count: f64) -> (f64, f64) {
    let step = step(largest.max(1e-6), count);
    ((largest / step).ceil().max(1.0) * step, step)
}

fn percent(share: f64) -> String {
    let percent = share * 100.0;
    if (percent - percent.round()).abs() < 1e-6 { format!("{percent:.0} %") } else { format!("{percent:.1} %") }
}

/// Horizontal bars over an axis of shares.
pub fn bars(title: &str, bars: &[Bar]) -> String {
    const LEFT: f64 = 150.0;
    const PLOT: f64 = 480.0;
    const WIDTH: f64 = 760.0;
    let gap = |bar: &Bar| if bar.label.is_empty() { 0.0 } else { 8.0 };
    let height = bars.iter().map(|bar| 18.0 + gap(bar)).sum::<f64>() + 34.0;
    let total = |bar: &Bar| bar.parts.iter().map(|(_, length)| length).sum::<f64>();
    let (end, step) = axis(bars.iter().map(total).fold(0.01, f64::max), 5.0);
    let mut out = begin(WIDTH, height, title);
    let bottom = height - 26.0;
    for tick in 0..=(end / step).round() as u32 {
        let (value, x) = (f64::from(tick) * step, LEFT + f64::from(tick) * step / end * PLOT);
        add!(out, "<line class=\"grid\" x1=\"{x:.1}\" y1=\"4\" x2=\"{x:.1}\" y2=\"{bottom:.1}\"/>");
        add!(out, "<text class=\"tick middle\" x=\"{x:.1}\" y=\"{:.1}\">{}</text>\n", bottom + 16.0, percent(value));
    }
    let mut y = 0.0;
    for bar in bars {
        y += gap(bar);
        let middle = y + 13.0;
        add!(out, "<text class=\"label end\" x=\"{:.1}\" y=\"{middle:.1}\">{}</text>", LEFT - 10.0, escape(&bar.label));
        let mut x = LEFT;
        for (class, length) in &bar.parts {
            let width = length / end * PLOT;
            add!(out, "<rect class=\"{class}\" x=\"{x:.1}\" y=\"{:.1}\" width=\"{width:.1}\" height=\"13\"/>", y + 2.0);
            x += width;
        }
        add!(out, "<text class=\"tick\" x=\"{:.1}\" y=\"{middle:.1}\">{}</text>\n", x + 6.0, escape(&bar.note));
        y += 18.0;
    }
    out + "</svg>\n"
}

/// A histogram of times, one or two series over each other.
pub fn histogram(title: &str, series: &[(&'static str, Vec<f64>)]) -> String {
    const LEFT: f64 = 34.0;
    const PLOT: f64 = 300.0;
    const TOP: f64 = 10.0;
    const HIGH: f64 = 130.0;
    let mut all: Vec<f64> = series.iter().flat_map(|(_, times)| times.iter().copied()).collect();
    all.sort_by(f64::total_cmp);
    let (Some(&least), Some(&most)) = (all.first(), all.get(all.len().saturating_sub(1))) else { return String::new() };
    let width = step((most - least).max(1.0), 18.0);
    let from = (least / width).floor() * width;
    let bins = (((most - from) / width).floor() as usize + 1).max(4);
    let count = |times: &[f64]| {
        let mut counts = vec![0_usize; bins];
        for time in times {
            counts[(((time - from) / width) as usize).min(bins - 1)] += 1;
        }
        counts
    };
    let counted: Vec<_> = series.iter().map(|(class, times)| (class, count(times))).collect();
    let (end, tick) = axis(counted.iter().flat_map(|(_, c)| c).max().map_or(1.0, |most| *most as f64), 4.0);
    let mut out = begin(LEFT + PLOT + 16.0, TOP + HIGH + 24.0, title);
    for number in 0..=(end / tick).round() as u32 {
        let (value, y) = (f64::from(number) * tick, TOP + HIGH - f64::from(number) * tick / end * HIGH);
        add!(out, "<line class=\"grid\" x1=\"{LEFT}\" y1=\"{y:.1}\" x2=\"{}\" y2=\"{y:.1}\"/>", LEFT + PLOT);
        if value.fract() < 1e-9 {
            add!(out, "<text class=\"tick end\" x=\"{}\" y=\"{:.1}\">{value:.0}</text>\n", LEFT - 6.0, y + 4.0);
        }
    }
    let bin_width = PLOT / bins as f64;
    for (class, counts) in &counted {
        for (bin, count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
            let (x, high) = (LEFT + bin as f64 * bin_width, *count as f64 / end * HIGH);
            add!(
                out,
                "<rect class=\"{class} over\" x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{high:.1}\"/>",
                x + 0.5,
                TOP + HIGH - high,
                (bin_width - 1.0).max(0.5)
            );
        }
    }
    let labelled = step(bins as f64, 5.0).max(1.0) as usize;
    for bin in (0..=bins).step_by(labelled) {
        let (x, value) = (LEFT + bin as f64 * bin_width, from + bin as f64 * width);
        let digits = usize::from(width < 1.0);
        add!(out, "<text class=\"tick middle\" x=\"{x:.1}\" y=\"{}\">{value:.digits$}</text>\n", TOP + HIGH + 16.0);
    }
    out + "</svg>\n"
}

/// How often what is said with a confidence is right; the diagonal is what it should be.
pub fn reliability(title: &str, series: &[(&'static str, &[Bin])]) -> String {
    const LEFT: f64 = 46.0;
    const PLOT: f64 = 240.0;
    const TOP: f64 = 10.0;
    let mut out = begin(LEFT + PLOT + 16.0, TOP + PLOT + 40.0, title);
    for fifth in 0..=5 {
        let (at, share) = (PLOT * f64::from(fifth) / 5.0, percent(f64::from(fifth) / 5.0));
        let (x, y) = (LEFT + at, TOP + PLOT - at);
        add!(out, "<line class=\"grid\" x1=\"{LEFT}\" y1=\"{y}\" x2=\"{}\" y2=\"{y}\"/>", LEFT + PLOT);
        add!(out, "<line class=\"grid\" x1=\"{x}\" y1=\"{TOP}\" x2=\"{x}\" y2=\"{}\"/>", TOP + PLOT);
        add!(out, "<text class=\"tick end\" x=\"{}\" y=\"{}\">{share}</text>", LEFT - 6.0, y + 4.0);
        add!(out, "<text class=\"tick middle\" x=\"{x}\" y=\"{}\">{share}</text>\n", TOP + PLOT + 16.0);
    }
    let (right, bottom) = (LEFT + PLOT, TOP + PLOT);
    add!(out, "<line class=\"ideal\" x1=\"{LEFT}\" y1=\"{bottom}\" x2=\"{right}\" y2=\"{TOP}\"/>\n");
    for (class, bins) in series {
        let most = bins.iter().map(|bin| bin.count).max().unwrap_or(1).max(1) as f64;
        let filled: Vec<_> = bins.iter().filter(|bin| bin.count > 0).collect();
        let place = |bin: &Bin| (LEFT + bin.confidence * PLOT, TOP + PLOT - bin.right * PLOT);
        let path: Vec<String> = filled.iter().map(|bin| place(bin)).map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        add!(out, "<polyline class=\"{class} stroke\" points=\"{}\"/>", path.join(" "));
        for bin in filled {
            let ((x, y), radius) = (place(bin), 3.0 + 6.0 * (bin.count as f64 / most).sqrt());
            add!(out, "<circle class=\"{class} over\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{radius:.1}\">");
            add!(out, "<title>{} sentences</title></circle>\n", bin.count);
        }
    }
    add!(
        out,
        "<text class=\"tick middle\" x=\"{}\" y=\"{}\">信心度 confidence → 全句正確 right</text>",
        LEFT + PLOT / 2.0,
        TOP + PLOT + 34.0
    );
    out + "</svg>\n"
}

/// Shares over conditions, a line each.
pub fn lines(title: &str, places: &[String], series: &[(&'static str, String, Vec<f64>)]) -> String {
    const LEFT: f64 = 56.0;
    const PLOT: f64 = 560.0;
    const TOP: f64 = 12.0;
    const HIGH: f64 = 190.0;
    let longest = places.iter().map(|name| name.chars().count()).max().unwrap_or(0) as f64 * 6.2;
    let slanted = longest > PLOT / places.len().max(1) as f64;
    let under = if slanted { 34.0 + longest * 0.5 } else { 30.0 };
    let most = series.iter().flat_map(|(_, _, rates)| rates).copied().fold(0.01, f64::max);
    let (end, step) = axis(most, 5.0);
    let mut out = begin(LEFT + PLOT + 150.0, TOP + HIGH + under, title);
    for tick in 0..=(end / step).round() as u32 {
        let y = TOP + HIGH - f64::from(tick) * step / end * HIGH;
        add!(out, "<line class=\"grid\" x1=\"{LEFT}\" y1=\"{y:.1}\" x2=\"{}\" y2=\"{y:.1}\"/>", LEFT + PLOT);
        let value = percent(f64::from(tick) * step);
        add!(out, "<text class=\"tick end\" x=\"{}\" y=\"{:.1}\">{value}</text>\n", LEFT - 6.0, y + 4.0);
    }
    let x = |place: usize| LEFT + PLOT * (place as f64 + 0.5) / places.len().max(1) as f64;
    for (place, name) in places.iter().enumerate() {
        let (x, y) = (x(place), TOP + HIGH + 18.0);
        let (class, turn) =
            if slanted { ("end", format!(" transform=\"rotate(-30 {x:.1} {y})\"")) } else { ("middle", String::new()) };
        add!(out, "<text class=\"tick {class}\" x=\"{x:.1}\" y=\"{y}\"{turn}>{}</text>\n", escape(name));
    }
    // Names at the lines' ends, pushed apart where they would lie over each other.
    let mut ends: Vec<(f64, usize)> = series
        .iter()
        .enumerate()
        .map(|(number, (_, _, rates))| (TOP + HIGH - rates.last().copied().unwrap_or(0.0) / end * HIGH, number))
        .collect();
    ends.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut last = f64::MIN;
    for (y, number) in ends {
        let Some((class, name, rates)) = series.get(number) else { continue };
        let at = |(place, rate): (usize, &f64)| (x(place), TOP + HIGH - rate / end * HIGH);
        let points: Vec<_> = rates.iter().enumerate().map(at).collect();
        let path: Vec<String> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        add!(out, "<polyline class=\"{class} stroke\" points=\"{}\"/>", path.join(" "));
        for (x, y) in points {
            add!(out, "<circle class=\"{class}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\"/>");
        }
        last = y.max(last + 15.0);
        let right = x(places.len().saturating_sub(1)) + 12.0;
        add!(out, "<text class=\"{class} name\" x=\"{right:.1}\" y=\"{:.1}\">{}</text>\n", last + 4.0, escape(name));
    }
    out + "</svg>\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Tags open and close in pairs.
    fn is_whole(svg: &str) -> bool {
        ["svg", "text", "title", "circle"].iter().all(|tag| {
            let closed_itself = svg.matches(&format!("<{tag} ")).count() + svg.matches(&format!("<{tag}>")).count();
            svg.matches(&format!("</{tag}>")).count() == closed_itself
                || (*tag == "circle" && svg.contains("r=\"3\"/>"))
        }) && !svg.contains("NaN")
            && !svg.contains("inf")
    }

    #[test]
    fn steps_are_round_and_axes_hold_the_largest() {
        assert_eq!((step(1.0, 5.0), step(0.13, 5.0), step(900.0, 18.0)), (0.2, 0.05, 50.0));
        let (end, step) = axis(0.13, 5.0);
        assert!(end >= 0.13 && (end / step).fract().abs() < 1e-9);
        assert!(axis(0.0, 5.0).0 > 0.0);
    }

    #[test]
    fn plots_are_whole_and_hold_no_markup_of_others() {
        let bar = |label: &str| Bar {
            label: label.to_owned(),
            note: "5 %".to_owned(),
            parts: vec![("sub", 0.03), ("del", 0.0)],
        };
        let drawn = bars("a", &[bar("<yue>"), bar("")]);
        assert!(is_whole(&drawn) && drawn.contains("&lt;yue&gt;") && !drawn.contains("<yue>"));
        let bins = [Bin { count: 3, confidence: 0.9, right: 0.6 }, Bin::default()];
        assert!(is_whole(&reliability("b", &[("first", &bins)])));
        for times in [vec![1.0], vec![-5.0, 300.0, 20.0], vec![0.9, 1.1, 1.3]] {
            assert!(is_whole(&histogram("c", &[("first", times)])));
        }
        assert_eq!(histogram("c", &[("first", vec![])]), "");
        let places: Vec<String> = (0..5).map(|n| format!("loss {n} %")).collect();
        let series = [("first", "A&B".to_owned(), vec![0.1; 5]), ("second", "C".to_owned(), vec![0.1; 5])];
        let drawn = lines("d", &places, &series);
        assert!(is_whole(&drawn) && drawn.contains("A&amp;B"));
    }
}
