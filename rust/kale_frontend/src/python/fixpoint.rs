//! Summaries of functions that call each other: the least fixpoint of their equations.
//!
//! A call of a function whose body is being evaluated uses its summary so far, at first that of a function that does
//! nothing, and makes all functions between the two calls members of one recursion, as Tarjan's algorithm finds strongly
//! connected components: each remembers the outermost function that it depends on, and the one that depends on no outer
//! one is the head. When the head's body has been evaluated, the members are evaluated again as a *worklist* algorithm
//! does it (Kildall, POPL 1973): only those that have called one whose summary has changed since, until there are none.
//! The list is gone through from the head inwards and outwards in turn, so that what one function does reaches all
//! others in few sweeps, whichever way they call each other. Then the summaries fit each other, and those of all members
//! are kept, not only the head's.

use std::rc::Rc;

use ruff_text_size::TextRange;
use rustc_hash::FxHashMap;

use super::analyzer::Analyzer;
use super::effects::Summary;
use super::summary::SummaryKey;

/// More sweeps than any notebook needs: each only adds places and types, of which there are few. What has not come to
/// an end by then counts as code that cannot be seen.
const MAX_SWEEPS: usize = 200;

/// A call that is being followed, and the calls that led to it.
struct Call {
    key: SummaryKey,
    /// How many calls led to it.
    depth: usize,
    by: Option<Rc<Call>>,
}

/// The recursions being followed.
pub struct Recursion {
    /// The innermost call whose body is being evaluated.
    active: Option<Rc<Call>>,
    /// The depth of the outermost call that the innermost one depends on so far.
    depends_on: usize,
    /// What members of recursions were found to do so far.
    so_far: FxHashMap<SummaryKey, Member>,
    /// The members in the order in which their bodies were evaluated for the first time.
    members: Vec<Rc<Call>>,
}

struct Member {
    summary: Rc<Summary>,
    /// The depth of the outermost call that it depends on.
    depends_on: usize,
    /// Those whose own summaries were made with this one.
    callers: Vec<Rc<Call>>,
    /// Something that its own summary was made with has changed since.
    is_stale: bool,
}

impl Default for Member {
    fn default() -> Member {
        Member { summary: Rc::default(), depends_on: usize::MAX, callers: vec![], is_stale: false }
    }
}

impl Default for Recursion {
    fn default() -> Recursion {
        Recursion { active: None, depends_on: usize::MAX, so_far: FxHashMap::default(), members: vec![] }
    }
}

impl Recursion {
    /// The calls that are being followed, from the innermost to the outermost.
    fn active(&self) -> impl Iterator<Item = &Rc<Call>> {
        std::iter::successors(self.active.as_ref(), |call| call.by.as_ref())
    }

    pub fn is_active(&self, is_it: impl Fn(&SummaryKey) -> bool) -> bool {
        self.active().any(|call| is_it(&call.key))
    }

    pub fn depth(&self) -> usize {
        self.active.as_ref().map_or(0, |call| call.depth + 1)
    }

    /// What a function does as far as that is known: one that is being evaluated, or a member.
    fn known(&mut self, key: &SummaryKey) -> Option<Rc<Summary>> {
        let depth = self.active().find(|call| call.key == *key).map(|call| call.depth);
        let depends_on = depth.or_else(|| Some(self.so_far.get(key)?.depends_on))?;
        self.depends_on = self.depends_on.min(depends_on);
        let member = self.so_far.entry(key.clone()).or_default();
        Some(member.summary.clone())
    }

    /// Notes that the innermost call uses the summary of this one.
    fn note_caller(&mut self, key: &SummaryKey) {
        if let (Some(member), Some(active)) = (self.so_far.get_mut(key), &self.active)
            && !member.callers.iter().any(|caller| Rc::ptr_eq(caller, active))
        {
            member.callers.push(active.clone());
        }
    }

    /// Takes in what an evaluation of a member's body has shown.
    fn note(&mut self, call: &Rc<Call>, summary: Rc<Summary>) {
        let member = self.so_far.entry(call.key.clone()).or_default();
        if member.summary == summary {
            return;
        }
        member.summary = summary;
        for caller in std::mem::take(&mut member.callers) {
            if let Some(caller) = self.so_far.get_mut(&caller.key) {
                caller.is_stale = true;
            }
        }
    }

    /// What depends on a member, or on one that it has called, depends on what this one depends on.
    fn join(&mut self, first: usize, depends_on: usize) {
        for call in &self.members[first..] {
            if let Some(member) = self.so_far.get_mut(&call.key) {
                member.depends_on = member.depends_on.min(depends_on);
            }
        }
    }

