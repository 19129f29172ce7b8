//! A small picture of how a chain's figures grow, drawn without any help.

use std::fmt::Write as _;

use super::fleet::Figures;

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 300.0;
const LEFT: f64 = 56.0;
const RIGHT: f64 = 20.0;
const TOP: f64 = 34.0;
const BOTTOM: f64 = 44.0;

/// A line of the picture.
struct Line {
    label: &'static str,
    colour: &'static str,
    value: fn(&Figures) -> f64,
}

const LINES: &[Line] = &[
    Line { label: "max, ms", colour: "#b0413e", value: |figures| figures.max },
    Line { label: "p99, ms", colour: "#d98324", value: |figures| figures.p99 },
    Line { label: "p50, ms", colour: "#2f6690", value: |figures| figures.p50 },
    Line { label: "a store sends at rest, B/s", colour: "#3a7d44", value: |figures| figures.idle_bytes },
];

/// Draws the figures over the number of nodes.
pub fn svg(all: &[Figures]) -> String {
    let most = |value: fn(&Figures) -> f64| all.iter().map(value).fold(1.0, f64::max);
    let nodes_max = all.iter().map(|figures| figures.nodes).max().unwrap_or(1) as f64;
    let top = LINES.iter().map(|line| most(line.value)).fold(1.0, f64::max);
    let top = (top / 100.0).ceil() * 100.0;
    let x = |nodes: usize| LEFT + nodes as f64 / nodes_max * (WIDTH - LEFT - RIGHT);
    let y = |value: f64| HEIGHT - BOTTOM - value / top * (HEIGHT - TOP - BOTTOM);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"#ffffff\"/>\n"
    );
    for step in 0..=4 {
        let value = top * f64::from(step) / 4.0;
        let _ = writeln!(
            out,
            "<path d=\"M{LEFT} {y:.1}H{end}\" stroke=\"#dddddd\"/><text x=\"{text}\" y=\"{base:.1}\" text-anchor=\"end\">{value:.0}</text>",
            y = y(value),
            end = WIDTH - RIGHT,
            text = LEFT - 6.0,
            base = y(value) + 4.0,
        );
    }
    for figures in all {
        let (x, base, nodes) = (x(figures.nodes), HEIGHT - BOTTOM + 18.0, figures.nodes);
        let _ = writeln!(out, "<text x=\"{x:.1}\" y=\"{base}\" text-anchor=\"middle\">{nodes}</text>");
    }
    for (number, line) in LINES.iter().enumerate() {
        let points: Vec<String> =
            all.iter().map(|figures| format!("{:.1},{:.1}", x(figures.nodes), y((line.value)(figures)))).collect();
        let (colour, label, at) = (line.colour, line.label, LEFT + number as f64 * 120.0);
        let points = points.join(" ");
        let _ = writeln!(out, "<polyline points=\"{points}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>");
        let _ = writeln!(out, "<text x=\"{at}\" y=\"20\" fill=\"{colour}\">{label}</text>");
    }
    let _ = writeln!(out, "<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">nodes</text>\n</svg>", WIDTH / 2.0, HEIGHT - 8.0);
    out
}
