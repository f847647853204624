//! From facts about cells to what each step's process does.
//!
//! [`demand`] walks the cells backwards and settles, for every cell, which names it must find in its process and where
//! each comes from: a stored value of an earlier version, or a definition executed again. [`player`] then plays each
//! step's cells in order and puts loads and definitions between them, [`program`] does so for all steps, with the saves;
//! as long as a step would load parts of one alias group apart, the demand is settled again with those parts together.
//! [`order`] adds the edges that files and other hidden resources need, and [`hazard`] finds cells that cannot be in
//! different processes. Nothing here knows about tags: which cells form a step is an input ([`Grouping`]).

pub mod demand;
pub mod hazard;
pub mod order;
mod player;
pub mod program;

/// Which group (a step to be) each analysed cell belongs to; `None` for cells that are only definitions.
pub type Grouping = Vec<Option<usize>>;
