//! Runs by method → a picture: bars of the medians, a dot for every run.

use std::fmt::Write;

use super::measure::{Run, median};
use super::methods::Method;

const WIDTH: f64 = 860.0;
/// Left of the bars, for the methods' names.
const NAMES: f64 = 180.0;
/// Right of them, for the numbers.
const NUMBERS: f64 = 70.0;
const BAR: f64 = 18.0;
const STEP: f64 = 26.0;

/// A number of a run.
type Number = fn(&Run) -> f64;

/// The picture as SVG.
pub(super) fn svg(title: &str, results: &[(Method, Vec<Run>)]) -> String {
    let panels: [(&str, Number); 3] = [
        ("wall time, s", |r| r.wall_s),
        ("CPU time, s", |r| r.cpu_s),
        ("peak resident memory, MB", |r| r.rss_mb),
    ];
    let mut body = String::new();
    let mut y = 24.0;
    text(&mut body, 12.0, y, "bold", title);
    for (name, number) in panels {
        y += 34.0;
        text(&mut body, NAMES, y, "bold", name);
        y += 8.0;
        let largest =
            results.iter().flat_map(|(_, runs)| runs).map(number).fold(f64::MIN_POSITIVE, f64::max);
        let scale = (WIDTH - NAMES - NUMBERS) / largest;
        for (method, runs) in results {
            panel_row(&mut body, y, *method, runs, number, scale);
            y += STEP;
        }
    }
    let height = y + 12.0;
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" \
         font-family=\"sans-serif\" font-size=\"13\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n{body}</svg>\n"
    )
}

fn panel_row(body: &mut String, y: f64, method: Method, runs: &[Run], number: Number, scale: f64) {
    let value = number(&median(runs));
    let colour = if method == Method::Ours { "#2f6fde" } else { "#b8c0cc" };
    let middle = y + BAR / 2.0;
    text(body, 12.0, middle + 4.0, "normal", method.name());
    let width = value * scale;
    let _infallible = writeln!(
        body,
        "<rect x=\"{NAMES}\" y=\"{y}\" width=\"{width:.1}\" height=\"{BAR}\" fill=\"{colour}\"/>"
    );
    for run in runs {
        let x = NAMES + number(run) * scale;
        let _infallible = writeln!(
            body,
            "<circle cx=\"{x:.1}\" cy=\"{middle}\" r=\"2.5\" fill=\"black\" fill-opacity=\"0.5\"/>"
        );
    }
    let end = runs.iter().map(number).fold(value, f64::max) * scale;
    text(body, NAMES + end + 8.0, middle + 4.0, "normal", &format!("{value:.1}"));
}

fn text(body: &mut String, x: f64, y: f64, weight: &str, text: &str) {
    let escaped = text.replace('&', "&amp;").replace('<', "&lt;");
    let _infallible = writeln!(
        body,
        "<text x=\"{x:.1}\" y=\"{y:.1}\" font-weight=\"{weight}\" fill=\"black\">{escaped}</text>"
    );
}
