//! Summaries of functions that call each other: the least fixpoint of their equations.
//!
//! A call of a function whose body is being evaluated uses its summary so far, at first that of a function that does
//! nothing, and makes all functions between the two calls members of one recursion, as Tarjan's algorithm finds strongly
//! connected components: each remembers the outermost function that it depends on, and the one that depends on no outer
//! one is the head. The head's body is evaluated in rounds, in each of which every member is evaluated once, with what
//! the others were found to do so far. After a round that has changed nothing, the summaries fit each other, and those
//! of all members are kept, not only the head's.

use std::rc::Rc;

use ruff_text_size::TextRange;
use rustc_hash::FxHashMap;

use super::analyzer::Analyzer;
use super::effects::Summary;
use super::summary::SummaryKey;

/// More rounds than any notebook needs: each only adds places and types, of which there are few. What has not come to
/// an end by then counts as code that cannot be seen.
const MAX_ROUNDS: usize = 100;

/// The recursions being followed.
pub struct Recursion {
    /// Functions whose bodies are being evaluated, each called by the one before it.
    active: Vec<SummaryKey>,
    /// The index in `active` of the outermost function that the innermost one depends on so far.
    depends_on: usize,
    /// What members of recursions were found to do so far.
    so_far: FxHashMap<SummaryKey, SoFar>,
    /// The members, as they were evaluated; one that is evaluated again stands there again.
    members: Vec<SummaryKey>,
    /// How often a member was found to do more than before.
    changes: usize,
}

struct SoFar {
    summary: Rc<Summary>,
    /// The index in `active` of the outermost function that it depends on.
    depends_on: usize,
    /// It was evaluated in this round.
    is_current: bool,
}

impl Default for Recursion {
    fn default() -> Recursion {
        let (active, members) = (vec![], vec![]);
        Recursion { active, depends_on: usize::MAX, so_far: FxHashMap::default(), members, changes: 0 }
    }
}

impl Recursion {
    pub fn is_active(&self, is_it: impl Fn(&SummaryKey) -> bool) -> bool {
        self.active.iter().any(is_it)
    }

    /// What a function does as far as that is known: one that is being evaluated, or has been in this round.
    fn known(&mut self, key: &SummaryKey) -> Option<Rc<Summary>> {
        let known = self.so_far.get(key);
        let depends_on = match self.active.iter().position(|active| active == key) {
            Some(index) => index,
            None => known.filter(|known| known.is_current)?.depends_on,
        };
        self.depends_on = self.depends_on.min(depends_on);
        Some(known.map_or_else(Rc::default, |known| known.summary.clone()))
    }

    /// Takes in what one evaluation of a member's body has shown.
    fn note(&mut self, key: &SummaryKey, summary: &Rc<Summary>) {
        let known = self.so_far.get(key);
        let is_same = known.map_or(**summary == Summary::default(), |known| known.summary == *summary);
        self.changes += usize::from(!is_same);
        let noted = SoFar { summary: summary.clone(), depends_on: self.depends_on, is_current: true };
        self.so_far.insert(key.clone(), noted);
        self.members.push(key.clone());
    }

    fn of_members(&mut self, first: usize, mut change: impl FnMut(&mut SoFar)) {
        for key in &self.members[first..] {
            self.so_far.get_mut(key).into_iter().for_each(&mut change);
        }
    }
}

impl<'a> Analyzer<'a> {
    /// The summary of a call: known, so far (inside a recursion), or made now.
    pub fn summarize(&mut self, key: SummaryKey) -> Rc<Summary> {
        let known = self.summaries.get(&key).cloned().filter(|summary| self.holds(summary));
        let summary = known.or_else(|| self.recursion.known(&key)).unwrap_or_else(|| self.make_summary(key));
        self.carry_assumptions(&summary);
        summary
    }

    /// Evaluates the body: once, or, of the outermost function of a recursion, until nothing is added.
    fn make_summary(&mut self, key: SummaryKey) -> Rc<Summary> {
        let (index, first) = (self.recursion.active.len(), self.recursion.members.len());
        let outer = std::mem::replace(&mut self.recursion.depends_on, usize::MAX);
        self.recursion.active.push(key.clone());
        let (mut summary, mut rounds) = (Rc::default(), 0);
        while rounds < MAX_ROUNDS {
            let before = self.recursion.changes;
            summary = Rc::new(self.evaluate_body(&key));
            if self.recursion.depends_on > index {
                break;
            }
            self.recursion.note(&key, &summary);
            if self.recursion.depends_on < index || self.recursion.changes == before {
                break;
            }
            self.recursion.of_members(first, |member| member.is_current = false);
            rounds += 1;
        }
        debug_assert!(rounds < MAX_ROUNDS, "a recursion that does not come to an end");
        if rounds == MAX_ROUNDS {
            let what = ("functions that call each other".to_owned(), TextRange::default());
            Rc::make_mut(&mut summary).effects.dynamic.push(what);
            self.recursion.note(&key, &summary);
        }
        self.recursion.active.pop();
        let depends_on = std::mem::replace(&mut self.recursion.depends_on, outer);
        if depends_on < index {
            // What depends on this function, or on one that it has called, depends on what this one depends on.
            self.recursion.of_members(first, |member| member.depends_on = member.depends_on.min(depends_on));
            self.recursion.depends_on = outer.min(depends_on);
        } else if depends_on == index {
            summary = self.settle(first, &key);
        } else {
            self.summaries.insert(key, summary.clone());
        }
        summary
    }

    /// Keeps the summaries of the members of a recursion. What one of them depends on, all of them do.
    fn settle(&mut self, first: usize, head: &SummaryKey) -> Rc<Summary> {
        let Recursion { members, so_far, .. } = &mut self.recursion;
        let members = members.drain(first..).filter_map(|key| Some((so_far.remove(&key)?, key)));
        let members: Vec<(SoFar, SummaryKey)> =
            members.filter(|(member, key)| member.is_current || key == head).collect();
        let mut assumptions: Vec<_> =
            members.iter().flat_map(|(member, _)| member.summary.assumptions.clone()).collect();
        assumptions.sort_by_key(|(name, _)| *name);
        assumptions.dedup();
        for (SoFar { mut summary, .. }, key) in members {
            Rc::make_mut(&mut summary).assumptions.clone_from(&assumptions);
            self.summaries.insert(key, summary);
        }
        self.summaries[head].clone()
    }

    fn holds(&self, summary: &Summary) -> bool {
        summary.assumptions.iter().all(|(name, assumed)| self.assumed(*name) == *assumed)
    }

    /// What a callee's summary depends on, its caller's depends on, too.
    fn carry_assumptions(&mut self, summary: &Summary) {
        if !self.in_module() {
            let known = summary.assumptions.clone();
            self.frame().assumptions.extend(known);
        }
    }
}

#[cfg(test)]
mod tests;