    fn is_stale(&self, call: &Call) -> bool {
        self.so_far.get(&call.key).is_some_and(|member| member.is_stale)
    }
}

impl<'a> Analyzer<'a> {
    /// The summary of a call: known, so far (inside a recursion), or made now.
    pub fn summarize(&mut self, key: SummaryKey) -> Rc<Summary> {
        if let Some(summary) = self.summaries.get(&key).cloned().filter(|summary| self.holds(summary)) {
            self.carry_assumptions(&summary);
            return summary;
        }
        let so_far = self.recursion.known(&key);
        let summary = so_far.unwrap_or_else(|| self.make_summary(&key));
        self.recursion.note_caller(&key);
        self.carry_assumptions(&summary);
        summary
    }

    /// Evaluates the body; after that of the outermost function of a recursion, all that has to be evaluated again.
    fn make_summary(&mut self, key: &SummaryKey) -> Rc<Summary> {
        let first = self.recursion.members.len();
        let by = self.recursion.active.clone();
        let call = Rc::new(Call { key: key.clone(), depth: self.recursion.depth(), by });
        let (summary, mut depends_on) = self.evaluate_call(&call);
        if depends_on > call.depth {
            self.summaries.insert(key.clone(), summary.clone());
            return summary;
        }
        self.recursion.members.push(call.clone());
        self.recursion.note(&call, summary);
        self.recursion.join(first, depends_on);
        if depends_on == call.depth {
            depends_on = self.work_off(first, call.depth);
        }
        if depends_on == call.depth {
            return self.settle(first, key);
        }
        self.recursion.depends_on = self.recursion.depends_on.min(depends_on);
        self.recursion.so_far[key].summary.clone()
    }

    /// Evaluates the body of a call as it is where the call was met first; also gives the depth of the outermost call
    /// that it depends on.
    fn evaluate_call(&mut self, call: &Rc<Call>) -> (Rc<Summary>, usize) {
        let outside = self.recursion.active.replace(call.clone());
        let outer = std::mem::replace(&mut self.recursion.depends_on, usize::MAX);
        let summary = Rc::new(self.evaluate_body(&call.key));
        self.recursion.active = outside;
        (summary, std::mem::replace(&mut self.recursion.depends_on, outer))
    }

    /// Evaluates members that were made with what has changed since, until there are none, or until one turns out to
    /// depend on a call outside of their head; gives the depth of the outermost call that they depend on.
    fn work_off(&mut self, first: usize, head: usize) -> usize {
        for sweep in 0..MAX_SWEEPS {
            let mut stale: Vec<Rc<Call>> = self.recursion.members[first..].to_vec();
            if sweep % 2 == 0 {
                stale.reverse();
            }
            let mut is_done = true;
            for call in stale {
                if self.recursion.is_stale(&call) {
                    is_done = false;
                    let depends_on = self.work_on(&call);
                    if depends_on < head {
                        self.recursion.join(first, depends_on);
                        return depends_on;
                    }
                }
            }
            if is_done {
                return head;
            }
        }
        debug_assert!(false, "a recursion that does not come to an end");
        for call in &self.recursion.members[first..] {
            let what = ("functions that call each other".to_owned(), TextRange::default());
            let Some(member) = self.recursion.so_far.get_mut(&call.key) else { continue };
            Rc::make_mut(&mut member.summary).effects.dynamic.push(what);
        }
        head
    }

    fn work_on(&mut self, call: &Rc<Call>) -> usize {
        self.recursion.so_far.get_mut(&call.key).into_iter().for_each(|member| member.is_stale = false);
        let (summary, depends_on) = self.evaluate_call(call);
        self.recursion.note(call, summary);
        depends_on
    }

    /// Keeps the summaries of the members of a recursion. What one of them depends on, all of them do.
    fn settle(&mut self, first: usize, head: &SummaryKey) -> Rc<Summary> {
        let Recursion { members, so_far, .. } = &mut self.recursion;
        let calls = members.drain(first..);
        let members: Vec<(Rc<Call>, Member)> = calls
            .filter_map(|call| Some((so_far.remove(&call.key)?, call)))
            .map(|(member, call)| (call, member))
            .collect();
        let mut assumptions: Vec<_> =
            members.iter().flat_map(|(_, member)| member.summary.assumptions.clone()).collect();
        assumptions.sort_by_key(|(name, _)| *name);
        assumptions.dedup();
        for (call, Member { mut summary, .. }) in members {
            Rc::make_mut(&mut summary).assumptions.clone_from(&assumptions);
            self.summaries.insert(call.key.clone(), summary);
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
