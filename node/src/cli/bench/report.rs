//! What is written at the end of a run, for people and for scripts.

use serde_json::{Value, json};

use super::arguments::Plan;
use super::engine::Ended;
use super::figures::Figures;
use super::pace::Rate;
use crate::cli::failure::Failure;
use crate::cli::output::{Output, list};

/// Writes what a run came to.
pub(super) fn write(plan: &Plan, figures: &Figures, ended: Ended, output: &Output) -> Result<(), Failure> {
    let mut fields = figures.fields();
    if let Some(fields) = fields.as_object_mut() {
        fields.insert("ended".to_owned(), json!(ended.name()));
        fields.insert("rate".to_owned(), rate(plan));
        fields.insert("durationMs".to_owned(), json!(plan.duration_ms));
        fields.insert("accounts".to_owned(), json!(plan.accounts));
        fields.insert("endpoints".to_owned(), json!(plan.endpoints));
        fields.insert("finalityBy".to_owned(), json!(if plan.rate.is_lone() { "call" } else { "blocks" }));
    }
    output.either(|| human(plan, figures, ended), fields)
}

fn rate(plan: &Plan) -> Value {
    match plan.rate {
        Rate::PerSecond(per_second) => json!(per_second),
        Rate::Max => json!("max"),
    }
}

fn human(plan: &Plan, figures: &Figures, ended: Ended) -> String {
    let ms = |latency: Option<f64>| latency.map_or_else(|| "-".to_owned(), |ms| format!("{ms:.1} ms"));
    let rate = match plan.rate {
        Rate::PerSecond(per_second) => format!("{per_second}/s"),
        Rate::Max => format!("max, {} under way", plan.in_flight),
    };
    let mut pairs = vec![
        ("rate", rate),
        ("submitted", figures.submitted.to_string()),
        ("finalized", figures.finalized.to_string()),
        ("failed", figures.failed.to_string()),
        ("unfinished", figures.unfinished.to_string()),
        ("unsent", figures.unsent.to_string()),
        ("sent again", figures.retries.to_string()),
        ("seconds", format!("{:.2}", figures.seconds())),
        ("finalized per second", format!("{:.1}", figures.per_second_on_average())),
        ("latency p50", ms(figures.latency_ms(500))),
        ("latency p90", ms(figures.latency_ms(900))),
        ("latency p99", ms(figures.latency_ms(990))),
        ("latency max", ms(figures.latency_ms_max())),
        ("generator's CPU", format!("{} ms", figures.cpu_us / 1_000)),
    ];
    let ending = match ended {
        Ended::Done => None,
        Ended::TimeOver => Some("the wait for stragglers was over"),
        Ended::Interrupted => Some("interrupted"),
        Ended::Unreachable => Some("no node answered any more"),
    };
    pairs.extend(ending.map(|ending| ("ended early", ending.to_owned())));
    let failures = figures.failures.iter().map(|(reason, count)| format!("failed {count} times: {reason}\n"));
    list(&pairs) + &failures.collect::<String>()
}
