//! Bit rot and its relatives: every kind of file of a validator's data folder, with each of four faults, at two places of the
//! file. A damaged node refuses to start, or says what is damaged when it meets it, or nothing is lost; nobody is ever
//! given a wrong answer.
//!
//! `--nocapture` prints the matrix. What happens to which bytes follows from a seed; the files themselves are made by real
//! processes, so that their lengths vary.

mod chain;
mod faults;
mod judge;

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::thread;

use self::chain::Chain;
use self::faults::{Fault, Kind, Place};
use self::judge::Verdict;
use super::dice::Dice;

/// What every place is drawn from.
const SEED: u64 = 9;
/// How many chains are made, each of which takes a share of the cells.
const CHAINS: usize = 4;
/// Of the cells at rest, at least so many must show that damage is noticed: else the faults hit nothing.
const NOTICED_MIN: usize = 24;

/// One cell of the matrix.
#[derive(Clone, Copy, Debug)]
struct Cell {
    kind: Kind,
    fault: Fault,
    place: Place,
    /// Whether the node runs when it happens.
    under_it: bool,
}

/// All cells: seven kinds of file, four faults, two places, at rest; and the files that a running node still reads from, under it.
fn cells() -> VecDeque<(usize, Cell)> {
    let mut cells = Vec::new();
    for under_it in [false, true] {
        for kind in Kind::ALL.into_iter().filter(|kind| !under_it || *kind == Kind::Table) {
            for fault in Fault::ALL {
                cells.extend(Place::ALL.map(|place| Cell { kind, fault, place, under_it }));
            }
        }
    }
    cells.into_iter().enumerate().collect()
}

/// What came of a cell.
struct Line {
    number: usize,
    cell: Cell,
    what: String,
    /// How `althing repair --check` ended, if it was asked: with 0 if it found nothing.
    checked: Option<i32>,
    verdict: Verdict,
}

#[test]
fn damage_to_any_file_is_noticed_or_harmless_and_nothing_wrong_is_served() {
    let (queue, lines) = (Mutex::new(cells()), Mutex::new(Vec::new()));
    let count = cells().len();
    thread::scope(|scope| {
        for _ in 0..CHAINS {
            scope.spawn(|| {
                let mut chain = Chain::make();
                assert_eq!(chain.judge_whole(), Verdict::Harmless(String::new()), "without any damage");
                loop {
                    let next = queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
                    let Some((number, cell)) = next else { return };
                    let mut dice = Dice::new(SEED * 1_000 + number as u64);
                    let (what, checked, verdict) = chain.judge(cell, &mut dice);
                    let line = Line { number, cell, what, checked, verdict };
                    lines.lock().unwrap_or_else(PoisonError::into_inner).push(line);
                }
            });
        }
    });
    let mut lines = lines.into_inner().unwrap_or_else(PoisonError::into_inner);
    lines.sort_by_key(|line| line.number);
    assert_eq!(lines.len(), count, "a cell is missing");
    println!("{}", table(&lines));
    let wrong: Vec<String> = lines.iter().filter(|line| line.verdict.is_wrong()).map(Line::text).collect();
    assert!(wrong.is_empty(), "{} of {count} cells are wrong:\n{}", wrong.len(), wrong.join("\n"));
    let missed =
        |line: &&Line| matches!(line.verdict, Verdict::Refused(_)) && line.checked.is_none_or(|code| code == 0);
    let missed: Vec<String> = lines.iter().filter(missed).map(Line::text).collect();
    assert!(missed.is_empty(), "a start refuses what `repair --check` does not find:\n{}", missed.join("\n"));
    let noticed = lines.iter().filter(|line| !line.cell.under_it && line.verdict.is_noticed()).count();
    assert!(noticed >= NOTICED_MIN, "only {noticed} were noticed: too few to show anything");
}

impl Line {
    fn text(&self) -> String {
        let Cell { kind, fault, place, under_it } = self.cell;
        let kind = format!("{}{}", kind.name(), if under_it { ", under a node" } else { "" });
        let fault = fault.name(place);
        let checked = match self.checked {
            None => "",
            Some(0) => "whole",
            Some(1) => "damaged",
            Some(_) => "refused",
        };
        format!("| {kind:<28} | {fault:<24} | {:<60} | {checked:<7} | {} |", self.what, self.verdict)
    }
}

/// The matrix, and what it comes to.
fn table(lines: &[Line]) -> String {
    let count = |is: &dyn Fn(&Verdict) -> bool| lines.iter().filter(|line| is(&line.verdict)).count();
    let head = "| file | fault | what was done | `repair --check` | what came of it |\n|---|---|---|---|---|";
    let rows: Vec<String> = lines.iter().map(Line::text).collect();
    format!(
        "\n{head}\n{}\n{} cells, seed {SEED}: {} noticed, {} harmless, {} wrong",
        rows.join("\n"),
        lines.len(),
        count(&Verdict::is_noticed),
        count(&|verdict| matches!(verdict, Verdict::Harmless(_))),
        count(&Verdict::is_wrong),
    )
}
