//! The timeline as a picture: a plain SVG file that browsers and editors show, without scripts or fonts of its own.

use super::timeline::{Point, Timeline};
use crate::report::parts::human::{duration, size};

const WIDTH: f64 = 1000.0;
const HEIGHT: f64 = 400.0;
/// Left, right, top, bottom.
const MARGINS: (f64, f64, f64, f64) = (90.0, 20.0, 50.0, 40.0);
const N_GRID_LINES: u64 = 4;

/// The picture of `timeline` under a title.
pub fn timeline(timeline: &Timeline<'_>, title: &str) -> String {
    let (_, peak) = timeline.peak();
    let area = Area { from_ns: timeline.from_ns, until_ns: timeline.until_ns, top: peak.size };
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" \
         font-size=\"13\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
    );
    text += &label(MARGINS.0, 24.0, "start", title);
    text += &grid(&area);
    text += &curve(&area, timeline.points);
    text += &mark(&area, peak);
    text + "</svg>\n"
}

/// How times and bytes become places.
struct Area {
    from_ns: u64,
    until_ns: u64,
    top: u64,
}

impl Area {
    fn x(&self, ns: u64) -> f64 {
        let (left, right, ..) = MARGINS;
        let part =
            ns.saturating_sub(self.from_ns) as f64 / self.until_ns.saturating_sub(self.from_ns).max(1) as f64;
        left + part.min(1.0) * (WIDTH - left - right)
    }

    fn y(&self, bytes: u64) -> f64 {
        let (_, _, top, bottom) = MARGINS;
        let part = bytes as f64 / self.top.max(1) as f64;
        HEIGHT - bottom - part * (HEIGHT - top - bottom)
    }
}

/// Lines with their bytes on the left, and times below.
fn grid(area: &Area) -> String {
    let mut text = String::new();
    for line in 0..=N_GRID_LINES {
        let bytes = (u128::from(area.top) * u128::from(line) / u128::from(N_GRID_LINES)) as u64;
        let y = area.y(bytes);
        let (left, right) = (area.x(area.from_ns), area.x(area.until_ns));
        text += &format!("<path d=\"M{left:.1} {y:.1}H{right:.1}\" stroke=\"#ddd\"/>\n");
        text += &label(left - 8.0, y + 4.0, "end", &size(bytes));
        let span = u128::from(area.until_ns.saturating_sub(area.from_ns));
        let ns = area.from_ns + (span * u128::from(line) / u128::from(N_GRID_LINES)) as u64;
        text += &label(area.x(ns), HEIGHT - 15.0, "middle", &duration(ns));
    }
    text
}

/// The area below the points, in stairs: a point holds until the next.
fn curve(area: &Area, points: &[Point]) -> String {
    let Some(first) = points.first() else { return String::new() };
    let base = area.y(0);
    let mut path = format!("M{:.1} {base:.1}", area.x(first.at_ns));
    for (step, point) in points.iter().enumerate() {
        let span = u128::from(area.until_ns.saturating_sub(area.from_ns));
        let start = area.from_ns + (span * step as u128 / points.len() as u128) as u64;
        path += &format!("H{:.1}V{:.1}", area.x(start), area.y(point.size));
    }
    path += &format!("H{:.1}V{base:.1}Z", area.x(area.until_ns));
    format!("<path d=\"{path}\" fill=\"#9ecae1\" stroke=\"#3182bd\"/>\n")
}

fn mark(area: &Area, peak: Point) -> String {
    let (x, y) = (area.x(peak.at_ns), area.y(peak.size));
    let anchor = if x < WIDTH / 2.0 { "start" } else { "end" };
    let text = format!("peak: {} at {}", size(peak.size), duration(peak.at_ns));
    format!("<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4\" fill=\"#de2d26\"/>\n")
        + &label(x, y - 8.0, anchor, &text)
}

fn label(x: f64, y: f64, anchor: &str, text: &str) -> String {
    format!("<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{}</text>\n", escaped(text))
}

/// `text` without the characters that mean something in XML, and without those that it must not contain.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped += "&amp;",
            '<' => escaped += "&lt;",
            '>' => escaped += "&gt;",
            _ if character.is_control() => escaped.push('?'),
            _ => escaped.push(character),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::parts::header::Summary;
    use crate::report::stats::Stats;
    use tm_analyzer::model::{Cumulative, KeyType, Snapshot};

    #[test]
    fn a_picture_is_well_formed_and_marks_the_peak() {
        let nothing = Snapshot::new(vec![], 16).profile();
        let (key_type, cumulative) = (KeyType::Lineno, Cumulative::Off);
        let stats =
            Stats { snapshot: Summary::of(&nothing), key_type, cumulative, statistics: &[], limit: None };
        let points = [(0, 10), (40, 100), (80, 50)];
        let points = points.map(|(at_ns, size)| Point { at_ns, size, count: 1 });
        let timeline = Timeline { points: &points, from_ns: 0, until_ns: 120, stats };
        let text = super::timeline(&timeline, "a<b> & \u{1b}c");
        assert!(text.starts_with("<svg ") && text.ends_with("</svg>\n"));
        assert!(text.contains(">a&lt;b&gt; &amp; ?c</text>"));
        assert!(text.contains("d=\"M90.0 360.0H90.0V329.0H386.7V50.0H683.3V205.0H980.0V360.0Z\""), "{text}");
        assert!(text.contains("<circle cx=\"386.7\" cy=\"50.0\""));
        assert!(text.contains(">peak: 100 B at 40 ns</text>"));
    }
}
