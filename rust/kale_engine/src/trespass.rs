//! What steps used of the world without the compiler knowing: harmless, unless another step uses the same and nothing
//! orders the two.
//!
//! The runtime notes what each cell touches and whether a claim covers it (`kale_runtime/verify.py`); only the engine
//! sees all steps. A touch that no claim covers is a violation when it *meets* another step's use of the same thing, one
//! of the two writes, and the pipeline has no path between the steps: which of the two comes first is then chance.

use std::collections::{BTreeMap, BTreeSet};

use kale_model::{CellIndex, Code, Diagnostic, Pipeline, Span, StepId};

use crate::report::{How, Touch};

/// What the steps of a run have touched so far.
#[derive(Clone, Debug, Default)]
pub struct Trespasses {
    touched: BTreeMap<StepId, Vec<Touch>>,
    /// Steps of which a violation has been told: once is enough for both sides.
    told: BTreeSet<StepId>,
}

/// Another step's use of something.
struct Use<'a> {
    step: StepId,
    cell: CellIndex,
    what: &'a str,
    writes: bool,
    claimed: bool,
}

impl Trespasses {
    /// Takes in what a step touched. Gives the first violation, else remarks.
    pub fn judge(&mut self, pipeline: &Pipeline, step: StepId, touches: &[Touch]) -> Vec<Diagnostic> {
        self.touched.insert(step, touches.to_vec());
        let unordered = &unordered_with(pipeline, step) - &self.told;
        let violation = touches.iter().find_map(|touch| {
            let other = self.uses(pipeline, &unordered).find(|other| meets(touch, other))?;
            Some(violation(pipeline, touch, &other))
        });
        match violation {
            Some(violation) => {
                self.told.insert(step);
                vec![violation]
            }
            None => remarks(touches),
        }
    }

    /// Files that other steps claim to use, and files and databases that they were seen to use.
    fn uses<'a>(&'a self, pipeline: &'a Pipeline, steps: &'a BTreeSet<StepId>) -> impl Iterator<Item = Use<'a>> + 'a {
        let claims = |step: StepId| {
            let cells = pipeline.step(step).claims.iter().flat_map(|claims| &claims.cells);
            cells.filter(|claims| !claims.independent)
        };
        let claimed = steps.iter().flat_map(move |&step| {
            claims(step).flat_map(move |claims| {
                let cell = claims.cell;
                let file = move |what, writes| Use { step, cell, what, writes, claimed: true };
                let reads = claims.files.reads.iter().map(move |path| file(path.as_str(), false));
                reads.chain(claims.files.writes.iter().map(move |path| file(path.as_str(), true)))
            })
        });
        let seen = steps.iter().flat_map(|&step| {
            self.touched.get(&step).into_iter().flatten().filter(|touch| is_place(touch.how)).map(move |touch| Use {
                step,
                cell: touch.cell,
                what: &touch.what,
                writes: matches!(touch.how, How::Write | How::Database),
                claimed: touch.claimed,
            })
        });
        claimed.chain(seen)
    }
}

fn is_place(how: How) -> bool {
    matches!(how, How::Read | How::Write | How::List | How::Database)
}

fn meets(touch: &Touch, other: &Use) -> bool {
    let writes = matches!(touch.how, How::Write | How::Database);
    is_place(touch.how)
        && !(touch.claimed && other.claimed)
        && (writes || other.writes)
        && same_place(touch, other.what)
}

/// One path is the other, or a folder above it.
fn same_place(touch: &Touch, other: &str) -> bool {
    let within = |outer: &str, inner: &str| {
        inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    // Making a folder does not touch what others put into it.
    touch.what == other || within(other, &touch.what) || (touch.how == How::List && within(&touch.what, other))
}

/// Steps that may run before or after it, as it happens.
fn unordered_with(pipeline: &Pipeline, step: StepId) -> BTreeSet<StepId> {
    let before = reached(step, |at| pipeline.upstream(at).collect());
    let after = reached(step, |at| pipeline.edges.iter().filter(|edge| edge.from == at).map(|edge| edge.to).collect());
    pipeline.step_ids().filter(|id| *id != step && !before.contains(id) && !after.contains(id)).collect()
}

fn reached(from: StepId, next: impl Fn(StepId) -> Vec<StepId>) -> BTreeSet<StepId> {
    let (mut found, mut todo) = (BTreeSet::new(), vec![from]);
    while let Some(at) = todo.pop() {
        todo.extend(next(at).into_iter().filter(|id| found.insert(*id)));
    }
    found
}

fn violation(pipeline: &Pipeline, touch: &Touch, other: &Use) -> Diagnostic {
    let other_step = &pipeline.step(other.step).name;
    let does = if matches!(touch.how, How::Write | How::Database) { "writes" } else { "reads" };
    let did = if other.writes { "writes" } else { "reads" };
    Diagnostic::new(
        Code::UndeclaredResource,
        format!(
            "Cell {} {does} `{}`, which cell {} of step `{other_step}` {did}: the analysis did not see both, and nothing \
             orders the two steps.",
            touch.cell.0, touch.what, other.cell.0
        ),
        "Tag the later cell `prev:NAME`, put both cells into one step, or open the file in the cell itself, by a path \
         that can be seen.",
    )
    .at(Span::of_cell(touch.cell))
    .with_related(Span::of_cell(other.cell), format!("the other use of `{}`", touch.what))
}

/// One remark per cell: what it did that nobody foresaw, and that nobody minds here.
fn remarks(touches: &[Touch]) -> Vec<Diagnostic> {
    let mut by_cell: BTreeMap<CellIndex, Vec<String>> = BTreeMap::new();
    for touch in touches.iter().filter(|touch| !touch.claimed) {
        let told = match touch.how {
            How::Read => format!("reads `{}`", touch.what),
            How::Write => format!("writes `{}`", touch.what),
            How::List => format!("lists `{}`", touch.what),
            How::Network => format!("connects to `{}`", touch.what),
            How::Process => format!("starts `{}`", touch.what),
            How::Database => format!("opens the database `{}`", touch.what),
        };
        by_cell.entry(touch.cell).or_default().push(told);
    }
    by_cell.into_iter().map(|(cell, told)| remark(cell, &told)).collect()
}

fn remark(cell: CellIndex, told: &[String]) -> Diagnostic {
    const SHOWN: usize = 3;
    let more = if told.len() > SHOWN { format!(", and {} more", told.len() - SHOWN) } else { String::new() };
    let shown = told[..told.len().min(SHOWN)].join(", ");
    Diagnostic::new(
        Code::UnforeseenResource,
        format!("Cell {} {shown}{more}, which could not be seen before the run.", cell.0),
        "Nothing has to be done here. On a cluster, files that cannot be seen in the cell are missing.",
    )
    .at(Span::of_cell(cell))
}
