//! An install that runs: one bar over all of its steps, the steps with their times, and the copy's
//! bytes of a total that was known before.

use ratatui::text::{Line, Span};

use super::super::flow::Flow;
use super::super::model::Model;
use super::super::text;
use super::section::Page;
use super::{pages, style};
use crate::event::{Outcome, State, Step};
use crate::format;
use crate::plan::System;

/// Columns of a step's title.
const TITLES: usize = 36;

/// The page while an install runs.
pub(super) fn page(model: &Model, page: &mut Page) {
    let status = &model.status;
    let mut flow = page.flow();
    let disk = status.plan.as_ref().map(|plan| format!(" on /dev/{}", plan.target.name));
    let title = format!("Installing {}{}", model.facts.nixos(), disk.unwrap_or_default());
    let step = status.step.map_or(1, Step::index);
    let step = format!("Step {step} of {}", Step::ALL.len());
    flow.ends(Span::styled(title, style::HEADING), Span::styled(step, style::PLAIN));
    page.keep(flow);
    let mut flow = page.flow();
    super::gauge(&format!("{:>2} %", model.percent()), model.reached(), &mut flow);
    flow.text(&amount(model), style::PLAIN);
    page.keep(flow);
    steps(model, page);
    pages::warnings(model, page);
}

/// A line for each step.
pub(super) fn steps(model: &Model, page: &mut Page) {
    let status = &model.status;
    let mut flow = page.inner();
    for step in Step::ALL {
        let title = format!("{:<TITLES$}", title(model, step));
        let done = status.steps_done.iter().find(|(one, _)| *one == step);
        let runs = status.step == Some(step) && status.state == State::Installing;
        flow.line(if let Some((_, seconds)) = done {
            Line::from(vec![
                Span::styled("√ ", style::GOOD),
                Span::styled(title, style::PLAIN),
                Span::styled(format!("{:>12}", step_time(*seconds)), style::PLAIN),
            ])
        } else if runs {
            let time = format::duration(model.step_seconds());
            Line::from(vec![
                Span::styled("► ", style::TITLE),
                Span::styled(title, style::TITLE),
                Span::styled(format!("{time:>12}"), style::TITLE),
            ])
        } else if status.step == Some(step) {
            let how = match status.outcome {
                Some(Outcome::Cancelled) => "cancelled",
                _ => "failed",
            };
            Line::from(vec![
                Span::styled("x ", style::WARNING),
                Span::styled(title, style::WARNING),
                Span::styled(format!("{how:>12}"), style::WARNING),
            ])
        } else {
            Line::styled(format!("· {title}"), style::PLAIN)
        });
    }
    page.boxed(text::STEPS, flow, 0);
}

/// What the step does; a system that the ISO does not carry is not copied.
pub(super) fn title(model: &Model, step: Step) -> &'static str {
    let plan = model.status.plan.as_ref();
    let builds = plan.is_some_and(|plan| matches!(plan.system, System::Build { .. }));
    if builds && step == Step::System { "Build the system" } else { step.title() }
}

/// A finished step's time: tenths of a second while they can be told apart.
fn step_time(seconds: f64) -> String {
    if seconds < 9.95 {
        format!("{seconds:.1} s")
    } else {
        format::duration(seconds.round() as u64)
    }
}

/// What is copied, of how much, and how fast; what is done instead as long as the total is not known.
fn amount(model: &Model) -> String {
    let (status, now) = (&model.status, model.clock.now);
    let (done, total) = (status.bytes_done.min(status.bytes_total), status.bytes_total);
    let copies = status.step == Some(Step::System);
    if total == 0 || !copies {
        let step = status.step.map_or("", |step| title(model, step));
        return if step.is_empty() { text::ONE_MOMENT.to_owned() } else { format!("{step}...") };
    }
    let copied = format!("{} of {} copied", format::size(done), format::size(total));
    if done >= total {
        return copied;
    }
    let Some(rate) = model.rate.per_second(now) else { return copied };
    match model.rate.seconds_left(now, total) {
        Some(left) => format!(
            "{copied}, {}/s, about {} left to copy",
            format::size(rate as u64),
            rounded(left)
        ),
        None => format!("{copied}; no progress for a while"),
    }
}

/// As exact as an estimate can be.
fn rounded(seconds: u64) -> String {
    match seconds {
        0..20 => format!("{seconds} s"),
        20..=60 => format!("{} s", seconds.div_ceil(5) * 5),
        _ => {
            let minutes = seconds.div_ceil(60);
            match (minutes / 60, minutes % 60) {
                (0, _) => format!("{minutes} min"),
                (hours, 0) => format!("{hours} h"),
                (hours, minutes) => format!("{hours} h {minutes} min"),
            }
        }
    }
}

/// The seconds of a step as the install reported them, for a page that has ended.
pub(super) fn took(model: &Model, flow: &mut Flow, title: Span<'static>) {
    let took = model.status.duration_seconds.map_or_else(String::new, |seconds| {
        format!("took {}", format::duration(seconds.round() as u64))
    });
    flow.ends(title, Span::styled(took, style::PLAIN));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_estimate_is_no_more_exact_than_it_is() {
        assert_eq!(
            [7, 21, 60, 61, 121, 3540, 3541, 3661].map(rounded),
            ["7 s", "25 s", "60 s", "2 min", "3 min", "59 min", "1 h", "1 h 2 min"]
        );
        assert_eq!(
            (step_time(2.04), step_time(9.96), step_time(75.0)),
            ("2.0 s".into(), "10 s".into(), "1 min 15 s".into())
        );
    }
}
