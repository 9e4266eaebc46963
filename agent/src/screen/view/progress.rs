//! The steps with their times, and the one progress bar: bytes of a total that was known before.

use ratatui::text::{Line, Span};

use super::super::flow::Flow;
use super::super::model::Model;
use super::style;
use crate::event::Step;
use crate::event::{Outcome, State};
use crate::format;

/// Columns of a step's title.
const TITLES: usize = 36;

/// The widest bar.
const BAR: usize = 70;

/// A line for each step.
pub(super) fn steps(model: &Model, flow: &mut Flow) {
    let status = &model.status;
    for step in Step::ALL {
        let title = format!("{:<TITLES$}", step.title());
        let done = status.steps_done.iter().find(|(one, _)| *one == step);
        let runs = status.step == Some(step) && status.state == State::Installing;
        flow.line(if let Some((_, seconds)) = done {
            Line::from(vec![
                Span::styled(" √ ", style::GOOD),
                Span::styled(title, style::PLAIN),
                Span::styled(step_time(*seconds), style::PLAIN),
            ])
        } else if runs {
            Line::from(vec![
                Span::styled(" ► ", style::TITLE),
                Span::styled(title, style::TITLE),
                Span::styled(format::duration(model.step_seconds()), style::TITLE),
            ])
        } else if status.step == Some(step) {
            Line::from(vec![
                Span::styled(" x ", style::WARNING),
                Span::styled(title, style::WARNING),
                Span::styled(stopped(status.outcome), style::WARNING),
            ])
        } else {
            Line::styled(format!(" · {title}"), style::PLAIN)
        });
    }
}

fn stopped(outcome: Option<Outcome>) -> &'static str {
    match outcome {
        Some(Outcome::Cancelled) => "cancelled",
        _ => "failed",
    }
}

/// A finished step's time: tenths of a second while they can be told apart.
fn step_time(seconds: f64) -> String {
    if seconds < 9.95 {
        format!("{seconds:.1} s")
    } else {
        format::duration(seconds.round() as u64)
    }
}

/// The bar, with what it stands for; nothing as long as the total is not known.
pub(super) fn bar(model: &Model, flow: &mut Flow) {
    let status = &model.status;
    if status.bytes_total == 0 {
        return;
    }
    let done = status.bytes_done.min(status.bytes_total);
    // Rounded down: 100 % is said when nothing is left to do.
    let percent = u128::from(done) * 100 / u128::from(status.bytes_total);
    let width = BAR.min(flow.width().saturating_sub(8));
    let filled = (u128::from(done) * width as u128 / u128::from(status.bytes_total)) as usize;
    flow.gap();
    flow.line(Line::from(vec![
        Span::styled(format!(" {}", "█".repeat(filled)), style::GOOD),
        Span::styled("░".repeat(width - filled), style::PLAIN),
        Span::styled(format!(" {percent:>3} %"), style::TITLE),
    ]));
    let amount = format!(" {} of {}", format::size(done), format::size(status.bytes_total));
    flow.line(Span::styled(amount + &speed(model), style::PLAIN));
}

fn speed(model: &Model) -> String {
    let (status, now) = (&model.status, model.clock.now);
    if status.bytes_done >= status.bytes_total {
        return " copied".to_owned();
    }
    let Some(rate) = model.rate.per_second(now) else { return " copied".to_owned() };
    match model.rate.seconds_left(now, status.bytes_total) {
        Some(left) => format!(
            " copied, {}/s, about {} left",
            format::size(rate as u64),
            format::duration(rounded(left))
        ),
        None => " copied; no progress for a while".to_owned(),
    }
}

/// As exact as an estimate can be.
fn rounded(seconds: u64) -> u64 {
    match seconds {
        0..20 => seconds,
        20..120 => seconds.div_ceil(5) * 5,
        _ => seconds.div_ceil(60) * 60,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_estimate_is_no_more_exact_than_it_is() {
        assert_eq!([7, 21, 119, 121].map(rounded), [7, 25, 120, 180]);
        assert_eq!(
            (step_time(2.04), step_time(9.96), step_time(75.0)),
            ("2.0 s".into(), "10 s".into(), "1 min 15 s".into())
        );
    }
}
